import FreshetCore
import FreshetOverlay
import FreshetWire
import Testing

/// One mechanism of the node at a time.
@Suite struct GroupRepairTests {
    private func heartbeat(_ highest: Int64) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 128)
        var span = bytes.mutableSpan
        var raw = span.mutableBytes
        var writer = CompoundWriter(&raw)
        writer.writeReceiverReport(ssrc: GroupBench.mediaSSRC)
        writer.write(Heartbeat(ssrc: GroupBench.mediaSSRC, highestSequence: highest, packetCount: 5))
        let length = writer.byteCount
        return Array(bytes[..<length])
    }

    @Test func aLostPacketIsAskedForAndComesBack() {
        let bench = GroupRepairHostileTests.group(1, seed: 1)
        bench.isLost = { sequence, _ in sequence == 1001 }
        for sequence in Int64(1000)..<1003 { bench.send(sequence) }
        bench.run(to: bench.now + .milliseconds(500))
        #expect(bench.members[1].node.counts.missing == 1)
        #expect(bench.members[1].node.counts.recoveredBySource == 1)
        #expect(bench.records[1001]?.groupRequests == 1)
        #expect(bench.records[1001]?.sourceRepairs == 1)
    }

    @Test func aLostTailIsNoticedByTheHeartbeat() {
        let bench = GroupRepairHostileTests.group(1, seed: 2)
        bench.isLost = { sequence, _ in sequence > 1000 }
        for sequence in Int64(1000)..<1004 { bench.send(sequence) }
        bench.run(to: bench.now + .milliseconds(50))
        bench.give(heartbeat(1003), to: 1, from: 0, isLocal: false)
        bench.run(to: bench.now + .milliseconds(500))
        #expect(bench.members[1].node.counts.missing == 3)
        #expect(bench.members[1].node.counts.recoveredBySource == 3)
    }

    @Test func reorderingIsNoLossOnceItWasSeen() {
        let bench = GroupRepairHostileTests.group(1, seed: 3)
        let member = bench.members[1]
        let start = bench.now
        var requests: [UInt64] = []
        for step in Int64(0)..<40 {
            let now = start + .milliseconds(10) * step
            member.node.advance(to: now)
            // Each second packet comes 2 ms after the one behind it.
            member.node.note(1000 + 2 * step, isRetransmission: false, byteCount: 100, now: now)
            member.node.note(1002 + 2 * step, isRetransmission: false, byteCount: 100, now: now)
            bench.drain(1)
            let late = now + .milliseconds(2)
            member.node.advance(to: late)
            member.node.note(1001 + 2 * step, isRetransmission: false, byteCount: 100, now: late)
            bench.drain(1)
            requests.append(member.node.counts.groupRequests)
        }
        #expect(member.node.counts.reordered == 40)
        #expect(requests.last == requests[1])
    }

    @Test func aWholeBurstIsOneRequest() {
        let bench = GroupRepairHostileTests.group(20, seed: 4)
        bench.isLost = { sequence, _ in sequence > 1000 && sequence <= 1014 }
        for sequence in Int64(1000)..<1016 { bench.send(sequence) }
        bench.run(to: bench.now + .seconds(1))
        let requests = bench.members.dropFirst().reduce(0) { $0 + $1.node.counts.groupRequests }
        #expect(requests <= 4)
        #expect(bench.records.values.allSatisfy { $0.sourceRepairs == 1 })
        #expect(bench.records.values.allSatisfy { $0.healed == 20 })
    }

    @Test func requestsGoToTheSourceAloneWhereMembersDoNotHearEachOther() {
        let bench = GroupBench(seed: 5)
        bench.add(delay: .milliseconds(10)) { $0.feedback = .unicast }
        for _ in 0..<50 { bench.add(delay: .milliseconds(10)) { $0.latency = .milliseconds(600) } }
        bench.start()
        bench.run(to: .zero + .seconds(4))
        bench.isLost = { sequence, _ in sequence == 1001 }
        for sequence in Int64(1000)..<1003 { bench.send(sequence) }
        bench.run(to: bench.now + .seconds(1))
        #expect(bench.records[1001]?.healed == 50)
        #expect(bench.records[1001]?.sourceRepairs == 1)
        #expect((bench.records[1001]?.groupRequests ?? 99) <= 20)
        #expect(bench.members.dropFirst().allSatisfy { $0.node.counts.suppressed == 0 })
    }

    @Test func digestsAreAnsweredByTheDesignatedReceiverAndAskedOnFor() {
        let bench = GroupBench(seed: 6)
        bench.backbone = .milliseconds(20)
        bench.add(delay: .milliseconds(1))
        bench.add(island: 1, delay: .milliseconds(1)) {
            $0.role = .designatedReceiver
            $0.serves = true
            $0.historyCapacity = 256
            $0.holeCapacity = 64
        }
        for _ in 0..<30 {
            bench.add(island: 1, delay: .milliseconds(1)) {
                $0.feedback = .digest
                $0.upstream = Peer(1)
            }
        }
        bench.start()
        bench.run(to: .zero + .seconds(2))
        // All miss 1001, one misses 1003, the designated receiver alone has 1005.
        bench.isLost = { sequence, member in
            sequence == 1001 || sequence == 1003 && member == 7 || sequence == 1005 && member > 1
        }
        for sequence in Int64(1000)..<1010 {
            bench.send(sequence)
            bench.run(to: bench.now + .milliseconds(2))
        }
        bench.run(to: bench.now + .seconds(1))
        #expect(bench.records[1001]?.healed == 31)
        #expect(bench.records[1003]?.healed == 1)
        #expect(bench.records[1005]?.healed == 30)
        #expect(bench.records[1005]?.sourceRepairs == 0)
        #expect(bench.records[1001]?.sourceRepairs == 1)
        let asked = bench.members.dropFirst(2).allSatisfy {
            $0.node.counts.groupRequests + $0.node.counts.segmentRequests == 0
        }
        #expect(asked)
    }

    @Test func aNewStreamBeginsWithNothingMissing() {
        let bench = GroupRepairHostileTests.group(1, seed: 7)
        let member = bench.members[1]
        member.node.note(1000, isRetransmission: false, byteCount: 100, now: bench.now)
        member.node.note(1005, isRetransmission: false, byteCount: 100, now: bench.now)
        member.node.restart(mediaSSRC: 0x5060_7080)
        member.node.note(9, isRetransmission: false, byteCount: 100, now: bench.now)
        #expect(member.node.mediaSSRC == 0x5060_7080)
        #expect(member.node.counts.missing == 4)
        bench.run(to: bench.now + .seconds(1))
        #expect(member.node.counts.groupRequests == 0)
    }

    @Test func whatCannotComeInTimeIsNotAskedFor() {
        let bench = GroupRepairHostileTests.group(1, seed: 8, latency: .milliseconds(5))
        bench.isLost = { sequence, _ in sequence == 1001 }
        for sequence in Int64(1000)..<1003 { bench.send(sequence) }
        bench.run(to: bench.now + .milliseconds(500))
        #expect(bench.members[1].node.counts.groupRequests == 0)
        #expect(bench.members[1].node.counts.lost == 1)
    }
}
