import FreshetCore
import FreshetOverlay
import FreshetWire
import Testing

/// What a host of the group can do that says what only the source knows, or offers to call for all and does not.
@Suite struct GroupRepairForgeryTests {
    private typealias Callers = GroupRepairCallerTests

    /// A report of `ssrc`, and what `write` puts behind it.
    private static func datagram(
        from ssrc: UInt32, _ write: (inout CompoundWriter) -> Void
    ) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 512)
        var span = bytes.mutableSpan
        var raw = span.mutableBytes
        var writer = CompoundWriter(&raw)
        writer.writeReceiverReport(ssrc: ssrc)
        write(&writer)
        let length = writer.byteCount
        return Array(bytes[..<length])
    }

    private static func report(
        from ssrc: UInt32, flags: GroupReport.Flags, interval: UInt32 = 1000, stamp: UInt32 = 0
    ) -> [UInt8] {
        datagram(from: ssrc) {
            $0.write(
                GroupReport(
                    senderSSRC: ssrc, mediaSSRC: GroupBench.mediaSSRC, fractionLost: 255, flags: flags,
                    interval: interval, stamp: stamp, delay: 0))
        }
    }

    /// Packets that were missing, and those of them that came.
    private static func outcome(_ bench: GroupBench) -> (missing: Int, healed: Int) {
        bench.records.values.reduce((0, 0)) { ($0.0 + $1.missing, $0.1 + $1.healed) }
    }

    // MARK: What only the source knows

    @Test("Advice, heartbeats and reports of others than the source change nothing")
    func onlyTheSourceIsBelieved() {
        let bench = Callers.islands(4, seed: 31, estimate: 12)
        bench.run(to: .zero + .milliseconds(1500))
        for sequence in Int64(1000)..<1003 { bench.send(sequence) }
        bench.run(to: bench.now + .milliseconds(200))
        let before = bench.members.map { ($0.node.groupSize, $0.node.groupRoundTripEstimate) }
        let lie = Self.datagram(from: GroupBench.mediaSSRC) {
            $0.write(
                GroupAdvice(
                    ssrc: GroupBench.mediaSSRC, flags: [.isSourceSpecific, .hasGroupCaller],
                    groupRoundTrip: .max, groupSize: .max, reportInterval: .max, stamp: 1, caller: 99))
            $0.write(
                Heartbeat(ssrc: GroupBench.mediaSSRC, highestSequence: 1002 + 20_000, packetCount: 20_000))
        }
        for index in bench.members.indices { bench.give(lie, to: index, from: 77, isLocal: true) }
        for (member, old) in zip(bench.members, before) {
            #expect(member.node.groupSize == old.0)
            #expect(member.node.groupRoundTripEstimate == old.1)
            #expect(member.node.counts.missing == 0)
        }
        // Those who believed it would ask nobody but the liar.
        #expect(Callers.lose(1004, of: bench).leave <= 600)
        #expect(Self.outcome(bench) == (12, 12))
    }

    @Test("Where members ask by unicast, nobody draws the requests to himself")
    func requestsGoToTheSource() {
        let bench = GroupBench(seed: 32)
        bench.add(delay: .milliseconds(10)) { $0.feedback = .unicast }
        for _ in 0..<5 { bench.add(delay: .milliseconds(10)) { $0.feedback = .unicast } }
        bench.start()
        bench.run(to: .zero + .seconds(2))
        bench.isLost = { number, _ in number == 1001 }
        let lie = Self.datagram(from: 9) {
            $0.write(
                SenderReport(
                    ssrc: GroupBench.mediaSSRC, ntpTime: NTPTime(bits: 0), rtpTimestamp: 0, packetCount: 0,
                    octetCount: 0))
        }
        for number in 1000...1002 as ClosedRange<Int64> {
            bench.send(number)
            for index in bench.members.indices { bench.give(lie, to: index, from: 77, isLocal: true) }
            bench.run(to: bench.now + .milliseconds(2))
        }
        bench.run(to: bench.now + .seconds(1))
        #expect(Self.outcome(bench) == (5, 5))
    }

    // MARK: Callers that do not call

    @Test("Offers that are lies, of thousands, cost the next loss a wait and no packet", arguments: 1...6)
    func falseOffersCostOneWait(seed: UInt64) {
        let bench = Callers.islands(20, seed: seed, estimate: 60)
        for ssrc in 1...5000 as ClosedRange<UInt32> {
            bench.give(Self.report(from: ssrc, flags: .isOffer), to: 0, from: 10_000 + ssrc, isLocal: false)
        }
        // One is named, all are told once, and the rest cost a look.
        #expect(bench.controlCount <= 1 + bench.members.count)
        bench.run(to: .zero + .milliseconds(1500))
        let first = Callers.lose(1000, of: bench)
        // The window of waits, and the way.
        #expect(first.leave <= 3500)
        #expect(first.requests <= 10)
        for ssrc in 5001...6000 as ClosedRange<UInt32> {
            bench.give(Self.report(from: ssrc, flags: .isOffer), to: 0, from: 10_000 + ssrc, isLocal: false)
        }
        // Who asked then is believed, and stays it whatever is offered.
        #expect(Callers.lose(1003, of: bench).leave <= 600)
        #expect(Self.outcome(bench) == (120, 120))
    }

    @Test("Requests under the names of others make no crowd of callers")
    func borrowedNamesMakeNoCrowd() {
        let bench = Callers.islands(20, seed: 33, estimate: 60)
        bench.run(to: .zero + .milliseconds(1500))
        for number in 0..<30 as Range<Int64> {
            bench.send(1000 + number)
            bench.run(to: bench.now + .milliseconds(300))
            let number = UInt16(1000 + number)
            let name = bench.members[1 + Int(number) % 60].node.configuration.ssrc
            bench.give(
                GroupRepairHostileTests.request(number...number, from: name), to: 0, from: 77, isLocal: false)
            bench.run(to: bench.now + .milliseconds(700))
        }
        // One name an advice, once a second: whoever was named asks, once.
        let first = Callers.lose(1040, of: bench)
        #expect(first.leave <= 600)
        #expect(first.requests <= 31)
        #expect(Callers.lose(1043, of: bench).requests <= 5)
    }

    /// Says for ten seconds that there are thousands, nearly as far away as is believed.
    private static func report(inventing count: UInt32, to bench: GroupBench) {
        for second in 0..<10 as Range<UInt32> {
            for ssrc in 0..<count {
                let stamp = UInt32(truncatingIfNeeded: bench.now.nanoseconds / 1000) &- 990_000
                bench.give(
                    report(from: second * count + ssrc, flags: [], interval: 3_600_000, stamp: stamp),
                    to: 0, from: 10_000 + ssrc, isLocal: false)
            }
            bench.run(to: bench.now + .seconds(1))
        }
    }

    @Test("Reports of thousands that are not there change nothing for a group that has its caller")
    func inventedReportsCostNoPacket() {
        let bench = Callers.islands(20, seed: 34, estimate: 60)
        bench.run(to: .zero + .milliseconds(1500))
        Self.report(inventing: 500, to: bench)
        #expect(bench.members[0].node.groupSize > 100_000)
        for round in 0..<3 as Range<Int64> {
            #expect(Callers.lose(1000 + round * 3, of: bench).leave <= 600)
        }
        #expect(Self.outcome(bench) == (180, 180))
    }

    @Test("With a false offer beside them they keep the group from asking a few times, and not for good")
    func silenceIsNotForGood() {
        let bench = Callers.islands(20, seed: 34, estimate: 60)
        bench.give(Self.report(from: 5, flags: .isOffer), to: 0, from: 10_000, isLocal: false)
        bench.run(to: .zero + .milliseconds(1500))
        Self.report(inventing: 500, to: bench)
        for round in 0..<10 as Range<Int64> {
            let loss = Callers.lose(1000 + round * 3, of: bench)
            if round >= 6 { #expect(loss.leave <= 600) }
        }
        let (missing, healed) = Self.outcome(bench)
        #expect(healed >= missing - 6 * 60)
    }
}
