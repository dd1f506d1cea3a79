import FreshetCore
import FreshetOverlay
import FreshetWire
import Testing

@Suite struct RepairReceiverTests {
    private func note(
        _ receiver: inout RepairReceiver, _ sequence: Int64, _ milliseconds: Double, repair: Bool = false
    ) -> RepairReceiver.Verdict {
        receiver.note(
            sequence: sequence, isRetransmission: repair, mediaSSRC: RepairBench.ssrc | (repair ? 1 : 0),
            byteCount: 1328, arrival: RepairBench.instant(milliseconds))
    }

    /// Measures the round trip of `receiver` as `milliseconds`, at the very start.
    private func measure(_ receiver: inout RepairReceiver, _ milliseconds: Double, at start: Double) {
        let sent = RepairBench.drain(&receiver, RepairBench.instant(start))
        for datagram in sent {
            guard var packets = CompoundPacket(parsing: datagram.span.bytes) else { continue }
            while let packet = packets.next() {
                guard let echo = RoundTripEcho(packet), !echo.isResponse else { continue }
                let answer = RepairBench.compound {
                    $0.write(RoundTripEcho(isResponse: true, mediaSSRC: RepairBench.ssrc, stamp: echo.stamp))
                }
                receiver.read(answer.span.bytes, now: RepairBench.instant(start + milliseconds))
            }
        }
    }

    @Test func `a latency that fits itself follows the round trip up at once and down by and by`() {
        var receiver = RepairBench.receiver { $0.fitsLatency = true }
        func run(_ roundTrip: Double, from start: Int, to end: Int) {
            for index in start..<end {
                // One in twenty is missing and comes after a round trip and a bit.
                if index % 20 != 10 { _ = note(&receiver, Int64(index), Double(index)) }
                let repaired = index - Int(roundTrip) - 5
                if repaired > start, repaired % 20 == 10 {
                    _ = note(&receiver, Int64(repaired), Double(index), repair: true)
                }
                if index % 100 == 0 { measure(&receiver, roundTrip, at: Double(index)) }
            }
        }
        run(20, from: 0, to: 20_000)
        let short = receiver.latency
        #expect(short < .milliseconds(175), "\(short)")
        run(150, from: 20_000, to: 24_000)
        let long = receiver.latency
        #expect(long >= .milliseconds(340), "\(long)")
        run(20, from: 24_000, to: 60_000)
        #expect(receiver.latency < long - .milliseconds(60), "\(receiver.latency)")
    }

    @Test func whoHasNoPacketYetWantsToBeCalledForNothing() {
        var receiver = RepairBench.receiver()
        receiver.changeSource(now: RepairBench.instant(5), roundTrip: .milliseconds(20))
        #expect(receiver.nextDeadline == nil)
        #expect(RepairBench.drain(&receiver, RepairBench.instant(6)).isEmpty)
        _ = note(&receiver, 1, 10)
        #expect(receiver.nextDeadline != nil)
    }

    @Test func whatANewSourceKeptTellsOfNoReordering() {
        var receiver = RepairBench.receiver()
        for index in 0..<100 { _ = note(&receiver, Int64(index), Double(index)) }
        receiver.changeSource(now: RepairBench.instant(100), roundTrip: .milliseconds(20))
        // First what comes, then what was kept meanwhile.
        for index in 140..<150 { _ = note(&receiver, Int64(index), Double(index)) }
        for index in 100..<140 { _ = note(&receiver, Int64(index), 150 + Double(index - 100) / 10) }
        for index in 150..<800 { _ = note(&receiver, Int64(index), Double(index)) }
        _ = RepairBench.drain(&receiver, RepairBench.instant(801))
        _ = note(&receiver, 801, 802)
        let asked = RepairBench.asked(RepairBench.drain(&receiver, RepairBench.instant(803)))
        #expect(asked.contains(800))
    }

    @Test func aStreamInOrderIsAskedForNothing() {
        var receiver = RepairBench.receiver()
        var asked: Set<UInt16> = []
        for index in 0..<1000 {
            #expect(note(&receiver, Int64(index), Double(index)) == .original)
            asked.formUnion(
                RepairBench.asked(RepairBench.drain(&receiver, RepairBench.instant(Double(index)))))
        }
        #expect(asked.isEmpty && receiver.statistics.holes == 0)
    }

