import FreshetCore
import FreshetOverlay
import FreshetWire
import Testing

/// A coordinator whose members are the test itself.
final class CoordinatorBench {
    var coordinator: Coordinator
    var now = Instant.zero
    var next: UInt32 = 1
    var outputs: [CoordinatorOutput] = []
    var members: [UInt32: MemberID] = [:]

    init(seed: UInt64 = 1, _ configure: (inout CoordinatorConfiguration) -> Void = { _ in }) {
        var configuration = CoordinatorConfiguration()
        configuration.stream = "show"
        configure(&configuration)
        coordinator = Coordinator(
            configuration: configuration, key: SipKey(low: 1, high: 2), random: PRNG(seed: seed))
    }

    func drain() {
        while let output = coordinator.nextMessage() {
            outputs.append(output)
            if case .welcome(let welcome) = output.message { members[output.connection] = welcome.member }
        }
    }

    func pass(_ span: Nanoseconds) {
        let end = now + span
        while let deadline = coordinator.nextDeadline, deadline <= end {
            now = max(now, deadline)
            coordinator.advance(to: now)
            drain()
            if now == deadline, coordinator.nextDeadline == deadline { break }
        }
        now = end
        coordinator.advance(to: now)
        drain()
    }

    func say(_ message: ControlMessage, _ connection: UInt32) {
        coordinator.receive(
            message, from: connection, observed: PeerAddress(v4: 0x0A00_0000 | connection, port: 1), now: now)
        drain()
    }

    /// Somebody joins; the number of the connection.
    func join(
        _ role: JoinMessage.Role = .viewer, children: UInt32 = 4,
        _ change: (inout JoinMessage) -> Void = { _ in }
    ) -> UInt32 {
        var message = JoinMessage()
        message.stream = "show"
        message.role = role
        message.childLimit = children
        message.addresses = [PeerAddress(v4: 0x0A00_0000 | next, port: 5004)]
        if role == .source { message.epoch = 0xABC0 }
        change(&message)
        let connection = next
        next += 1
        say(.join(message), connection)
        return connection
    }

    func member(_ connection: UInt32) -> MemberID { members[connection] ?? .none }

    func parent(_ connection: UInt32, _ stripe: Int = 0) -> MemberID? {
        coordinator.parent(of: member(connection), stripe: stripe)
    }

    /// The messages to `connection` since the last look.
    func take(_ connection: UInt32) -> [ControlMessage] {
        let found = outputs.filter { $0.connection == connection }.map(\.message)
        outputs.removeAll { $0.connection == connection }
        return found
    }

    /// A report that all is as the coordinator thinks, with `share` of 1000 in time.
    func report(_ connection: UInt32, share: UInt16 = 1000, stripes: Int = 1) {
        var report = ReportMessage()
        for stripe in 0..<stripes {
            var place = PlaceReport()
            place.stripe = UInt8(stripe)
            place.parent = parent(connection, stripe) ?? .none
            place.receivedPerMille = share
            report.places.append(place)
        }
        say(.report(report), connection)
    }
}

@Suite struct CoordinatorTests {
    @Test func aViewerIsWelcomedAndGivenAParentInOneRoundTrip() throws {
        let bench = CoordinatorBench()
        let source = bench.join(.source)
        let viewer = bench.join()
        let messages = bench.take(viewer)
        guard case .welcome = messages.first, case .assign(let assign) = messages.last else {
            Issue.record("\(messages)")
            return
        }
        #expect(assign.offers.map(\.member) == [bench.member(source)])
        #expect(assign.offers[0].ticket.stripes.has(0))
        // The parent is told to forward (figure 9C, step 920).
        let told = bench.take(source).contains {
            if case .forward(let forward) = $0 { return forward.child == bench.member(viewer) }
            return false
        }
        #expect(told)
        #expect(bench.coordinator.primaries == [bench.member(viewer)])
    }

    @Test func placesAndDepthAreNeverExceeded() {
        for stripes in [1, 4] {
            let bench = CoordinatorBench { $0.stripeCount = stripes }
            let source = bench.join(.source, children: 4)
            var viewers: [UInt32] = []
            for _ in 0..<400 { viewers.append(bench.join(children: 3)) }
            var children: [MemberID: Int] = [:]
            for viewer in viewers {
                for stripe in 0..<stripes {
                    let depth = bench.coordinator.depth(of: bench.member(viewer), stripe: stripe)
                    #expect(depth.map { $0 <= 10 } == true)
                    if let parent = bench.parent(viewer, stripe) { children[parent, default: 0] += 1 }
                }
            }
            for (member, count) in children {
                #expect(count <= (member == bench.member(source) ? 4 : 3) * stripes)
            }
        }
    }

