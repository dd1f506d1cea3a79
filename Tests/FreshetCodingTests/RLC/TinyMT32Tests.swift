import Testing

@testable import FreshetCoding

@Suite struct TinyMT32Tests {
    @Test func theFirstNumbersOfSeedOneAreThoseOfTheStandard() {
        // RFC 8682 §2.1, the first ten of its table.
        var random = TinyMT32(seed: 1)
        let expected: [UInt32] = [
            2_545_341_989, 981_918_433, 3_715_302_833, 2_387_538_352, 3_591_001_365, 3_820_442_102,
            2_114_400_566, 2_196_103_051, 2_783_359_912, 764_534_509,
        ]
        for value in expected { #expect(random.next() == value) }
    }

    @Test func smallNumbersAreTheLowBits() {
        // RFC 8681 §3.5, the first ten for seed 1.
        var random = TinyMT32(seed: 1)
        for value: UInt8 in [37, 225, 177, 176, 21, 246, 54, 139, 168, 237] {
            #expect(random.next256() == value)
        }
        random = TinyMT32(seed: 1)
        for value: UInt8 in [5, 1, 1, 0, 5, 6, 6, 11, 8, 13] { #expect(random.next16() == value) }
    }
}
