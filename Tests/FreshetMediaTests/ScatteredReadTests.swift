import FreshetCore
import Testing

@testable import FreshetMedia

@Suite struct ScatteredReadTests {
    let clips: Clips
    let bench = Bench()

    init() throws { clips = try Clips() }

    @Test func packetsAreFilledInOrderAndTheRestIsCopiedOut() throws {
        let data = (0..<450).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let file = try FileBytes(path: try clips.write("a.bin", data))
        var read = ScatteredRead(packetLimit: 8, byteCountEach: 100)
        #expect(try read.read(file, limit: 3, context: &bench.context) == 300)
        let first = read.firstBytes.elementsEqual(data[..<100])
        #expect(first)
        let packet = read.take()
        #expect(packet?.byteCount == 100)
        let rest = UnsafeMutableRawBufferPointer.allocate(byteCount: 400, alignment: 8)
        defer { rest.deallocate() }
        read.spill(200, to: rest)
        #expect(rest[..<200].elementsEqual(data[100..<300]))

        // The end falls into the second packet; then there is nothing.
        #expect(try read.read(file, limit: 8, context: &bench.context) == 150)
        _ = read.take()
        read.spill(50, to: rest)
        #expect(rest[..<50].elementsEqual(data[400...]))
        #expect(try read.read(file, limit: 8, context: &bench.context) == 0)
    }

    @Test func whatCannotBeReadSoTakesNoPackets() throws {
        let free = bench.context.pool.freeCount
        var read = ScatteredRead(packetLimit: 8, byteCountEach: 100)
        #expect(
            try read.read(ReplayedBytes([1, 2], then: MediaBytes()), limit: 8, context: &bench.context) == nil
        )
        #expect(bench.context.pool.freeCount == free)
    }

    @Test func aStreamThatLosesItsPlaceAndFindsItAgainIsGivenByteForByte() throws {
        let whole = try Clips.read(try clips.make("a.ts", "\(Clips.video) \(Clips.h264) -muxrate 2M"))
        for (place, count) in [(0, 1), (1316 * 3, 7), (1316 * 70 + 188, 400), (1316 * 64, 1316)] {
            var data = whole
            data.insert(contentsOf: [UInt8](repeating: 3, count: count), at: place)
            let path = try clips.write("b.ts", data)
            #expect(try Bench().transportStream(.init(location: path)) == data, "\(count) bytes at \(place)")
        }
    }
}
