import FreshetCore
import FreshetWire

/// Datagrams that open a member's own NAT towards a child that is about to come (RFC 5128 §3.3). They mean nothing to who
/// gets them, may be lost, and are said three times unless the child is there before.
struct Punches {
    private struct Punch {
        var address: PeerAddress
        var left: Int
        var due: Instant
    }

    static let repeatCount = 2
    static let interval = Nanoseconds.milliseconds(120)
    /// More at once are not kept: the children ask again and again themselves.
    static let limit = 256

    private var pending: [Punch] = []

    /// When one is due; `nil` when none is.
    var deadline: Instant? { pending.reduce(nil as Instant?) { earliest($0, $1.due) } }

    /// A child is about to come from `address`.
    mutating func begin(_ address: PeerAddress, now: Instant) {
        if pending.count >= Punches.limit || pending.contains(where: { $0.address == address }) { return }
        pending.append(Punch(address: address, left: Punches.repeatCount, due: now))
    }

    /// `address` has come.
    mutating func forget(_ address: PeerAddress) { pending.removeAll { $0.address == address } }

    /// The next one at `now`; `nil` when there is none.
    mutating func next(now: Instant) -> PeerAddress? {
        guard let place = pending.firstIndex(where: { $0.due <= now }) else { return nil }
        let address = pending[place].address
        pending[place].left -= 1
        pending[place].due = now + Punches.interval
        if pending[place].left < 0 { pending.remove(at: place) }
        return address
    }
}