    /// A full tree of 100 below fan-outs of 4 is 4 deep; one more level is granted.
    @Test(arguments: [true, false])
    func aHundredWithFourPlacesEachAreFiveDeepAtMost(startTogether: Bool) {
        for seed in UInt64(1)...10 {
            let bench = CoordinatorBench(seed: seed) { if startTogether { $0.waitForMembers = 100 } }
            _ = bench.join(.source, children: 4)
            let viewers = (0..<100).map { _ in bench.join(children: 4) }
            var found: [Int] = []
            for viewer in viewers {
                found.append(bench.coordinator.depth(of: bench.member(viewer), stripe: 0) ?? .max)
            }
            #expect(found.max().map { $0 <= 5 } == true, "seed \(seed): \(found)")
        }
    }

    @Test func aBranchThatMovedByItselfIsPutWhereTheTreeStaysFlat() {
        let bench = CoordinatorBench()
        _ = bench.join(.source, children: 4)
        let viewers = (0..<100).map { _ in bench.join(children: 4) }
        func depth(_ viewer: UInt32) -> Int {
            bench.coordinator.depth(of: bench.member(viewer), stripe: 0) ?? .max
        }
        // One after another hears nothing for a moment and goes to the deepest there is.
        for mover in viewers.prefix(40) {
            func isBelowMover(_ viewer: UInt32) -> Bool {
                var above: MemberID? = bench.member(viewer)
                while let current = above, current != bench.member(mover) {
                    above = bench.coordinator.parent(of: current, stripe: 0)
                }
                return above != nil
            }
            let others = viewers.filter { !isBelowMover($0) }
            let deepest = others.max { depth($0) < depth($1) } ?? viewers[0]
            let moved = MovedMessage(
                stripes: StripeSet(0), from: bench.parent(mover) ?? .none, to: bench.member(deepest),
                reason: .handover)
            bench.say(.moved(moved), mover)
        }
        bench.pass(.seconds(20))
        let found = viewers.map(depth)
        #expect(found.max().map { $0 <= 5 } == true, "\(found)")
    }

    @Test func whatAMemberMeasuresTakesPlacesAwayAndGivesNone() {
        let bench = CoordinatorBench()
        let source = bench.join(.source, children: 1)
        let thin = bench.join(children: 0)
        let wide = bench.join(children: 0)
        let bound = bench.join(children: 3)
        func measure(_ connection: UInt32, _ kilobits: UInt32) {
            var report = ReportMessage()
            report.uplinkKilobits = kilobits
            bench.say(.report(report), connection)
        }
        func places(_ connection: UInt32) -> Int32? {
            bench.coordinator.record(of: bench.member(connection))?.slotLimit
        }
        for (member, kilobits) in [(thin, 8_000 as UInt32), (wide, 900_000), (bound, 1_000)] {
            measure(member, kilobits)
        }
        #expect(places(thin) == 4 && places(wide) == 4 && places(bound) == 3)
        var report = ReportMessage()
        report.delivery.kilobits = 5_000
        bench.say(.report(report), source)
        // Three quarters of 8 Mbit/s carry one; a word of its own is believed.
        #expect(places(thin) == 1 && places(wide) == 4 && places(bound) == 3)
        measure(thin, 3_000)
        #expect(places(thin) == 0)
    }

    @Test func anUplinkCountsAsSoonAsTheRateIsKnown() {
        let bench = CoordinatorBench()
        let source = bench.join(.source, children: 1)
        let thin = bench.join(children: 0) { $0.uplinkKilobits = 12_000 }
        let wide = bench.join(children: 0) { $0.uplinkKilobits = 100_000 }
        let bound = bench.join(children: 3) { $0.uplinkKilobits = 100_000 }
        for _ in 0..<12 { _ = bench.join(children: 1) }
        func places(_ connection: UInt32) -> Int32? {
            bench.coordinator.record(of: bench.member(connection))?.slotLimit
        }
        #expect(places(thin) == 4 && places(wide) == 4 && places(bound) == 3)
        _ = bench.take(thin)
        var report = ReportMessage()
        report.delivery.kilobits = 5_000
        bench.say(.report(report), source)
        #expect(places(thin) == 2 && places(wide) == 20 && places(bound) == 3)
        let told = bench.take(thin).contains {
            if case .welcome(let welcome) = $0 { return welcome.slotLimit == 2 }
            return false
        }
        #expect(told)
        let record = bench.coordinator.record(of: bench.member(thin))
        #expect(record.map { $0.childCount <= 2 } == true, "the others have another parent")
        // A rate that varies a little changes nothing.
        report.delivery.kilobits = 5_400
        bench.say(.report(report), source)
        #expect(places(wide) == 20)
    }

