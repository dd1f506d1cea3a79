import FreshetCore
import FreshetOverlay
import FreshetWire
import Testing

/// What the coordinator makes of where the mirrors saw its members.
@Suite struct CoordinatorPlacesTests {
    private static let key = SipKey(low: 3, high: 4)
    private let bench = CoordinatorBench {
        $0.mirrorPorts = [7401, 7402]
        $0.mirrorKey = CoordinatorPlacesTests.key
    }

    /// A member behind a NAT: it says where it is inside, the coordinator sees 10.0.0.CONNECTION.
    private func joinInside(_ children: UInt32 = 4, inside: String = "192.168.0.2:5004") -> UInt32 {
        bench.join(children: children) { $0.addresses = [PeerAddress(inside)!] }
    }

    /// The nonce of the last welcome of `connection`.
    private func nonce(_ connection: UInt32) -> UInt64 {
        var nonce: UInt64 = 0
        for output in bench.outputs where output.connection == connection {
            if case .welcome(let welcome) = output.message { nonce = welcome.mirrorNonce }
        }
        return nonce
    }

    /// `connection` was seen at these ports of `host` (its own by default).
    private func seen(
        _ connection: UInt32, at ports: [UInt16], host: PeerAddress? = nil, nonce: UInt64? = nil,
        key: SipKey = key
    ) {
        var message = OutsideMessage()
        for (index, port) in ports.enumerated() {
            var address = host ?? PeerAddress(v4: 0x0A00_0000 | connection, port: 0)
            address.port = port
            let cookie = PlaceMirror(index, key: key).cookie(
                for: address, nonce: nonce ?? self.nonce(connection))
            message.seen.append(.init(mirror: UInt8(index), address: address, cookie: cookie))
        }
        bench.say(.outside(message), connection)
    }

    private func record(_ connection: UInt32) -> MemberRecord? {
        bench.coordinator.record(of: bench.member(connection))
    }

    private func offers(_ connection: UInt32) -> [ParentOffer] {
        var offers: [ParentOffer] = []
        for message in bench.take(connection) {
            switch message {
            case .assign(let assign), .regraft(let assign): offers = assign.offers
            default: break
            }
        }
        return offers
    }

    @Test func behindANatAMemberIsALeafUntilBothMirrorsSeeItAtOneAddress() throws {
        _ = bench.join(.source)
        let viewer = joinInside()
        #expect(record(viewer)?.reach == .closed && record(viewer)?.slotLimit == 0)
        seen(viewer, at: [40_000, 40_000])
        #expect(record(viewer)?.reach == .mapped && record(viewer)?.slotLimit == 4)
        #expect(record(viewer)?.address == PeerAddress(v4: 0x0A00_0000 | viewer, port: 40_000))
        #expect(record(viewer)?.isPortKnown == true)
        // It hears of its places.
        let slots = bench.take(viewer).compactMap { message -> UInt32? in
            if case .welcome(let welcome) = message { welcome.slotLimit } else { nil }
        }
        #expect(slots == [0, 4])
    }

    @Test func whoIsSeenAtTwoPortsIsALeafForEver() {
        _ = bench.join(.source)
        let viewer = joinInside()
        seen(viewer, at: [40_000, 40_001])
        #expect(record(viewer)?.reach == .closed && record(viewer)?.slotLimit == 0)
        #expect(record(viewer)?.isPortKnown == false)
    }

    @Test func oneMirrorAloneProvesNothingOfANat() {
        _ = bench.join(.source)
        let viewer = joinInside()
        seen(viewer, at: [40_000])
        #expect(record(viewer)?.reach == .closed)
        // Without a NAT it does.
        let open = bench.join()
        seen(open, at: [5004])
        #expect(record(open)?.reach == .open && record(open)?.isPortKnown == true)
    }

    @Test func aForgedCookieAnOldNonceAndAnothersHostChangeNothing() throws {
        _ = bench.join(.source)
        let viewer = joinInside()
        let before = try #require(record(viewer)?.address)
        let ignored = bench.coordinator.tally.ignoredCount
        seen(viewer, at: [40_000, 40_000], key: SipKey(low: 3, high: 5))
        seen(viewer, at: [40_000, 40_000], nonce: 1)
        var elsewhere = OutsideMessage()
        let genuine = PlaceMirror(0, key: CoordinatorPlacesTests.key).cookie(
            for: before, nonce: nonce(viewer))
        for mirror: UInt8 in 0...3 {
            let address = try #require(PeerAddress("198.51.100.7:53"))
            elsewhere.seen.append(.init(mirror: mirror, address: address, cookie: genuine))
        }
        bench.say(.outside(elsewhere), viewer)
        #expect(bench.coordinator.tally.ignoredCount == ignored + 8)
        #expect(record(viewer)?.reach == .closed && record(viewer)?.address == before)
    }

