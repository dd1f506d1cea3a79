internal import FreshetCore
internal import FreshetNet

/// Keeps one source of those that send to the same place: the first, until it falls silent.
///
/// A source is who sends (address and port) and, with RTP, its SSRC. Another one's packets are dropped and it
/// is told of once a minute. When the chosen source has been silent for twenty times its usual interval, at
/// least 100 ms and at most 2 s, the next one with a valid packet takes its place: a new epoch. What another
/// source sends before that is lost, also when it is the same program with a new SSRC: a packet under the old
/// one may still come, and two sources that took turns would tear the stream apart at each packet. A program
/// that restarts pauses for longer than that.
struct SourceSelector {
    /// What to do with a packet.
    enum Verdict: Equatable {
        /// It is the chosen source's.
        case accept
        /// It is the first packet of a newly chosen source.
        case newSource
        /// It is another source's; `isNews` the first time.
        case foreign(isNews: Bool)
    }

    private static let silenceFloor = Nanoseconds.milliseconds(100)
    /// The longest silence after which another source may take over.
    static let silenceCeiling = Nanoseconds.seconds(2)

    /// Another source is told of once a minute, and others at most once a second.
    private static let newsInterval = Nanoseconds.seconds(60)

    private(set) var sender: SocketAddress?
    private(set) var ssrc: UInt32 = 0
    /// Counts the sources chosen; the first is 0.
    private(set) var epoch: UInt32 = 0
    private var lastArrival = Instant.zero
    /// Smoothed time between packets, in nanoseconds (weight 1/16).
    private var interval: Int64 = 50_000_000
    private var lastNews: (sender: SocketAddress, at: Instant)?

    /// True when the packet is the chosen source's: the quick answer for nearly every packet.
    @inline(__always)
    mutating func isChosen(_ sender: SocketAddress, _ ssrc: UInt32, _ arrival: Instant) -> Bool {
        guard ssrc == self.ssrc, sender == self.sender else { return false }
        let gap = max(0, (arrival - lastArrival).count)
        interval += (min(gap, 1_000_000_000) - interval) / 16
        lastArrival = max(lastArrival, arrival)
        return true
    }

    /// Judges a packet that is not the chosen source's; `isValid` says that it is surely a stream's.
    mutating func judge(_ sender: SocketAddress, _ ssrc: UInt32, _ arrival: Instant, isValid: Bool) -> Verdict
    {
        let isFree = self.sender == nil || arrival - lastArrival > silence
        guard isFree, isValid else {
            return .foreign(isNews: isValid && isNews(sender, arrival))
        }
        if self.sender != nil { epoch &+= 1 }
        self.sender = sender
        self.ssrc = ssrc
        lastArrival = arrival
        return .newSource
    }

    /// True for a sender that was not told of within the last while: forged packets must not fill a log.
    private mutating func isNews(_ sender: SocketAddress, _ arrival: Instant) -> Bool {
        if let last = lastNews, arrival - last.at < SourceSelector.newsInterval {
            if last.sender == sender || arrival - last.at < .seconds(1) { return false }
        }
        lastNews = (sender, arrival)
        return true
    }

    private var silence: Nanoseconds {
        min(max(Nanoseconds(interval * 20), SourceSelector.silenceFloor), SourceSelector.silenceCeiling)
    }

    /// True when `sender` is the chosen source's host: control comes from another port of it.
    func isChosenHost(_ sender: SocketAddress) -> Bool { self.sender?.isSameHost(as: sender) ?? false }
}
