import Foundation
import FreshetCore
import FreshetWire
import Testing

@testable import FreshetEngine

@Suite struct StreamFeedTests {
    private static let clip: [UInt8] = {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let data = FileManager.default.contents(atPath: root.appendingPathComponent("media/clip.ts").path)
        return [UInt8](data ?? Data())
    }()

    /// A feed that was given `bytes` in pieces of `sizes`, again and again.
    private static func feed(_ bytes: [UInt8], _ sizes: [Int], capacity: Int = 16 << 20) -> StreamFeed {
        let pool = PacketPool(slotCount: 2)
        var feed: StreamFeed?
        var place = 0
        var turn = 0
        while place < bytes.count {
            let size = min(sizes[turn % sizes.count], bytes.count - place)
            guard var packet = pool.allocate() else { break }
            Array(bytes[place..<place + size]).withUnsafeBytes { packet.append($0.bytes) }
            if feed == nil { feed = StreamFeed(first: packet, capacity: capacity) }
            feed?.take(packet)
            place += size
            turn += 1
        }
        return feed.take()!
    }

    /// All that a new reader gets now.
    private static func read(_ ring: BroadcastRing) -> [UInt8] {
        var cursor = BroadcastRing.Cursor()
        var got: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 188 * 50)
        while case .bytes(let count) = buffer.withUnsafeMutableBytes({ ring.read(&cursor, into: $0) }) {
            got += buffer[..<count]
        }
        return got
    }

    private static func pid(_ bytes: ArraySlice<UInt8>) -> UInt16 {
        UInt16(bytes[bytes.startIndex + 1] & 0x1F) << 8 | UInt16(bytes[bytes.startIndex + 2])
    }

    @Test(arguments: [[1316], [188], [1000, 3, 500, 188, 61]])
    func aReaderStartsAtTheLastKeyframeWithTablesHoweverTheStreamWasCut(sizes: [Int]) {
        let feed = Self.feed(Self.clip, sizes)
        #expect(feed.kind == .transportStream)
        #expect(feed.missingCount == 0 && feed.strayByteCount == 0)
        let got = Self.read(feed.ring)
        #expect(got.count > 188 * 20 && got.count % 188 == 0 && got.count < Self.clip.count)
        #expect(Self.pid(got[...]) == TSPacket.programAssociationPID)
        #expect(got.suffix(188 * 10).elementsEqual(Self.clip.suffix(188 * 10)))
    }

    @Test func whatIsMissingAndWhatIsStrayIsCounted() {
        var damaged = Array(Self.clip.prefix(188 * 400))
        damaged.insert(contentsOf: [1, 2, 3], at: 188 * 200)
        let stray = Self.feed(damaged, [1316])
        #expect(stray.strayByteCount == 3 && stray.missingCount == 0)
        var short = Array(Self.clip.prefix(188 * 400))
        var place = 188 * 200
        // A packet with a payload of a stream whose counter counts.
        while short[place + 3] & 0x10 == 0 || Self.pid(short[place...]) == TSPacket.nullPID { place += 188 }
        short.removeSubrange(place..<place + 188)
        #expect(Self.feed(short, [1316]).missingCount == 1)
    }

    @Test func otherBytesPassAsTheyAre() {
        let feed = Self.feed(Array(repeating: 1, count: 3000), [1000])
        #expect(feed.kind == .bytes)
    }

    @Test func aReaderWhoIsTooSlowIsSentOnToAKeyframe() {
        let capacity = 188 * 1500
        let pool = PacketPool(slotCount: 2)
        let first = Self.feed(Array(Self.clip.prefix(188 * 600)), [1316], capacity: capacity)
        var feed = consume first
        var cursor = BroadcastRing.Cursor()
        var buffer = [UInt8](repeating: 0, count: 188 * 7)
        _ = buffer.withUnsafeMutableBytes { feed.ring.read(&cursor, into: $0) }
        var place = 188 * 600
        while place + 1316 <= Self.clip.count {
            guard var packet = pool.allocate() else { break }
            Array(Self.clip[place..<place + 1316]).withUnsafeBytes { packet.append($0.bytes) }
            feed.take(packet)
            place += 1316
        }
        var got: [UInt8] = []
        while case .bytes(let count) = buffer.withUnsafeMutableBytes({ feed.ring.read(&cursor, into: $0) }) {
            got += buffer[..<count]
        }
        #expect(cursor.skippedByteCount > 0 && cursor.skippedByteCount % 188 == 0)
        #expect(got.count % 188 == 0 && got.first == 0x47)
        #expect(got.elementsEqual(Self.clip[..<place].suffix(got.count)))
    }
}
