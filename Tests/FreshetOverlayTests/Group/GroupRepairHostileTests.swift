import FreshetCore
import FreshetOverlay
import FreshetWire
import Testing

/// What those can do who mean harm, or are broken: bounded work, bounded repair, nobody silenced.
@Suite struct GroupRepairHostileTests {
    static let trip = Nanoseconds.milliseconds(40)

    /// A source and `count` members of one group, 20 ms apart.
    static func group(_ count: Int, seed: UInt64, latency: Nanoseconds = .milliseconds(400)) -> GroupBench {
        let bench = GroupBench(seed: seed)
        bench.add(delay: trip / 4)
        for _ in 0..<count { bench.add(delay: trip / 4) { $0.latency = latency } }
        bench.start()
        bench.run(to: .zero + .seconds(9))
        return bench
    }

    static func request(_ numbers: ClosedRange<UInt16>, from ssrc: UInt32, ofSegment: Bool = false) -> [UInt8]
    {
        var bytes = [UInt8](repeating: 0, count: 1400)
        var span = bytes.mutableSpan
        var raw = span.mutableBytes
        var writer = CompoundWriter(&raw)
        writer.writeReceiverReport(ssrc: ssrc)
        if ofSegment { writer.write(SegmentMark(senderSSRC: ssrc, patience: 100)) }
        writer.writeRequest(
            mediaSSRC: GroupBench.mediaSSRC,
            ranges: [
                NACKRange(first: numbers.lowerBound, additionalCount: numbers.upperBound - numbers.lowerBound)
            ].span)
        let length = writer.byteCount
        return Array(bytes[..<length])
    }

    static func notice(_ number: UInt16, from ssrc: UInt32) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 256)
        var span = bytes.mutableSpan
        var raw = span.mutableBytes
        var writer = CompoundWriter(&raw)
        writer.writeReceiverReport(ssrc: ssrc)
        writer.write(
            LossNotice(senderSSRC: ssrc, mediaSSRC: GroupBench.mediaSSRC, lifetime: .max),
            entries: [NACKEntry(packetID: number, lostMask: 0xFFFF)].span)
        let length = writer.byteCount
        return Array(bytes[..<length])
    }

    @Test func requestsForWhatWasNeverSentAreRefused() {
        let bench = Self.group(3, seed: 21)
        for sequence in Int64(1000)..<1010 { bench.send(sequence) }
        bench.run(to: bench.now + .milliseconds(200))
        for _ in 0..<100 {
            bench.give(Self.request(2000...60_000, from: 99), to: 0, from: 77, isLocal: false)
        }
        bench.run(to: bench.now + .milliseconds(200))
        #expect(bench.members[0].node.counts.repairs == 0)
        #expect(bench.records.values.allSatisfy { $0.sourceRepairs == 0 })
    }

    @Test func aReceiverThatMissesEverythingGetsItsShareAndNoMore() {
        let bench = Self.group(10, seed: 22)
        var sequence: Int64 = 1000
        for _ in 0..<2000 {
            bench.send(sequence)
            bench.give(
                Self.request(
                    UInt16(truncatingIfNeeded: sequence - 3)...UInt16(truncatingIfNeeded: sequence), from: 99),
                to: 0, from: 77, isLocal: false)
            bench.run(to: bench.now + .milliseconds(2))
            sequence += 1
        }
        let counts = bench.members[0].node.counts
        // An eighth of the packets, and what may be asked for at once.
        #expect(counts.repairs <= 2000 / 8 + 129)
        #expect(counts.overLimit > 0)
        // Another one is still answered.
        let before = counts.repairs
        bench.give(
            Self.request(
                UInt16(truncatingIfNeeded: sequence - 8)...UInt16(truncatingIfNeeded: sequence - 8), from: 5),
            to: 0, from: 78, isLocal: false)
        #expect(bench.members[0].node.counts.repairs == before + 1)
    }

    @Test func aFloodOfManyAskersStaysInsideTheAllowance() {
        let bench = Self.group(2, seed: 23)
        var sequence: Int64 = 1000
        for round in 0..<3000 {
            bench.send(sequence)
            for asker in 0..<5 {
                let first = UInt16(truncatingIfNeeded: sequence - 40)
                bench.give(
                    Self.request(first...first &+ 40, from: UInt32(asker)), to: 0,
                    from: UInt32(1000 + round * 5 + asker), isLocal: false)
            }
            bench.run(to: bench.now + .milliseconds(2))
            sequence += 1
        }
        let counts = bench.members[0].node.counts
        // A quarter of the media and the burst.
        #expect(counts.repairBytes <= 3000 * 128 / 4 + 128 * 1024)
    }

    @Test func announcementsWithoutRepairsSilenceNobodyForLong() {
        let bench = Self.group(5, seed: 24)
        bench.isLost = { sequence, _ in sequence > 1000 && sequence % 10 == 1 }
        for sequence in Int64(1000)..<1200 {
            bench.send(sequence)
            // The liar is in the segment, as far as anyone can tell.
            for member in 1...5 {
                bench.give(
                    Self.notice(UInt16(sequence - sequence % 10 + 1), from: 99), to: member, from: 77,
                    isLocal: true)
            }
            bench.run(to: bench.now + .milliseconds(4))
        }
        expectHealed(bench, after: 1200, missing: 100)
    }

    /// Sends one last packet, without loss: of what was lost, `missing` in all, everything comes back.
    private func expectHealed(_ bench: GroupBench, after last: Int64, missing expected: Int) {
        bench.isLost = { _, _ in false }
        bench.send(last)
        bench.run(to: bench.now + .seconds(1))
        let missing = bench.records.values.reduce(0) { $0 + $1.missing }
        let healed = bench.records.values.reduce(0) { $0 + $1.healed }
        #expect(missing == expected)
        #expect(healed == missing)
    }

    @Test func requestsOfOneWhomTheSourceDoesNotHearSilenceNobodyForLong() {
        let bench = Self.group(5, seed: 25)
        bench.isLost = { sequence, _ in sequence > 1000 && sequence % 10 == 1 }
        for sequence in Int64(1000)..<1400 {
            bench.send(sequence)
            let lost = UInt16(sequence - sequence % 10 + 1)
            for member in 1...5 {
                bench.give(Self.request(lost...lost, from: 1), to: member, from: 77, isLocal: false)
            }
            bench.run(to: bench.now + .milliseconds(4))
        }
        expectHealed(bench, after: 1400, missing: 200)
    }

    @Test func whateverComesIsReadWithoutHarm() {
        let bench = Self.group(1, seed: 26)
        bench.send(1000)
        bench.run(to: bench.now + .milliseconds(100))
        var random = PRNG(seed: 9)
        for _ in 0..<20_000 {
            var bytes = Self.request(1...UInt16(1 + random.below(60_000)), from: 3) + Self.notice(9, from: 4)
            for _ in 0..<3 {
                bytes[Int(random.below(UInt64(bytes.count)))] = UInt8(truncatingIfNeeded: random.next())
            }
            let node = random.below(2)
            bench.give(bytes, to: Int(node), from: UInt32(random.below(30)), isLocal: random.chance(1, in: 2))
        }
        #expect(bench.members[0].node.counts.repairBytes <= 128 * 1024 + 128)
    }
}
