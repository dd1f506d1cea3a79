import FreshetCore
import FreshetWire

/// A member asks the coordinator's mirrors from where its datagrams come, at once after the welcome and again every
/// ``renewInterval`` while it is behind a NAT: that keeps the mapping open too (RFC 4787 REQ-5 has it last two minutes,
/// worse ones thirty seconds).
struct OutsideSearch {
    /// Between the ends of two rounds.
    static let renewInterval = Nanoseconds.seconds(20)
    /// A mirror is asked again after this span, doubled each time…
    static let retryInterval = Nanoseconds.milliseconds(100)
    /// …and so many times in a round.
    static let tryLimit = 5

    private var mirrors: [PeerAddress] = []
    private(set) var nonce: UInt64 = 0
    private var seen: [OutsideMessage.Seen?] = []
    private var asking = 0
    private var tries = 0
    /// What the coordinator was told last.
    private var told: OutsideMessage?
    /// When to ask next.
    private(set) var deadline: Instant?

    /// Asks the mirrors at `ports` of `coordinator`'s host from now on; those it asks already it goes on asking.
    mutating func begin(_ coordinator: PeerAddress, _ ports: [UInt16], nonce: UInt64, now: Instant) {
        if nonce == self.nonce, mirrors.map(\.port) == ports { return }
        self.nonce = nonce
        mirrors = ports.map { PeerAddress(high: coordinator.high, low: coordinator.low, port: $0) }
        told = nil
        startRound(now)
    }

    private mutating func startRound(_ now: Instant) {
        seen = Array(repeating: nil, count: mirrors.count)
        tries = 0
        asking = 0
        deadline = mirrors.isEmpty ? nil : now
    }

    /// The next mirror to ask at `now`; `nil` when none is due.
    mutating func next(now: Instant) -> PeerAddress? {
        guard let due = deadline, due <= now else { return nil }
        if asking == 0, tries > OutsideSearch.tryLimit { startRound(now) }
        guard tries < OutsideSearch.tryLimit else { return nil }
        while asking < mirrors.count {
            asking += 1
            if seen[asking - 1] == nil { return mirrors[asking - 1] }
        }
        asking = 0
        deadline = now + OutsideSearch.retryInterval * Int64(1 << tries)
        tries += 1
        return nil
    }

    /// Takes an answer that came from `mirror`; false when nobody asked for it.
    mutating func note(_ sighting: Sighting, from mirror: PeerAddress) -> Bool {
        guard sighting.nonce == nonce, let index = mirrors.firstIndex(of: mirror) else { return false }
        seen[index] = OutsideMessage.Seen(
            mirror: UInt8(index), address: sighting.address, cookie: sighting.cookie)
        return true
    }

    /// What the coordinator is to be told, once the round is over and there is something new; `own` is the address that
    /// the member gives itself.
    mutating func news(own: PeerAddress?, now: Instant) -> OutsideMessage? {
        guard let due = deadline, !mirrors.isEmpty, tries <= OutsideSearch.tryLimit else { return nil }
        let isWhole = !seen.contains { $0 == nil }
        guard isWhole || tries == OutsideSearch.tryLimit && due <= now else { return nil }
        tries = OutsideSearch.tryLimit + 1
        asking = 0
        let isInside = isWhole && seen.allSatisfy { $0?.address == own }
        deadline = isInside ? nil : now + OutsideSearch.renewInterval
        var message = OutsideMessage()
        message.seen = seen.compactMap { $0 }
        if message.seen.isEmpty || message == told { return nil }
        told = message
        return message
    }
}
