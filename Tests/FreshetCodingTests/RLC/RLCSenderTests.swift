import FreshetCoding
import FreshetCore
import FreshetWire
import Testing

extension RLCSender {
    /// The headers of all repairs that are due.
    mutating func take() -> [RLCRepairHeader] {
        var found: [RLCRepairHeader] = []
        var storage = [UInt8](repeating: 0, count: 2048)
        while true {
            var header: RLCRepairHeader?
            storage.withUnsafeMutableBytes { raw in
                var span = MutableRawSpan(_unsafeBytes: raw)
                let length = next(into: &span)
                header = RLCRepairHeader(
                    parsing: RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: raw[..<length])))
            }
            guard let header else { return found }
            found.append(header)
        }
    }
}

@Suite struct RLCSenderTests {
    private func sender(floor: Int, cap: Int) -> RLCSender {
        RLCSender(.init(floor: floor, cap: cap, window: .milliseconds(20), packetLimit: 64), key: 0)
    }

    @Test func repairsComeEvenlyAndReachBackAsFarAsTheWindow() {
        let media = Media()
        var sender = sender(floor: 100_000, cap: 100_000)
        var found: [RLCRepairHeader] = []
        for sequence in Int64(0)..<100 {
            sender.add(media.packet(sequence), now: Instant(nanoseconds: sequence * 1_000_000))
            let due = sender.take()
            #expect(due.count == (sequence % 10 == 9 ? 1 : 0))
            found += due
        }
        #expect(found[0].first == 0 && found[0].count == 10)
        // A packet a millisecond: 20 ms are 21 packets.
        #expect(found.last.map { $0.first + Int64($0.count) } == 100 && found.last?.count == 21)
        #expect(Set(found.map(\.key)).count == 10)
    }

    @Test func theRateFollowsReportedLossBetweenFloorAndCap() {
        var sender = sender(floor: 50_000, cap: 300_000)
        #expect(sender.rate == 50_000)
        sender.follow(loss: 100_000)
        #expect(sender.rate == 210_000)
        // Whoever claims to lose everything gains no more than the cap.
        sender.follow(loss: 1_000_000)
        #expect(sender.rate == 300_000)
        sender.follow(loss: .max)
        #expect(sender.rate == 300_000)
        sender.follow(loss: -5)
        #expect(sender.rate == 50_000)
    }

    @Test func retransmissionsAndHolesAreNoReasonForARepair() {
        let media = Media()
        var sender = sender(floor: 500_000, cap: 500_000)
        for sequence: Int64 in [0, 1, 2, 3, 5, 6] {
            sender.add(media.packet(sequence), now: Instant(nanoseconds: sequence * 1_000_000))
        }
        #expect(sender.take().allSatisfy { $0.first == 5 && $0.count == 2 })
        let again = media.packet(6)
        again.info.flags.insert(.isRetransmission)
        for _ in 0..<10 { sender.add(again, now: Instant(nanoseconds: 7_000_000)) }
        #expect(sender.take().isEmpty)
    }

    @Test func theEndGetsTheRepairsThatOthersWouldHaveBroughtIt() {
        let media = Media()
        var sender = sender(floor: 200_000, cap: 200_000)
        for sequence in Int64(0)..<21 {
            sender.add(media.packet(sequence), now: Instant(nanoseconds: sequence * 1_000_000))
        }
        _ = sender.take()
        sender.finish()
        #expect(sender.take().count == 5)
    }
}