    @Test func reportsGoOutTenTimesASecond() {
        var receiver = RepairBench.receiver()
        _ = note(&receiver, 0, 0)
        measure(&receiver, 20, at: 0)
        var reports = 0
        for index in 1...1000 {
            _ = note(&receiver, Int64(index), Double(index))
            reports += RepairBench.drain(&receiver, RepairBench.instant(Double(index))).count
        }
        #expect(reports >= 10 && reports <= 12, "VSF TR-06-1 wants one every 100 ms")
    }

    @Test(arguments: [false, true])
    func aHoleIsAskedForAtOnce(ranges: Bool) {
        var receiver = RepairBench.receiver { $0.usesRanges = ranges }
        _ = note(&receiver, 65_534, 0)
        _ = note(&receiver, 65_539, 1)
        let sent = RepairBench.drain(&receiver, RepairBench.instant(1))
        #expect(RepairBench.asked(sent) == [65_535, 0, 1, 2])
        #expect(note(&receiver, 65_536, 5, repair: true) == .repair)
        #expect(note(&receiver, 65_536, 6, repair: true) == .unneeded)
        #expect(receiver.statistics.recovered == 1 && receiver.openHoleCount == 3)
    }

    @Test func aStripeIsAskedForItsOwnNumbersOnly() {
        var receiver = RepairBench.receiver { $0.stride = 4 }
        for sequence in stride(from: 65_521, through: 65_533, by: 4) {
            _ = note(&receiver, Int64(sequence), 0)
        }
        #expect(receiver.openHoleCount == 0)
        _ = note(&receiver, 65_545, 1)
        #expect(RepairBench.asked(RepairBench.drain(&receiver, RepairBench.instant(1))) == [1, 5])
        _ = note(&receiver, 65_537, 2, repair: true)
        // The stream has come to a packet of another stripe.
        receiver.noteHighest(65_551, now: RepairBench.instant(2))
        #expect(receiver.openHoleCount == 2 && receiver.highestSequence == 65_549)
    }

    @Test func whatLiesBeforeTheFirstPacketIsAskedForOnceItIsKnown() {
        var receiver = RepairBench.receiver {
            $0.stride = 4
            $0.wantsHead = false
        }
        _ = note(&receiver, 117, 0)
        _ = note(&receiver, 109, 1)
        #expect(receiver.openHoleCount == 1, "113 lies between")
        receiver.noteFirst(100, now: RepairBench.instant(2))
        #expect(RepairBench.asked(RepairBench.drain(&receiver, RepairBench.instant(2))) == [101, 105, 113])
        receiver.noteFirst(90, now: RepairBench.instant(300))
        #expect(receiver.openHoleCount == 3, "too late: nobody waits for it any more")
    }

    @Test func freshetIsAskedInItsOwnWay() {
        var receiver = RepairBench.receiver()
        _ = note(&receiver, 100, 0)
        receiver.read(RepairBench.heartbeat(100).span.bytes, now: RepairBench.instant(0))
        _ = note(&receiver, 103, 1)
        let sent = RepairBench.drain(&receiver, RepairBench.instant(1))
        var entries: [RepairEntry] = []
        for datagram in sent {
            guard var packets = CompoundPacket(parsing: datagram.span.bytes, allowsReducedSize: true) else {
                continue
            }
            while let packet = packets.next() {
                #expect(RetransmissionRequest(packet) == nil)
                if let entry = packet.repairEntry(at: 0) { entries.append(entry) }
            }
        }
        #expect(entries.count == 1 && entries.first?.lostMask == 1 && entries.first?.round == 0)
        #expect(entries.first.map { $0.window > 1500 } == true, "200 ms of slack, nearly all of it left")
    }

    @Test func nothingIsAskedForThatCannotCome() {
        var receiver = RepairBench.receiver(latency: 50)
        _ = note(&receiver, 0, 0)
        measure(&receiver, 60, at: 0)
        _ = note(&receiver, 2, 100)
        var asked: Set<UInt16> = []
        for step in 0..<200 {
            asked.formUnion(
                RepairBench.asked(RepairBench.drain(&receiver, RepairBench.instant(100 + Double(step)))))
        }
        #expect(asked.isEmpty)
        #expect(receiver.statistics[.hopeless] == 1 && receiver.statistics.lost == 1)
    }

    @Test func askingEndsWhenNoAnswerCanComeAnyMore() {
        var receiver = RepairBench.receiver(latency: 200)
        _ = note(&receiver, 0, 0)
        receiver.read(RepairBench.heartbeat(0).span.bytes, now: RepairBench.instant(0))
        measure(&receiver, 60, at: 0)
        _ = note(&receiver, 2, 100)
        var last = 0.0
        for step in 0..<400 {
            let now = 100 + Double(step)
            if !RepairBench.asked(RepairBench.drain(&receiver, RepairBench.instant(now))).isEmpty {
                last = now
            }
        }
        #expect(last > 200 && last <= 240, "deadline at 300, round trip 60: \(last)")
    }

