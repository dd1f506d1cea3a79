internal import FreshetCore
internal import FreshetNet

/// How a stream to RIST receivers begins: first the reports alone, and the media when the receivers have answered them.
///
/// libRIST, and FFmpeg with it, drops media until it has read an RTCP packet of the source with its name, and never learns
/// what it dropped. It answers the first one before it has read it; so a few more follow the answer, ahead of the media.
/// Receivers that never answer (one-way links, others than RIST's) are waited for no longer than their `hello=` says,
/// groups not at all. A stream has one beginning: all wait for the slowest, who must not miss what has gone.
///
/// What a live source gave meanwhile leaves four times as fast as the stream runs, until it has caught up. A paced file
/// has not begun: its schedule starts when the first packet is taken.
struct SenderOpening {
    /// How long answers are waited for where the address does not say.
    static let usualPatience = Nanoseconds.seconds(1)
    /// How often the first packet goes: when it is lost, nobody knows that it was sent.
    static let firstPacketCount = 3
    /// How many reports follow the answers: one of them must come.
    private static let confirmationCount = 4
    /// Between two reports: until there are answers, and from then on.
    private static let greetingInterval = Nanoseconds.milliseconds(20)
    private static let confirmationInterval = Nanoseconds.milliseconds(10)
    /// How much faster than the stream what has waited leaves.
    private static let catchUpFactor: Int64 = 4

    /// Who is to answer, and how long each is waited for.
    private let awaited: [(address: SocketAddress, patience: Nanoseconds)]
    /// When the first packet came.
    private var start: Instant?
    private var release: Instant?
    /// Everybody has answered, or had time enough: how many reports are still to follow.
    private var confirmationsLeft: Int?
    private var firstTimestamp: UInt32 = 0
    /// The stream flows freely.
    private(set) var isOver: Bool
    /// When it is to be looked at again.
    private(set) var deadline: Instant?

    /// An opening of a stream to `requests`; over at once when there is nobody to wait for.
    init(_ requests: [DestinationRequest]) {
        var awaited: [(address: SocketAddress, patience: Nanoseconds)] = []
        for request in requests where request.url.scheme == .rist && request.hasControl {
            if request.url.address.isMulticast && request.url.hello == nil { continue }
            let patience = request.url.hello ?? SenderOpening.usualPatience
            if patience > .zero { awaited.append((request.url.address, patience)) }
        }
        self.awaited = awaited
        isOver = awaited.isEmpty
    }

    /// True while the media waits for answers.
    var isHolding: Bool { !isOver && release == nil }

    /// The first packet is there.
    mutating func begin(_ first: PacketInfo, now: Instant) {
        if start == nil { start = now }
        firstTimestamp = first.rtpTimestamp
    }

    /// Looks whether everybody has answered, or there was time enough; true when the media may begin.
    mutating func mayBegin(now: Instant, hasHeard: (SocketAddress) -> Bool) -> Bool {
        guard let start else { return false }
        let waited = now - start
        var silent: Nanoseconds?
        var longest = Nanoseconds.zero
        for (address, patience) in awaited {
            longest = max(longest, patience)
            guard waited < patience, !hasHeard(address) else { continue }
            silent = min(silent ?? patience, patience)
        }
        if confirmationsLeft == nil, silent == nil { confirmationsLeft = SenderOpening.confirmationCount }
        if waited >= longest || confirmationsLeft == 0 {
            release = now
            deadline = nil
            return true
        }
        deadline = start + (silent ?? longest)
        return false
    }

    /// Time to the next report.
    var reportInterval: Nanoseconds {
        confirmationsLeft == nil ? SenderOpening.greetingInterval : SenderOpening.confirmationInterval
    }

    /// A report is sent.
    mutating func noteReport() {
        if let left = confirmationsLeft { confirmationsLeft = max(0, left - 1) }
    }

    /// Whether a packet with `timestamp` (90 kHz) may go already.
    mutating func mayDepart(timestamp: UInt32, now: Instant) -> Bool {
        guard !isOver, let start, let release else { return true }
        let ticks = Int64(max(0, Int32(bitPattern: timestamp &- firstTimestamp)))
        let age = Nanoseconds(ticks * 100_000 / 9)
        let due = release + age / SenderOpening.catchUpFactor
        if due <= now { return true }
        if start + age >= now {
            end()
            return true
        }
        deadline = due
        return false
    }

    /// Nothing waits any more.
    mutating func end() {
        isOver = true
        deadline = nil
    }
}
