import FreshetCore
import Testing

@testable import FreshetEngine

@Suite struct MP4BoxesTests {
    private static func number(_ value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) }
    }

    private static func box(_ name: String, _ content: [UInt8] = []) -> [UInt8] {
        number(UInt32(content.count + 8)) + Array(name.utf8) + content
    }

    /// A track's header and handler.
    private static func track(_ identifier: UInt32, _ handler: String) -> [UInt8] {
        box(
            "trak",
            box("tkhd", number(0) + number(0) + number(0) + number(identifier) + number(0) + number(0))
                + box("mdia", box("hdlr", number(0) + number(0) + Array(handler.utf8))))
    }

    private static func header(_ tracks: [UInt8]) -> [UInt8] {
        box("ftyp", [1, 2, 3, 4]) + box("moov", tracks)
    }

    /// A fragment of one run; `flags` of its first sample stand in the run, or in the track's defaults.
    private static func fragment(_ track: UInt32, flags: UInt32, isDefault: Bool = false) -> [UInt8] {
        let head = number(isDefault ? 0x28 : 0) + number(track)
        let header = box("tfhd", head + (isDefault ? number(512) + number(flags) : []))
        let run = box("trun", number(isDefault ? 0 : 0x4) + number(1) + (isDefault ? [] : number(flags)))
        return box("moof", box("mfhd", number(0) + number(1)) + box("traf", header + run))
            + box("mdat", [7, 7, 7])
    }

    /// The pieces of `bytes` that come `count` at a time; `nil` when they were refused.
    private static func pieces(
        _ bytes: [UInt8], _ count: Int, limit: Int = 4096
    ) -> [(bytes: [UInt8], isStart: Bool?)]? {
        let boxes = MP4Boxes(pieceByteLimit: limit)
        var found: [(bytes: [UInt8], isStart: Bool?)] = []
        var place = 0
        while place < bytes.count {
            let isTaken = Array(bytes[place...].prefix(count)).withUnsafeBytes {
                boxes.append($0) { piece in
                    switch piece {
                    case .header(let bytes): found.append((bytes, nil))
                    case .fragment(let bytes, let isStart): found.append((bytes, isStart))
                    }
                }
            }
            if !isTaken { return nil }
            place += count
        }
        return found
    }

    @Test(arguments: [1, 7, 64, 100_000])
    func piecesComeWholeHoweverTheyWereCut(count: Int) throws {
        let parts = [
            Self.header(Self.track(1, "soun") + Self.track(2, "vide")), Self.fragment(2, flags: 0x2000000),
            Self.fragment(2, flags: 0x1010000), Self.fragment(1, flags: 0),
            Self.fragment(2, flags: 0x2000000, isDefault: true),
            Self.fragment(2, flags: 0x1010000, isDefault: true),
        ]
        let found = try #require(Self.pieces(parts.flatMap { $0 }, count))
        #expect(found.map(\.bytes) == parts)
        #expect(found.map(\.isStart) == [nil, true, false, false, true, false])
    }

    @Test func everyFragmentOfSoundIsAStart() throws {
        let bytes = Self.header(Self.track(1, "soun")) + Self.fragment(1, flags: 0x1010000)
        #expect(try #require(Self.pieces(bytes, 10)).last?.isStart == true)
    }

    @Test func aPieceThatIsTooLongOrNoneIsRefused() {
        #expect(Self.pieces(Self.header([]) + Self.number(5000) + Array("moof".utf8), 8, limit: 4096) == nil)
        #expect(Self.pieces(Self.number(3) + Array("moov".utf8), 8) == nil)
        #expect(Self.pieces(Self.box("free", [UInt8](repeating: 0, count: 90)), 8, limit: 64) == nil)
    }

    @Test func damagedBoxesDoNoHarm() {
        var random = PRNG(seed: 5)
        let whole =
            Self.header(Self.track(1, "soun") + Self.track(2, "vide")) + Self.fragment(2, flags: 0x2000000)
        for _ in 0..<5000 {
            var bytes = whole
            for _ in 0...random.below(6) {
                bytes[Int(random.below(UInt64(bytes.count)))] = UInt8(random.below(256))
            }
            let found = Self.pieces(bytes, 1 + Int(random.below(40))) ?? []
            #expect(found.reduce(0) { $0 + $1.bytes.count } <= bytes.count)
        }
    }
}
