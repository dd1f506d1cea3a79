import FreshetCore
import Testing

@testable import FreshetEngine

@Suite struct BroadcastRingTests {
    private static func append(_ ring: BroadcastRing, _ bytes: some Sequence<UInt8>) {
        Array(bytes).withUnsafeBytes { ring.append($0) }
    }

    /// What one read of up to `count` bytes gives; `nil` for nothing, empty for the end.
    private static func read(
        _ ring: BroadcastRing, _ cursor: inout BroadcastRing.Cursor, _ count: Int = 1000
    ) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: count)
        switch buffer.withUnsafeMutableBytes({ ring.read(&cursor, into: $0) }) {
        case .bytes(let count): return Array(buffer[..<count])
        case .nothing: return nil
        case .ended: return []
        }
    }

    @Test func everyReaderGetsEveryByteInItsOwnTime() {
        let ring = BroadcastRing(capacity: 100, joints: .every(1))
        var random = PRNG(seed: 3)
        var (fast, slow) = (BroadcastRing.Cursor(), BroadcastRing.Cursor())
        Self.append(ring, [0])
        #expect(Self.read(ring, &fast) == nil && Self.read(ring, &slow) == nil)
        var (sent, gotFast, gotSlow) = ([UInt8](), [UInt8](), [UInt8]())
        for _ in 0..<2000 {
            let more = (0..<Int(random.below(20))).map { _ in UInt8(random.below(256)) }
            // The slow one never falls behind by more than the ring holds.
            if sent.count - gotSlow.count + more.count > 100 {
                while let bytes = Self.read(ring, &slow, 7) { gotSlow += bytes }
            }
            Self.append(ring, more)
            sent += more
            while let bytes = Self.read(ring, &fast) { gotFast += bytes }
        }
        ring.close()
        while let bytes = Self.read(ring, &slow, 7), !bytes.isEmpty { gotSlow += bytes }
        #expect(Self.read(ring, &fast) == [])
        #expect(gotFast == sent && gotSlow == sent)
        #expect(slow.skippedByteCount == 0)
    }

    @Test func aReaderThatIsTooSlowGoesOnAtTheNewestStart() {
        let ring = BroadcastRing(capacity: 64, joints: .every(4))
        var cursor = BroadcastRing.Cursor()
        ring.mark(isStart: true, needsHead: false)
        Self.append(ring, 0..<8)
        #expect(Self.read(ring, &cursor, 4) == [0, 1, 2, 3])
        Self.append(ring, 8..<80)
        ring.mark(isStart: true, needsHead: true)
        Self.append(ring, 80..<100)
        #expect(Self.read(ring, &cursor) == Array(80..<100))
        #expect(cursor.skippedByteCount == 76)
    }

    @Test func aNewReaderStartsAtTheNewestStartWithTheHead() {
        let ring = BroadcastRing(capacity: 64, joints: .every(1))
        ring.setHead([200, 201, 202])
        Self.append(ring, 0..<10)
        ring.mark(isStart: true, needsHead: true)
        Self.append(ring, 10..<20)
        ring.mark(isStart: false, needsHead: false)
        Self.append(ring, 20..<30)
        var cursor = BroadcastRing.Cursor()
        var got: [UInt8] = []
        while let bytes = Self.read(ring, &cursor, 2) { got += bytes }
        #expect(got == [200, 201, 202] + Array(10..<30))
        var tables = BroadcastRing.Cursor()
        ring.mark(back: 5, isStart: true, needsHead: false)
        #expect(Self.read(ring, &tables) == Array(25..<30))
    }

    @Test func aStreamWithoutJointsEndsForAReaderInTheMidstOfAPiece() {
        let ring = BroadcastRing(capacity: 32, joints: .marks)
        var (inside, between) = (BroadcastRing.Cursor(), BroadcastRing.Cursor())
        #expect(Self.read(ring, &inside) == nil)
        ring.mark(isStart: true, needsHead: false)
        Self.append(ring, 0..<8)
        ring.mark(isStart: false, needsHead: false)
        #expect(Self.read(ring, &inside, 4) == [0, 1, 2, 3])
        #expect(Self.read(ring, &between) == Array(0..<8))
        Self.append(ring, 8..<24)
        ring.mark(isStart: true, needsHead: false)
        Self.append(ring, 24..<42)
        #expect(Self.read(ring, &inside) == [])
        #expect(Self.read(ring, &between) == Array(24..<42))
        #expect(between.skippedByteCount == 16)
    }

    @Test func moreThanFitsLeavesTheLast() {
        let ring = BroadcastRing(capacity: 16, joints: .every(1))
        var cursor = BroadcastRing.Cursor()
        Self.append(ring, [9])
        #expect(Self.read(ring, &cursor) == nil)
        Self.append(ring, 0..<100)
        ring.mark(back: 16, isStart: true, needsHead: false)
        #expect(Self.read(ring, &cursor) == Array(84..<100))
        #expect(cursor.skippedByteCount == 84)
        // More marks than are kept.
        for number in 0..<5000 {
            ring.mark(isStart: true, needsHead: false)
            Self.append(ring, [UInt8(number & 255)])
        }
        var late = BroadcastRing.Cursor()
        #expect(Self.read(ring, &late) == [UInt8(4999 & 255)])
    }
}
