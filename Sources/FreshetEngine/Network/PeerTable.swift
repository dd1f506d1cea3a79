internal import FreshetNet
internal import FreshetOverlay

/// Who stands behind the numbers by which repair knows its peers. Bounded: when it is full, the one that came
/// first gives up its place.
struct PeerTable {
    /// Where a peer is reached.
    struct Place {
        /// The control port that it speaks to.
        var index: Int
        /// Where its control goes.
        var control: SocketAddress
        /// Where its media goes.
        var media: SocketAddress
    }

    /// The most peers known at once.
    static let limit = 4096

    private var numbers: [SocketAddress: UInt32] = [:]
    private var places: [Place] = []
    private var oldest = 0

    /// The peer at `address`, who speaks to control port `index`; `nil` for a stranger: somebody to whom nothing is
    /// sent may ask for nothing, or anyone could aim a stream at a third party.
    mutating func peer(
        of address: SocketAddress, at index: Int, _ destinations: borrowing DestinationSet
    ) -> Peer? {
        if let number = numbers[address] { return Peer(number) }
        guard let media = destinations.destination(of: address, at: index) else { return nil }
        let place = Place(index: index, control: address, media: media)
        if places.count < PeerTable.limit {
            places.append(place)
            numbers[address] = UInt32(places.count - 1)
            return Peer(UInt32(places.count - 1))
        }
        let number = oldest
        oldest = (oldest + 1) % PeerTable.limit
        numbers[places[number].control] = nil
        places[number] = place
        numbers[address] = UInt32(number)
        return Peer(UInt32(number))
    }

    /// True when somebody is known to whom the media at `address` goes.
    func hasPeer(at address: SocketAddress) -> Bool { places.contains { $0.media == address } }

    /// Where `peer` is reached; `nil` when it gave up its place.
    func place(of peer: Peer) -> Place? {
        peer.number < places.count ? places[Int(peer.number)] : nil
    }
}
