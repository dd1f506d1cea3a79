import FreshetCore
import FreshetStages
import Testing

@Suite struct PCRInserterTests {
    /// A reference found in bytes.
    private struct Found {
        var packet: Int
        var ticks: Int64
        var isNew: Bool
    }

    private func references(in bytes: [UInt8], pid: UInt16) -> [Found] {
        var found: [Found] = []
        for start in stride(from: 0, to: bytes.count - 187, by: 188) {
            let packetPID = UInt16(bytes[start + 1] & 0x1F) << 8 | UInt16(bytes[start + 2])
            guard packetPID == pid, bytes[start + 3] & 0x20 != 0, bytes[start + 4] >= 7 else { continue }
            guard bytes[start + 5] & 0x10 != 0 else { continue }
            var base: Int64 = 0
            for index in 6..<10 { base = base << 8 | Int64(bytes[start + index]) }
            base = base << 1 | Int64(bytes[start + 10] >> 7)
            let fraction = Int64(bytes[start + 10] & 1) << 8 | Int64(bytes[start + 11])
            let isNew = bytes[start + 3] & 0x30 == 0x20
            found.append(Found(packet: start / 188, ticks: base * 300 + fraction, isNew: isNew))
        }
        return found
    }

    private func pass(
        _ stream: MadeStream, cut: Int = 188 * 50, poolCount: Int = 8192, holdLimit: Int? = nil,
        check: (borrowing PCRInserter) -> Void = { _ in }
    ) -> Packetized {
        var configuration = PCRInserter.Configuration()
        if let holdLimit { configuration.holdLimit = holdLimit }
        var inserter = PCRInserter(configuration)
        var packetizer = TSPacketizer(TSPacketizer.Configuration())
        let pool = PacketPool(slotCount: poolCount)
        var context = StageContext(pool: pool, random: PRNG(seed: 1))
        var nothing = PacketBatch(capacity: 1)
        var output = PacketBatch(capacity: 32)
        var made = Packetized()
        var offset = 0
        var idleCount = 0
        var isDone = false
        while !isDone {
            context.now = context.now + .milliseconds(1)
            idleCount += 1
            precondition(idleCount < 20_000, "the inserter is stuck")
            if offset < stream.bytes.count {
                let end = min(offset + cut, stream.bytes.count)
                offset += stream.bytes.withUnsafeBytes { whole in
                    let piece = UnsafeRawBufferPointer(rebasing: whole[offset..<end])
                    return inserter.pass(
                        RawSpan(_unsafeBytes: piece), arrival: context.now, into: &packetizer,
                        context: &context)
                }
                packetizer.process(&nothing, into: &output, context: &context)
                if let deadline = packetizer.nextDeadline, deadline <= context.now {
                    packetizer.advance(into: &output, context: &context)
                }
            } else if inserter.finish(into: &packetizer, context: &context) {
                isDone = packetizer.finish(into: &output, context: &context)
            } else {
                packetizer.process(&nothing, into: &output, context: &context)
            }
            while let packet = output.popFirst() {
                made.add(packet)
                idleCount = 0
            }
        }
        #expect(pool.usedCount == 0)
        check(inserter)
        return made
    }

    /// The stream's own packets are all there, in order; the new ones obey the rules of continuity counters.
    private func expectWhole(_ made: Packetized, _ stream: MadeStream, pid: UInt16) {
        let news = Set(references(in: made.bytes, pid: pid).filter(\.isNew).map(\.packet))
        var old: [UInt8] = []
        old.reserveCapacity(stream.bytes.count)
        var counter: UInt8?
        for start in stride(from: 0, to: made.bytes.count, by: 188) {
            let packetPID = UInt16(made.bytes[start + 1] & 0x1F) << 8 | UInt16(made.bytes[start + 2])
            let low = made.bytes[start + 3] & 0x0F
            if news.contains(start / 188) {
                #expect(low == counter)
                #expect(made.bytes[start + 4] == 183)
            } else {
                old += made.bytes[start..<start + 188]
                if packetPID == pid { counter = low }
            }
        }
        #expect(old == stream.bytes)
    }

    /// Frames at `framesPerSecond` as a muxer without a constant rate writes them: a reference and then the
    /// frame.
    private func frames(
        _ count: Int, every ticks: Int64, origin: Int64 = 0, seed: UInt64, largest: UInt64
    ) -> MadeStream {
        var random = PRNG(seed: seed)
        var stream = MadeStream(seed: seed)
        stream.programmes([(1, 4096)])
        stream.map(pid: 4096, clockPID: 256)
        for frame in 0..<count {
            stream.reference(pid: 256, ticks: origin + Int64(frame) * ticks)
            for _ in 0..<random.below(largest) { stream.payload(pid: random.chance(1, in: 5) ? 257 : 256) }
        }
        return stream
    }

    @Test(
        arguments: [
            (1_126_125, 300 as UInt64), (1_080_000, 20), (2_700_000, 12), (2_700_000, 1), (27_000_000, 500),
            (540_000, 100),
        ] as [(Int64, UInt64)])
    func noIntervalIsLongerThanForty(ticks: Int64, largest: UInt64) {
        let modulus: Int64 = (1 << 33) * 300
        let stream = frames(300, every: ticks, origin: modulus - 10 * ticks, seed: 21, largest: largest)
        let made = pass(stream)
        expectWhole(made, stream, pid: 256)
        let found = references(in: made.bytes, pid: 256)
        for (before, after) in zip(found, found.dropFirst()) {
            let step = (after.ticks - before.ticks + modulus) % modulus
            #expect(step > 0 || after.packet > before.packet && !before.isNew && !after.isNew)
            #expect(step <= 40 * 27_000)
        }
        if ticks <= 35 * 27_000 { #expect(found.filter(\.isNew).count <= 1) }
    }

    @Test func newReferencesLieOnTheScheduleThePacketizerComputes() {
        let stream = frames(200, every: 100 * 27_000, seed: 22, largest: 90)
        let made = pass(stream)
        let found = references(in: made.bytes, pid: 256).filter(\.isNew)
        #expect(found.count >= 2 * 199)
        // The first packet of a datagram has the datagram's time.
        var comparedCount = 0
        for reference in found {
            let position = Int64(reference.packet) * 188
            guard let index = made.positions.firstIndex(of: position) else { continue }
            #expect(abs(made.infos[index].mediaTime.ticks - reference.ticks) <= 1)
            comparedCount += 1
        }
        #expect(comparedCount > 20)
    }

    @Test func aStreamWithEnoughReferencesPassesAsItIs() {
        var stream = MadeStream(seed: 23)
        stream.constant(5_000, bitRate: 8_000_000, spacing: 100)
        let made = pass(stream) { #expect($0.insertedCount == 0) }
        #expect(made.bytes == stream.bytes)
    }

    @Test(arguments: [188, 188 * 7, 188 * 1000])
    func littleRoomLosesNothing(cut: Int) {
        let stream = frames(60, every: 50 * 27_000, seed: 24, largest: 400)
        for poolCount in [8, 40, 200] {
            expectWhole(pass(stream, cut: cut, poolCount: poolCount), stream, pid: 256)
        }
        let limited = pass(stream, holdLimit: 20_000) { #expect($0.overlongCount > 0) }
        expectWhole(limited, stream, pid: 256)
    }

    @Test func aStreamWithoutReferencesPasses() {
        var stream = MadeStream(seed: 25)
        for _ in 0..<2_000 { stream.payload(pid: 300) }
        #expect(pass(stream).bytes == stream.bytes)
    }
}
