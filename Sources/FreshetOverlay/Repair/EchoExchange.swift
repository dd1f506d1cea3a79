internal import FreshetCore
internal import FreshetWire

/// Round trip measurement with RIST's echo: stamps that are not to be guessed, and answers believed once.
struct EchoExchange: Sendable {
    private(set) var roundTrip = RoundTrip()
    private var stamps = InlineArray<16, UInt64>(repeating: 0)
    private var sentAt = InlineArray<16, Instant>(repeating: .zero)
    private var index = 0
    private(set) var lastSent = Instant.zero

    /// An exchange with somebody whose round trip was measured elsewhere; `nil`: it was not.
    init(assuming span: Nanoseconds? = nil) {
        if let span { roundTrip.note(span) }
    }

    /// A request to send now.
    mutating func request(mediaSSRC: UInt32, now: Instant, random: inout PRNG) -> RoundTripEcho {
        let stamp = random.next() | 1
        stamps[index & 15] = stamp
        sentAt[index & 15] = now
        index &+= 1
        lastSent = now
        return RoundTripEcho(isResponse: false, mediaSSRC: mediaSSRC, stamp: stamp)
    }

    /// An answer came. One to no request of ours, or one that was answered before, says nothing.
    mutating func note(_ response: RoundTripEcho, now: Instant) {
        for place in 0..<16 where stamps[place] == response.stamp && response.stamp != 0 {
            stamps[place] = 0
            let span = now - sentAt[place]
            // The other side's own delay cannot be more than all of it.
            let delay = min(Nanoseconds.microseconds(Int64(response.delayMicroseconds)), span)
            roundTrip.note(span - delay)
            return
        }
    }

    /// Between two requests: often until something is known, but not to someone who never answers.
    var interval: Nanoseconds {
        if roundTrip.smoothed != nil { return .milliseconds(100) }
        return index < 50 ? .milliseconds(10) : .milliseconds(500)
    }
}