    @Test func reorderingIsWaitedForOnceItWasSeen() {
        var receiver = RepairBench.receiver()
        var asked: Set<UInt16> = []
        for group in 0..<200 {
            let first = Int64(group * 2)
            let now = Double(group * 4)
            _ = note(&receiver, first + 1, now)
            if group >= 20 {
                asked.formUnion(RepairBench.asked(RepairBench.drain(&receiver, RepairBench.instant(now))))
            }
            _ = note(&receiver, first, now + 2)
            if group >= 20 {
                asked.formUnion(RepairBench.asked(RepairBench.drain(&receiver, RepairBench.instant(now + 2))))
            }
        }
        #expect(asked.isEmpty && receiver.statistics.reordered >= 198)
        #expect(receiver.lossPartsPerMillion < 20_000, "late is not lost")
    }

    @Test func aLostTailIsToldByTheHeartbeat() {
        var receiver = RepairBench.receiver()
        for index in 0..<50 { _ = note(&receiver, Int64(index), Double(index)) }
        receiver.read(RepairBench.heartbeat(52).span.bytes, now: RepairBench.instant(60))
        let sent = RepairBench.drain(&receiver, RepairBench.instant(70))
        #expect(RepairBench.asked(sent) == [50, 51, 52])
    }

    @Test func aLostHeadIsToldByTheHeartbeat() {
        var receiver = RepairBench.receiver()
        _ = note(&receiver, 1003, 0)
        receiver.read(RepairBench.heartbeat(1003, count: 4).span.bytes, now: RepairBench.instant(1))
        #expect(
            RepairBench.asked(RepairBench.drain(&receiver, RepairBench.instant(1))) == [1000, 1001, 1002])
        #expect(note(&receiver, 1001, 20, repair: true) == .repair)
    }

    @Test func aForgedNumberOpensNoHoles() {
        var receiver = RepairBench.receiver()
        for index in 0..<100 { _ = note(&receiver, Int64(index), Double(index)) }
        _ = note(&receiver, 9_000, 100)
        _ = note(&receiver, 100, 101)
        #expect(receiver.openHoleCount == 0 && receiver.highestSequence == 100)
        // Two near each other are a gap.
        _ = note(&receiver, 400, 102)
        _ = note(&receiver, 401, 103)
        #expect(receiver.openHoleCount == 300 && receiver.highestSequence == 401)
    }

    @Test func holesAreBounded() {
        var receiver = RepairBench.receiver { $0.maximumHoles = 64 }
        for index in 0..<40 { _ = note(&receiver, Int64(index * 100), Double(index)) }
        #expect(receiver.openHoleCount == 64 && receiver.statistics.unaskable == 39 * 99 - 64)
    }

    @Test func repairsNobodyAskedForAreTold() {
        var receiver = RepairBench.receiver()
        #expect(note(&receiver, 5, 0, repair: true) == .unasked)
        _ = note(&receiver, 100_000, 1)
        #expect(note(&receiver, 100_007, 2, repair: true) == .unasked, "ahead of all that came")
        #expect(note(&receiver, 50_000, 2, repair: true) == .unasked, "long past")
        #expect(note(&receiver, 99_999, 2, repair: true) == .unneeded)
    }

    @Test func aLyingEchoIsNotBelieved() {
        var receiver = RepairBench.receiver()
        _ = note(&receiver, 0, 0)
        for stamp in 0..<1000 as Range<UInt64> {
            let answer = RepairBench.compound {
                $0.write(RoundTripEcho(isResponse: true, mediaSSRC: RepairBench.ssrc, stamp: stamp))
            }
            receiver.read(answer.span.bytes, now: RepairBench.instant(1))
        }
        #expect(receiver.roundTrip.smoothed == nil)
        measure(&receiver, 30, at: 2)
        #expect(receiver.roundTrip.smoothed == .milliseconds(30))
    }

    @Test func aNewSourceStartsAnew() {
        var receiver = RepairBench.receiver()
        _ = note(&receiver, 0, 0)
        _ = note(&receiver, 5, 1)
        let other = receiver.note(
            sequence: 900, isRetransmission: false, mediaSSRC: 0x10, byteCount: 100,
            arrival: RepairBench.instant(2))
        #expect(other == .original && receiver.openHoleCount == 0 && receiver.mediaSSRC == 0x10)
    }
}
