import FreshetCore
import FreshetWire
import Testing

@Suite struct NTPTimeTests {
    @Test func knowsTheEpochs() {
        // 1 January 1970 is 2 208 988 800 s after 1 January 1900 (RFC 868).
        #expect(NTPTime(unixNanoseconds: 0).bits == 2_208_988_800 << 32)
        #expect(NTPTime(unixNanoseconds: 500_000_000).bits == 2_208_988_800 << 32 | 0x8000_0000 as UInt64)
        #expect(NTPTime(unixNanoseconds: -500_000_000).bits == 2_208_988_799 << 32 | 0x8000_0000 as UInt64)
        // 7 February 2036, 06:28:16 UTC: the seconds wrap.
        #expect(NTPTime(unixNanoseconds: 2_085_978_496_000_000_000).bits == 0)
        #expect(NTPTime(bits: 0).unixNanoseconds == 2_085_978_496_000_000_000)
    }

    @Test func nanosecondsMakeTheRoundTrip() {
        var random = PRNG(seed: 30)
        for _ in 0..<50_000 {
            // 1970 to 2100.
            let time = Int64(random.below(4_100_000_000_000_000_000))
            #expect(NTPTime(unixNanoseconds: time).unixNanoseconds == time)
        }
    }

    @Test func givesTheRoundTripOfTheStandard() {
        // RFC 3550 §6.4.1 figure 2: A 0xb710:8000, LSR 0xb705:2000, DLSR 0x0005:4000; 6.125 s.
        let trip = NTPTime.roundTrip(
            now: NTPTime(bits: 0xB710_8000_0000), lastReport: 0xB705_2000, delay: 0x0005_4000)
        #expect(trip == .milliseconds(6_125))
        let early = NTPTime.roundTrip(
            now: NTPTime(bits: 0xB710_8000_0000), lastReport: 0xB705_2000, delay: 0x000F_4000)
        #expect(early == nil)
        #expect(NTPTime.roundTrip(now: NTPTime(bits: 1), lastReport: 0, delay: 0) == nil)
    }

    @Test func spansAreHeldInTheirRange() {
        #expect(NTPTime.middle(of: .seconds(1)) == 65_536 && NTPTime.middle(of: .seconds(-1)) == 0)
        #expect(NTPTime.middle(of: .seconds(100_000)) == .max)
        #expect(NTPTime.span(ofMiddle: 65_536) == .seconds(1))
    }
}
