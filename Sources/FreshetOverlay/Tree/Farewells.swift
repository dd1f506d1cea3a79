import FreshetCore
import FreshetWire

/// LEAVE is not answered, and a lost one has the old parent send to nobody for seconds: it is said three times.
struct Farewells {
    private struct Farewell {
        var address: PeerAddress
        var token: UInt32
        var stripes: StripeSet
        var keepsPlace: Bool
        var left: Int
        var due: Instant
    }

    /// Told after the first time, and the time between two tellings.
    static let repeatCount = 2
    static let interval = Nanoseconds.milliseconds(60)
    /// More at once are said once only.
    static let limit = 64

    private var pending: [Farewell] = []

    /// When one is to be said again; `nil` when none is.
    var due: Instant? {
        if pending.isEmpty { return nil }
        return pending.reduce(nil as Instant?) { earliest($0, $1.due) }
    }

    /// `stripes` were left for the first time.
    mutating func note(
        _ stripes: StripeSet, to address: PeerAddress, token: UInt32, keepsPlace: Bool, now: Instant
    ) {
        if pending.count >= Farewells.limit { return }
        pending.append(
            Farewell(
                address: address, token: token, stripes: stripes, keepsPlace: keepsPlace,
                left: Farewells.repeatCount, due: now + Farewells.interval))
    }

    /// `stripes` are wanted of `address` after all: nothing more is said of them.
    mutating func takeBack(_ stripes: StripeSet, from address: PeerAddress) {
        for index in pending.indices where pending[index].address == address {
            pending[index].stripes.subtract(stripes)
        }
        pending.removeAll { $0.stripes.isEmpty }
    }

    /// One that is to be said again at `now`; `nil` when there is none.
    mutating func next(now: Instant) -> (message: LinkMessage, address: PeerAddress)? {
        guard let place = pending.firstIndex(where: { $0.due <= now }) else { return nil }
        let farewell = pending[place]
        pending[place].left -= 1
        pending[place].due = now + Farewells.interval
        if farewell.left <= 1 { pending.remove(at: place) }
        return (
            .leave(token: farewell.token, stripes: farewell.stripes, keepsPlace: farewell.keepsPlace),
            farewell.address
        )
    }
}