    @Test func withSeveralStripesNearlyEverybodyForwardsOne() {
        let bench = CoordinatorBench { $0.stripeCount = 4 }
        _ = bench.join(.source, children: 4)
        var viewers: [UInt32] = []
        for _ in 0..<200 { viewers.append(bench.join(children: 4)) }
        var forwarded: [MemberID: Set<Int>] = [:]
        for viewer in viewers {
            for stripe in 0..<4 {
                if let parent = bench.parent(viewer, stripe) { forwarded[parent, default: []].insert(stripe) }
            }
        }
        let several = viewers.filter { forwarded[bench.member($0), default: []].count > 1 }
        #expect(several.count <= 10)
    }

    @Test func backupsAreOutsideTheParentsBranch() {
        let bench = CoordinatorBench()
        _ = bench.join(.source, children: 2)
        for _ in 0..<60 { _ = bench.join(children: 3) }
        var checked = 0
        for output in bench.outputs {
            guard case .assign(let assign) = output.message,
                let parent = assign.offers.first(where: { $0.ticket.stripes.has(0) })
            else { continue }
            for backup in assign.offers where backup.ticket.backupStripes.has(0) {
                #expect(backup.member != parent.member)
                checked += 1
                var above = bench.coordinator.parent(of: backup.member, stripe: 0)
                while let member = above {
                    #expect(member != parent.member || bench.coordinator.depth(of: member, stripe: 0) == 0)
                    above = bench.coordinator.parent(of: member, stripe: 0)
                }
            }
        }
        #expect(checked > 60)
    }

    /// Figure 5: everybody is probed and sorted first; the best of each cluster are the primaries.
    @Test func aGroupThatStartsTogetherIsSortedFirst() {
        let bench = CoordinatorBench { $0.waitForMembers = 12 }
        let source = bench.join(.source, children: 3)
        var best: [MemberID] = []
        for index in 0..<12 {
            let cluster = index % 3
            let isBest = index / 3 == 2
            let viewer = bench.join(children: isBest ? 9 : 2) { $0.routers = ["r\(cluster)"] }
            if index < 11 { #expect(bench.parent(viewer) == nil) }
            if isBest { best.append(bench.member(viewer)) }
        }
        #expect(bench.coordinator.primaries == best.sorted())
        #expect(bench.take(source).count > 3)
    }

    @Test func whoWaitsForAGroupWithoutASourceGivesNobodyWork() {
        let bench = CoordinatorBench { $0.waitForMembers = 2 }
        let viewer = bench.join(children: 2)
        bench.pass(bench.coordinator.configuration.waitLimit + .seconds(1))
        #expect(bench.coordinator.nextDeadline ?? .distantFuture > bench.now)
        _ = bench.join(.source, children: 2)
        #expect(bench.parent(viewer) != nil)
    }

    /// Figure 7: a report is credited to the transmitter, and a bad one twice moves the receiver.
    @Test func aViewerThatReceivesBadlyGetsAnotherParent() {
        let bench = CoordinatorBench()
        _ = bench.join(.source, children: 2)
        var viewers: [UInt32] = []
        for _ in 0..<8 { viewers.append(bench.join()) }
        let source = bench.member(1)
        guard let victim = viewers.first(where: { bench.parent($0) != source }),
            let old = bench.parent(victim)
        else {
            Issue.record("no viewer below a viewer")
            return
        }
        bench.report(victim, share: 700)
        #expect(bench.parent(victim) == old)
        #expect((bench.coordinator.record(of: old)?.transmitPerMille ?? 0) < 1000)
        #expect((bench.coordinator.record(of: bench.member(victim))?.receivePerMille ?? 0) < 1000)
        bench.pass(.seconds(6))
        bench.report(victim, share: 700)
        #expect(bench.parent(victim) != old)
    }

    /// Figure 8, steps 804 and 818: below a member that starves nobody else is moved.
    @Test func theBranchBelowAStarvingMemberIsLeftInPeace() throws {
        let bench = CoordinatorBench()
        _ = bench.join(.source, children: 2)
        var viewers: [UInt32] = []
        for _ in 0..<12 { viewers.append(bench.join(children: 2)) }
        let source = bench.member(1)
        let child = try #require(
            viewers.first { viewer in
                guard let parent = bench.parent(viewer), parent != source else { return false }
                return bench.coordinator.parent(of: parent, stripe: 0) != source
            })
        let above = try #require(bench.parent(child))
        let top = try #require(viewers.first { bench.member($0) == above })
        let grand = try #require(bench.parent(top))
        bench.say(.starving(StarvingMessage(stripes: StripeSet(0), parent: grand)), top)
        bench.say(.starving(StarvingMessage(stripes: StripeSet(0), parent: above)), child)
        #expect(bench.coordinator.tally.flaggedCount == 1)
        #expect(bench.parent(child) == above)
        #expect(bench.parent(top) != grand)
    }

