import FreshetCore
import FreshetOverlay
import FreshetWire

/// NATs in front of a world's hosts, and the coordinator's mirrors. A NAT lets in what comes from an address and port that
/// its host has sent to through the same outside port.
extension TreeWorld {
    /// What stands in front of one host.
    struct Nat {
        var isSymmetric: Bool
        /// The outside port towards each address that was sent to.
        var ports: [PeerAddress: UInt16] = [:]
    }

    static let coordinatorAddress = PeerAddress("203.0.113.1:7400")!
    static let mirrorPorts: [UInt16] = [7401, 7402]
    static let mirrorKey = SipKey(low: 3, high: 4)
    /// What every host behind a NAT says that it is at.
    static let insideAddress = PeerAddress("192.168.0.2:5004")!

    /// Puts hosts behind NATs, as many of a thousand as the settings say; never the source.
    func makeNat(_ index: Int) -> Nat? {
        guard index > 0 else { return nil }
        let draw = random.below(1000)
        if draw < settings.conePerMille { return Nat(isSymmetric: false) }
        return draw < settings.conePerMille + settings.symmetricPerMille ? Nat(isSymmetric: true) : nil
    }

    /// Where a datagram of host `index` to `address` comes from.
    private func source(of index: Int, to address: PeerAddress) -> PeerAddress {
        guard var nat = nats[index] else { return TreeWorld.address(index) }
        let fresh: UInt16 = nat.isSymmetric ? 40_000 + UInt16(nat.ports.count) : 40_000
        let port = nat.ports[address] ?? fresh
        nat.ports[address] = port
        nats[index] = nat
        var outside = TreeWorld.address(index)
        outside.port = port
        return outside
    }

    /// True when what comes from `sender` for `address` gets through to host `index`.
    func letsIn(_ index: Int, from sender: PeerAddress, at address: PeerAddress) -> Bool {
        guard let nat = nats[index] else { return address == TreeWorld.address(index) }
        return nat.ports[sender] == address.port
    }

    /// Sends from host `index` to `address`, through the NATs that there are.
    func send(_ kind: Kind, from index: Int, to address: PeerAddress) {
        let outside = source(of: index, to: address)
        if address.isSameHost(as: TreeWorld.coordinatorAddress) {
            return answer(kind, at: address, to: index, seenAt: outside)
        }
        send(kind, from: index, to: TreeWorld.index(of: address), way: (outside, address))
    }

    /// A mirror's answer, two ways to the coordinator later.
    private func answer(_ kind: Kind, at mirror: PeerAddress, to index: Int, seenAt outside: PeerAddress) {
        guard case .datagram(let asked) = kind,
            let number = TreeWorld.mirrorPorts.firstIndex(of: mirror.port)
        else { return }
        var bytes = [UInt8](repeating: 0, count: LinkMessage.byteCountLimit)
        var span = bytes.mutableSpan
        var raw = span.mutableBytes
        let count = PlaceMirror(number, key: TreeWorld.mirrorKey)
            .answer(asked.span.bytes, from: outside, into: &raw)
        if count == 0 { return }
        let told = Kind.datagram(Array(bytes.prefix(count)))
        schedule(delay(index, 0) + delay(index, 0), index, 0, told, way: (mirror, outside))
    }
}
