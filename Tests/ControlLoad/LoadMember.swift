import FreshetCore
import FreshetNet
import FreshetWire

/// One client that behaves like a member of the tree, without media.
struct LoadMember {
    let client: ControlClient
    private let index: Int
    private let began: Instant
    private let stream: String
    private let token: String
    private let sourceToken: String
    private let address: PeerAddress?
    private var parent = MemberID.none
    private var interval = Nanoseconds.seconds(2)
    private(set) var hasParents = false
    /// From the first connect to the parents; the source's: to the welcome.
    private(set) var wait: Nanoseconds?
    private(set) var reportAt = Instant(nanoseconds: .max)
    private(set) var sentCount = 0
    private(set) var brokenCount = 0
    private(set) var lastReason = ""

    init(_ client: ControlClient, index: Int, from: String, url: ControlURL) {
        self.client = client
        self.index = index
        began = MonotonicClock.now
        stream = url.name
        token = url.token
        sourceToken = url.sourceToken
        address = PeerAddress("\(from):5004")
    }

    /// Takes what has come; true when that made it a member with parents.
    mutating func serve(_ now: Instant) -> Bool {
        var isNew = false
        while let event = client.next() {
            switch event {
            case .connected: join()
            case .message(let text):
                if let message = try? ControlMessage(parsing: text.span.bytes), take(message, now) {
                    isNew = true
                }
            case .disconnected(let reason), .refused(let reason):
                brokenCount += 1
                lastReason = reason
            }
        }
        return isNew
    }

    private mutating func join() {
        var join = JoinMessage()
        join.stream = stream
        join.token = token
        join.sourceToken = sourceToken
        join.role = index == 0 ? .source : .viewer
        join.addresses = address.map { [$0] } ?? []
        join.childLimit = 4
        join.epoch = index == 0 ? 77_777 : 0
        join.streamKilobits = index == 0 ? 5_000 : 0
        send(.join(join))
    }

    private mutating func send(_ message: ControlMessage) {
        sentCount += 1
        _ = client.send(message.text)
    }

    private mutating func take(_ message: ControlMessage, _ now: Instant) -> Bool {
        switch message {
        case .probe(let probe): send(.probeReply(probe))
        case .welcome(let welcome):
            interval = .milliseconds(Int64(welcome.reportMilliseconds))
            reportAt = now + Nanoseconds(interval.count * Int64(index % 997) / 997)
            return index == 0 && finish(now)
        case .assign(let assign), .regraft(let assign):
            for offer in assign.offers where !offer.ticket.stripes.isEmpty { parent = offer.member }
            hasParents = true
            return finish(now)
        default: break
        }
        return false
    }

    private mutating func finish(_ now: Instant) -> Bool {
        guard wait == nil else { return false }
        wait = now - began
        return true
    }

    /// Says how it goes.
    mutating func report(_ now: Instant) {
        reportAt = now + interval
        var report = ReportMessage()
        if index > 0 {
            var place = PlaceReport()
            place.parent = parent
            report.places = [place]
        }
        report.highestSequence = now.nanoseconds / 1_000_000
        report.delivery.kilobits = 5_000
        report.delivery.latencyMilliseconds = 120
        send(.report(report))
    }
}