    /// Figure 8, step 808: the accused is pinged. One that answers stays, one that does not is out.
    @Test func aPingTellsTheDeadFromTheDeaf() throws {
        for answers in [true, false] {
            let bench = CoordinatorBench()
            _ = bench.join(.source, children: 1)
            let accused = bench.join()
            let child = bench.join()
            bench.pass(.seconds(1))
            _ = bench.take(accused)
            bench.say(.starving(StarvingMessage(stripes: StripeSet(0), parent: bench.member(accused))), child)
            let probes = bench.take(accused).compactMap { message -> ProbeMessage? in
                if case .probe(let probe) = message { return probe }
                return nil
            }
            let probe = try #require(probes.last)
            for probe in bench.take(child) {
                if case .probe(let probe) = probe { bench.say(.probeReply(probe), child) }
            }
            if answers { bench.say(.probeReply(probe), accused) }
            bench.pass(.seconds(1))
            #expect((bench.coordinator.record(of: bench.member(accused)) != nil) == answers)
        }
    }

    @Test func aStandbyTakesTheChildrenOfAPrimaryThatFails() throws {
        let bench = CoordinatorBench()
        _ = bench.join(.source, children: 3)
        let standby = bench.join(.standby, children: 50)
        let primary = bench.join(children: 4)
        let child = bench.join(children: 0)
        try #require(bench.parent(primary) == bench.member(1))
        let offers = bench.take(primary).compactMap { message -> AssignMessage? in
            if case .assign(let assign) = message { return assign }
            return nil
        }
        let backups = offers.flatMap(\.offers).filter { $0.ticket.backupStripes.has(0) }.map(\.member)
        #expect(backups.first == bench.member(standby))
        _ = child
    }

    @Test func aBranchThatMovedTooDeepIsPutWhereItFits() throws {
        let bench = CoordinatorBench { $0.depthLimit = 3 }
        _ = bench.join(.source, children: 3)
        let viewers = (0..<12).map { _ in bench.join(children: 3) }
        func depth(_ viewer: UInt32) -> Int {
            bench.coordinator.depth(of: bench.member(viewer), stripe: 0) ?? 99
        }
        // A primary with children says that it moved below another's child: its own children are at 4 then.
        let top = try #require(
            viewers.first { viewer in viewers.contains { bench.parent($0) == bench.member(viewer) } })
        let deep = try #require(
            viewers.first { depth($0) == 2 && bench.parent($0) != bench.member(top) })
        bench.say(
            .moved(
                MovedMessage(
                    stripes: StripeSet(0), from: bench.member(1), to: bench.member(deep), reason: .silence)),
            top)
        #expect(viewers.map { depth($0) }.max() == 3 || viewers.map { depth($0) }.max() == 2)
    }

    /// A chain is as flat as it can be while nobody has a place for two; when others bring places it need not be one.
    @Test func whoHangsTooDeepByNoMoveOfItsOwnIsFound() {
        let bench = CoordinatorBench()
        _ = bench.join(.source, children: 4)
        let chain = (0..<8).map { _ in bench.join(children: 1) }
        for (upper, lower) in zip(chain, chain.dropFirst()) {
            let from = bench.parent(lower) ?? .none
            bench.say(
                .moved(
                    MovedMessage(
                        stripes: StripeSet(0), from: from, to: bench.member(upper), reason: .handover)),
                lower)
        }
        func deepest() -> Int? {
            chain.map { bench.coordinator.depth(of: bench.member($0), stripe: 0) ?? 99 }.max()
        }
        #expect(deepest() == 8)
        for _ in 0..<30 { _ = bench.join(children: 8) }
        for _ in 0..<20 { bench.pass(.milliseconds(500)) }
        #expect(deepest().map { $0 <= 4 } == true)
    }

    @Test func membersThatGoAreForgottenAndTheirChildrenPlaced() {
        let bench = CoordinatorBench()
        _ = bench.join(.source, children: 2)
        var viewers: [UInt32] = []
        for _ in 0..<40 { viewers.append(bench.join(children: 3)) }
        for viewer in viewers.prefix(20) { bench.say(.leave(LeaveMessage()), viewer) }
        bench.pass(.seconds(3))
        #expect(bench.coordinator.memberCount == 21)
        for viewer in viewers.dropFirst(20) {
            #expect(bench.coordinator.depth(of: bench.member(viewer), stripe: 0) != nil)
        }
    }
}
