import FreshetCore
import FreshetWire
import Testing

@testable import FreshetOverlay

@Suite struct RepairSenderTests {
    private let pool = PacketPool(slotCount: 6000, slotByteCount: 400, headroomByteCount: 16)

    private func entry(_ offset: UInt16, mask: UInt16 = 0, round: UInt8 = 0, quarters: UInt8 = 4)
        -> RepairEntry
    {
        RepairEntry(offset: offset, lostMask: mask, round: round, quarterCopies: quarters, window: 500)
    }

    @Test func aRoundIsAnsweredOnceHoweverOftenItIsAsked() {
        var sender = RepairBench.sender()
        RepairBench.feed(&sender, 1000...1099, pool: pool, from: RepairBench.instant(0))
        let now = RepairBench.instant(100)
        for _ in 0..<5 {
            sender.read(RepairBench.request(1010, [entry(0, mask: 5)]).span.bytes, from: Peer(1), now: now)
        }
        #expect(RepairBench.repairs(&sender, pool: pool, now).map(\.number).sorted() == [1010, 1011, 1013])
        let later = now + RepairBench.toldRoundTrip
        sender.read(RepairBench.request(1010, [entry(0, round: 1)]).span.bytes, from: Peer(1), now: later)
        #expect(RepairBench.repairs(&sender, pool: pool, later).map(\.number) == [1010])
        sender.read(RepairBench.request(1010, [entry(0)]).span.bytes, from: Peer(2), now: later)
        #expect(
            RepairBench.repairs(&sender, pool: pool, later).map(\.peer) == [Peer(2)], "each peer by itself")
        sender.reset()
    }

    /// One that has sent 1000 to 1099 and has answered a request for 1010.
    private func senderThatAnswered(at instant: Instant) -> RepairSender {
        var sender = RepairBench.sender()
        RepairBench.feed(&sender, 1000...1099, pool: pool, from: RepairBench.instant(0))
        sender.read(RepairBench.request(1010, [entry(0)]).span.bytes, from: Peer(1), now: instant)
        #expect(RepairBench.repairs(&sender, pool: pool, instant).count == 1)
        return sender
    }

    @Test func aRoundBegunWhileTheAnswerToTheLastIsUnderWayWaits() {
        let first = RepairBench.instant(100)
        var sender = senderThatAnswered(at: first)
        // The first requests of the round before were lost: it was answered late, and the next was due already.
        let again = RepairBench.request(1010, [entry(0, round: 1)])
        let due = first + RepairBench.toldRoundTrip
        for early in [first, first + .milliseconds(10), due - .microseconds(1)] {
            sender.read(again.span.bytes, from: Peer(1), now: early)
            #expect(RepairBench.repairs(&sender, pool: pool, early).isEmpty)
        }
        sender.read(again.span.bytes, from: Peer(1), now: due)
        #expect(RepairBench.repairs(&sender, pool: pool, due).map(\.number) == [1010])
        sender.reset()
    }

    @Test func aRoundThatHasNoTimeToWaitDoesNot() {
        let first = RepairBench.instant(100)
        var sender = senderThatAnswered(at: first)
        let last = RepairEntry(offset: 0, round: 1, quarterCopies: 4, window: 300)
        sender.read(RepairBench.request(1010, [last]).span.bytes, from: Peer(1), now: first)
        #expect(RepairBench.repairs(&sender, pool: pool, first).map(\.number) == [1010])
        sender.reset()
    }

    @Test func copiesLeaveApart() {
        var sender = RepairBench.sender()
        RepairBench.feed(&sender, 0...99, pool: pool, from: RepairBench.instant(0))
        sender.read(
            RepairBench.request(50, [entry(0, quarters: 12)]).span.bytes, from: Peer(1),
            now: RepairBench.instant(100))
        #expect(RepairBench.repairs(&sender, pool: pool, RepairBench.instant(100)).count == 1)
        #expect(RepairBench.repairs(&sender, pool: pool, RepairBench.instant(101)).isEmpty)
        #expect(sender.nextDeadline == RepairBench.instant(102))
        #expect(RepairBench.repairs(&sender, pool: pool, RepairBench.instant(102)).count == 1)
        #expect(RepairBench.repairs(&sender, pool: pool, RepairBench.instant(104)).count == 1)
        #expect(RepairBench.repairs(&sender, pool: pool, RepairBench.instant(200)).isEmpty)
        sender.reset()
    }

    @Test func plainRequestsAreHeldOff() {
        var sender = RepairBench.sender()
        RepairBench.feed(&sender, 0...99, pool: pool, from: RepairBench.instant(0))
        let nack = RepairBench.nack([60])
        sender.read(nack.span.bytes, from: Peer(1), now: RepairBench.instant(100))
        sender.read(nack.span.bytes, from: Peer(1), now: RepairBench.instant(102))
        #expect(RepairBench.repairs(&sender, pool: pool, RepairBench.instant(102)).count == 1)
        #expect(sender.statistics.repeated == 1)
        sender.read(nack.span.bytes, from: Peer(1), now: RepairBench.instant(140))
        #expect(RepairBench.repairs(&sender, pool: pool, RepairBench.instant(140)).count == 1)
        sender.reset()
    }

    @Test func numbersThatCountFromElsewhereAreUnderstood() {
        var sender = RepairBench.sender()
        let first: Int64 = 7 << 16 | 65_500
        RepairBench.feed(&sender, first...(first + 99), pool: pool, from: RepairBench.instant(0))
        sender.read(
            RepairBench.request(65_530, [entry(0), entry(10)]).span.bytes, from: Peer(1),
            now: RepairBench.instant(100))
        sender.read(RepairBench.nack([3]).span.bytes, from: Peer(1), now: RepairBench.instant(100))
        let numbers = RepairBench.repairs(&sender, pool: pool, RepairBench.instant(100)).map(\.number)
            .sorted()
        #expect(numbers == [first + 30, first + 39, first + 40])
        sender.reset()
    }

    @Test func whatWasNeverSentIsIgnoredAndCounted() {
        var sender = RepairBench.sender()
        RepairBench.feed(&sender, 500...599, pool: pool, from: RepairBench.instant(0))
        sender.read(
            RepairBench.request(600, [entry(0, mask: 0xFFFF)]).span.bytes, from: Peer(1),
            now: RepairBench.instant(100))
        sender.read(RepairBench.nack([600, 40_000]).span.bytes, from: Peer(1), now: RepairBench.instant(100))
        let far = RepairBench.compound {
            $0.writeRequest(
                mediaSSRC: RepairBench.ssrc, ranges: [NACKRange(first: 590, additionalCount: .max)].span)
        }
        sender.read(far.span.bytes, from: Peer(1), now: RepairBench.instant(100))
        #expect(RepairBench.repairs(&sender, pool: pool, RepairBench.instant(100)).count == 10)
        #expect(sender.statistics.unknown + sender.statistics.expired > 60_000)
        sender.reset()
    }

    @Test func requestsForAnotherSourceSayNothing() {
        var sender = RepairBench.sender()
        RepairBench.feed(&sender, 0...9, pool: pool, from: RepairBench.instant(0))
        let other = RepairBench.compound {
            $0.writeRequest(
                senderSSRC: 1, mediaSSRC: 0x20, entries: [NACKEntry(packetID: 5, lostMask: 0)].span)
        }
        sender.read(other.span.bytes, from: Peer(1), now: RepairBench.instant(10))
        #expect(RepairBench.repairs(&sender, pool: pool, RepairBench.instant(10)).isEmpty)
        sender.reset()
    }

    @Test func aPeerThatClaimsToLoseAllGetsItsShareAndNoMore() {
        var sender = RepairBench.sender {
            $0.budgetPercent = 50
            $0.budgetFloor = 2000
        }
        var greedy = 0
        var modest = 0
        let start: Int64 = 10_000
        for step in 0..<2000 as Range<Int64> {
            let now = RepairBench.instant(Double(step))
            RepairBench.feed(&sender, (start + step)...(start + step), pool: pool, from: now)
            let base = start + max(0, step - 20)
            let all = (0..<2).map {
                entry(UInt16($0 * 17), mask: 0xFFFF, round: UInt8(step % 128), quarters: 64)
            }
            sender.read(RepairBench.request(base, all).span.bytes, from: Peer(1), now: now)
            if step % 50 == 49 {
                sender.read(
                    RepairBench.request(start + step, [entry(0)]).span.bytes, from: Peer(2), now: now)
            }
            for repair in RepairBench.repairs(&sender, pool: pool, now) {
                if repair.peer == Peer(1) { greedy += 1 } else { modest += 1 }
            }
        }
        #expect(greedy <= 2000 / 2 + 10, "half of the media bytes, and the floor: \(greedy)")
        #expect(modest == 40, "the other is served in full")
        sender.reset()
    }

    @Test func aFloodOfRequestsCostsALimitedAmountOfWork() {
        var sender = RepairBench.sender()
        RepairBench.feed(&sender, 0...3999, pool: pool, from: RepairBench.instant(0))
        let now = RepairBench.instant(4000)
        let entries = (0..<140).map {
            RepairEntry(offset: UInt16($0 * 17), lostMask: 0xFFFF, round: 0, window: 500)
        }
        let flood = RepairBench.request(1000, entries)
        for _ in 0..<200 { sender.read(flood.span.bytes, from: Peer(9), now: now) }
        #expect(sender.statistics.asked - sender.statistics.refused <= 20_001)
        let sent = RepairBench.repairs(&sender, pool: pool, now).count
        #expect(sent <= 2400)
        sender.reset()
    }

    @Test func peersAreBounded() {
        var sender = RepairBench.sender { $0.maximumPeers = 4 }
        RepairBench.feed(&sender, 0...99, pool: pool, from: RepairBench.instant(0))
        for peer in 0..<1000 as Range<UInt32> {
            let now = RepairBench.instant(100 + Double(peer))
            sender.read(RepairBench.nack([90]).span.bytes, from: Peer(peer), now: now)
            #expect(RepairBench.repairs(&sender, pool: pool, now).map(\.peer) == [Peer(peer)])
        }
        sender.reset()
    }

    @Test func historyIsLetGoByAge() {
        var sender = RepairBench.sender { $0.historyDuration = .milliseconds(50) }
        RepairBench.feed(&sender, 0...99, pool: pool, from: RepairBench.instant(0))
        #expect(pool.usedCount <= 52)
        sender.advance(to: RepairBench.instant(200))
        #expect(pool.usedCount == 0)
        sender.read(RepairBench.nack([90]).span.bytes, from: Peer(1), now: RepairBench.instant(200))
        #expect(RepairBench.repairs(&sender, pool: pool, RepairBench.instant(200)).isEmpty)
    }

    @Test func anEchoIsAnsweredWithTheHeartbeat() {
        var sender = RepairBench.sender()
        RepairBench.feed(&sender, 0...9, pool: pool, from: RepairBench.instant(0))
        let echo = RepairBench.compound {
            $0.write(RoundTripEcho(isResponse: false, mediaSSRC: RepairBench.ssrc, stamp: 99))
        }
        sender.read(echo.span.bytes, from: Peer(3), now: RepairBench.instant(10))
        let (answer, peer) = transmit(&sender, RepairBench.instant(12))
        #expect(peer == Peer(3))
        var found: RoundTripEcho?
        var highest: Int64?
        if var packets = CompoundPacket(parsing: answer.span.bytes) {
            while let packet = packets.next() {
                if let echo = RoundTripEcho(packet) { found = echo }
                if let heartbeat = Heartbeat(packet) { highest = heartbeat.highestSequence }
            }
        }
        #expect(found?.stamp == 99 && found?.isResponse == true && found?.delayMicroseconds == 2000)
        #expect(highest == 9)
        #expect(transmit(&sender, RepairBench.instant(12)).peer == nil)
        sender.reset()
    }

    @Test func aPauseIsAnnouncedEverMoreSeldom() {
        var sender = RepairBench.sender()
        RepairBench.feed(&sender, 0...499, pool: pool, from: RepairBench.instant(0))
        sender.read(
            RepairBench.request(400, [entry(0)]).span.bytes, from: Peer(1), now: RepairBench.instant(499))
        var times: [Double] = []
        for step in 0..<3000 {
            let now = 499 + Double(step)
            if transmit(&sender, RepairBench.instant(now)).peer != nil { times.append(Double(step)) }
        }
        #expect(times.count >= 5 && times.count <= 10, "\(times)")
        #expect(times.first.map { $0 <= 10 } == true, "\(times)")
        sender.reset()
    }

    @Test func whenPeersAreToBeToldIsKnownWithoutAskingAllOfThem() {
        var sender = RepairBench.sender { $0.maximumPeers = 3 }
        var random = PRNG(seed: 11)
        var next: Int64 = 0
        var now = 0.0
        for _ in 0..<4000 {
            now += Double(random.below(20))
            let peer = Peer(UInt32(random.below(5)))
            switch random.below(8) {
            case 0:
                sender.read(
                    RepairBench.request(max(0, next - 20), [entry(0)]).span.bytes, from: peer,
                    now: RepairBench.instant(now))
            case 1:
                let number = UInt16(truncatingIfNeeded: max(0, next - 20))
                sender.read(
                    RepairBench.nack([number]).span.bytes, from: peer, now: RepairBench.instant(now))
            case 2: now += 300
            case 3...5:
                RepairBench.feed(&sender, next...next, pool: pool, from: RepairBench.instant(now))
                next += 1
            default:
                sender.advance(to: RepairBench.instant(now))
                while transmit(&sender, RepairBench.instant(now)).peer != nil {}
            }
            let known = (sender.nextHeartbeat, sender.nextEcho)
            sender.settlePeers()
            #expect(known == (sender.nextHeartbeat, sender.nextEcho))
        }
        sender.reset()
    }

    private func transmit(_ sender: inout RepairSender, _ now: Instant) -> (bytes: [UInt8], peer: Peer?) {
        var bytes = [UInt8](repeating: 0, count: 256)
        var sent: RepairSender.Transmit?
        do {
            var span = bytes.mutableSpan
            var raw = span.mutableBytes
            sent = sender.nextTransmit(into: &raw, now: now)
        }
        return (Array(bytes.prefix(sent?.byteCount ?? 0)), sent?.peer)
    }
}
