import FreshetCore
import FreshetOverlay
import FreshetWire
import Testing

/// A node that measures what its line carries out.
@Suite struct UplinkProbeTests {
    private static let mirror = PeerAddress("203.0.113.1:7401")!

    private func node(_ change: (inout JoinMessage) -> Void = { _ in }) -> TreeNode {
        var configuration = TreeNodeConfiguration()
        configuration.coordinator = PeerAddress("203.0.113.1:7400")
        change(&configuration.join)
        var node = TreeNode(configuration: configuration, random: PRNG(seed: 1), now: .zero)
        node.connected(now: .zero)
        var welcome = WelcomeMessage()
        welcome.member = MemberID(2)
        welcome.reportMilliseconds = 100
        welcome.mirrorPorts = [7401, 7402]
        welcome.mirrorNonce = 99
        node.receive(.welcome(welcome), now: .zero)
        return node
    }

    private func answer(
        _ node: inout TreeNode, _ nonce: UInt64, _ index: Int, _ stamp: UInt64,
        from address: PeerAddress = mirror,
        at now: Instant
    ) {
        var bytes = [UInt8](repeating: 0, count: LinkMessage.byteCountLimit)
        var span = bytes.mutableSpan
        var raw = span.mutableBytes
        let message = LinkMessage.trained(nonce: nonce, index: UInt8(index), stamp: stamp)
        let count = message.write(into: &raw, ssrc: 0)
        _ = node.read(span.bytes.extracting(first: count), from: address, now: now)
    }

    /// Runs `node` for six seconds; `answer` is called for every train. Gives the trains, and the last report's uplink.
    private func run(
        _ node: inout TreeNode, _ answer: (inout TreeNode, _ nonce: UInt64, _ count: Int, Instant) -> Void
    ) -> (trains: [Instant], kilobits: UInt32?) {
        var trains: [Instant] = []
        var kilobits: UInt32?
        while let deadline = node.nextDeadline, deadline <= .zero + .seconds(6) {
            node.advance(to: deadline)
            while let event = node.nextEvent() {
                guard case .train(let address, let nonce, let count) = event else { continue }
                #expect(address == UplinkProbeTests.mirror && count * LinkMessage.trainByteCount < 10_000)
                trains.append(deadline)
                answer(&node, nonce, count, deadline)
            }
            while let message = node.nextMessage() {
                if case .report(let report) = message { kilobits = report.uplinkKilobits }
            }
        }
        return (trains, kilobits)
    }

    @Test func threeTrainsSayWhatTheLineCarries() {
        var node = node()
        // 1228 bytes with their headers in 1.228 ms each.
        let found = run(&node) { node, nonce, count, now in
            for index in 0..<count { answer(&node, nonce, index, 5_000 + UInt64(index) * 1_228_000, at: now) }
        }
        #expect(found.trains == [500, 1_500, 2_500].map { .zero + .milliseconds($0) })
        #expect(found.kilobits == 8_000)
    }

    @Test func oneTrainThatWasHeldUpAndLostPacketsChangeNothing() {
        var node = node()
        var trains = 0
        let found = run(&node) { node, nonce, count, now in
            trains += 1
            let gap: UInt64 = trains == 2 ? 40_000_000 : 1_228_000
            // Lost at either end: as if the train were shorter.
            for index in 1..<count - 1 { answer(&node, nonce, index, UInt64(index) * gap, at: now) }
        }
        #expect(found.kilobits == 8_000)
    }

    @Test func whoSaysWhatItGivesOrGivesNothingMeasuresNothing() {
        for change: (inout JoinMessage) -> Void in [
            { $0.uplinkKilobits = 5 }, { $0.childLimit = 3 }, { $0.forwards = false },
        ] {
            var node = node(change)
            let found = run(&node) { _, _, _, _ in }
            #expect(found.trains.isEmpty && found.kilobits == 0)
        }
    }

    @Test func aMirrorThatSaysNothingOrLiesMeasuresNothingOrWithinBounds() {
        var silent = node()
        #expect(run(&silent) { _, _, _, _ in }.kilobits == 0)
        var forged = node()
        let stranger = PeerAddress("203.0.113.9:7401")!
        let found = run(&forged) { node, nonce, count, now in
            for index in 0..<count {
                answer(&node, nonce, index, UInt64(index), from: stranger, at: now)
                answer(&node, nonce ^ 2, index, UInt64(index), at: now)
                answer(&node, 0, index, UInt64(index), at: now)
                answer(&node, nonce, index + count, UInt64(index), at: now)
            }
        }
        #expect(found.kilobits == 0 && forged.tally.rejectedCount == 3 * 8 * 4)
        var odd = node()
        let most = run(&odd) { node, nonce, count, now in
            for index in 0..<count { answer(&node, nonce, index, index == 0 ? 0 : .max, at: now) }
        }
        #expect(most.kilobits == 1)
        var quick = node()
        let least = run(&quick) { node, nonce, count, now in
            for index in 0..<count { answer(&node, nonce, index, 7, at: now) }
        }
        #expect(least.kilobits == 1_000_000)
    }
}