    @Test func aNewMapMakesAParentALeafAndItsChildrenGoElsewhere() throws {
        _ = bench.join(.source, children: 1)
        let parent = joinInside()
        seen(parent, at: [40_000, 40_000])
        let child = bench.join(children: 0)
        try #require(bench.parent(child) == bench.member(parent))
        let other = bench.join()
        try #require(bench.parent(other) == bench.member(parent))
        seen(parent, at: [40_000, 40_001])
        #expect(record(parent)?.reach == .closed)
        bench.pass(.seconds(1))
        #expect(bench.parent(child) != bench.member(parent))
        #expect(bench.parent(other) != bench.member(parent))
    }

    @Test func aParentBehindANatIsGivenOnlyToThoseWhosePortsAreKnown() throws {
        _ = bench.join(.source, children: 1)
        let parent = joinInside()
        seen(parent, at: [40_000, 40_000])
        let child = joinInside(0, inside: "192.168.0.3:5004")
        #expect(bench.parent(child) == nil)
        _ = bench.take(parent)
        seen(child, at: [50_000, 50_000])
        bench.pass(.milliseconds(1))
        #expect(bench.parent(child) == bench.member(parent))
        // Each is told where to open its NAT for the other.
        let address = PeerAddress(v4: 0x0A00_0000 | child, port: 50_000)
        let told = bench.take(parent).contains { message in
            if case .forward(let forward) = message { forward.address == address } else { false }
        }
        #expect(told)
        let offer = try #require(offers(child).first)
        #expect(offer.address.port == 40_000 && offer.inside == nil)
        let symmetric = joinInside(0, inside: "192.168.0.4:5004")
        seen(symmetric, at: [50_000, 50_001])
        bench.pass(.seconds(1))
        #expect(bench.parent(symmetric) == nil)
    }

    @Test func behindOneNatBothAreToldWhereTheOtherIsInside() throws {
        _ = bench.join(.source, children: 1)
        let parent = joinInside(4, inside: "192.168.0.2:5004")
        seen(parent, at: [40_000, 40_000])
        let child = joinInside(0, inside: "192.168.0.3:5004")
        _ = bench.take(parent)
        seen(child, at: [40_001, 40_001], host: PeerAddress(v4: 0x0A00_0000 | parent, port: 0))
        bench.pass(.milliseconds(1))
        let offer = try #require(offers(child).first { $0.member == bench.member(parent) })
        #expect(offer.inside == PeerAddress("192.168.0.2:5004"))
        let inside = bench.take(parent).compactMap { message -> PeerAddress? in
            if case .forward(let forward) = message { forward.inside } else { nil }
        }
        #expect(inside.first == PeerAddress("192.168.0.3:5004"))
    }

    /// A ticket names the port as soon as it is known; at the host alone only the first tickets are good.
    @Test func ticketsVouchForThePortWhereItIsKnown() throws {
        let source = bench.join(.source)
        let viewer = joinInside()
        let key = SipKey(low: 1, high: 2).derived(for: UInt64(bench.member(source).number))
        let host = PeerAddress(v4: 0x0A00_0000 | viewer, port: 9)
        let first = try #require(offers(viewer).first).ticket
        #expect(first.vouches(for: host, key: key))
        func ask() throws -> Ticket {
            bench.say(.starving(StarvingMessage(stripes: StripeSet(0), parent: .none)), viewer)
            return try #require(offers(viewer).first { $0.member == bench.member(source) }).ticket
        }
        bench.pass(.seconds(3))
        bench.say(.probeReply(ProbeMessage()), viewer)
        #expect(try ask().vouch == 0)
    }

    @Test func thePortOfATicketIsTheOneThatWasSeen() throws {
        let source = bench.join(.source, children: 1)
        let viewer = joinInside()
        let key = SipKey(low: 1, high: 2).derived(for: UInt64(bench.member(source).number))
        seen(viewer, at: [40_000, 40_000])
        _ = bench.take(viewer)
        bench.say(.starving(StarvingMessage(stripes: StripeSet(0), parent: .none)), viewer)
        let ticket = try #require(offers(viewer).first).ticket
        #expect(ticket.vouches(for: PeerAddress(v4: 0x0A00_0000 | viewer, port: 40_000), key: key))
        #expect(!ticket.vouches(for: PeerAddress(v4: 0x0A00_0000 | viewer, port: 40_001), key: key))
    }
}
