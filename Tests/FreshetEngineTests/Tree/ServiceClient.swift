import FreshetCore
import FreshetNet
import FreshetWire
import Testing

/// A member without media: one connection to a coordinator, waited for with a deadline.
final class ServiceClient {
    struct TooLate: Error {}
    let client: ControlClient
    private let stream: String
    private let sourceToken: String
    private var isConnected = false
    private var kept: [ControlMessage] = []

    init(
        _ url: ControlURL, seed: UInt64, thread: ControlThread? = nil, from: String? = nil
    ) throws {
        stream = url.name
        sourceToken = url.sourceToken
        client = try ControlClient(url, seed: seed, thread: thread, from: from)
    }

    /// The next event, within ten seconds.
    func next() throws -> ControlEvent {
        let deadline = MonotonicClock.now + .seconds(10)
        var poller = try Poller()
        try poller.add(client.descriptor, tag: 1)
        while true {
            if let event = client.next() { return event }
            if MonotonicClock.now > deadline { throw TooLate() }
            _ = try poller.wait(until: deadline)
        }
    }

    /// Waits until the connection is there (again).
    func connect() throws {
        while try next() != .connected {}
    }

    func join(_ role: JoinMessage.Role, token: String = "", port: UInt16) throws {
        try connect()
        try sendJoin(role, token: token, port: port)
    }

    func sendJoin(
        _ role: JoinMessage.Role, token: String = "", port: UInt16, resuming: WelcomeMessage? = nil
    ) throws {
        var join = JoinMessage()
        join.stream = stream
        join.role = role
        join.token = token
        join.addresses = [PeerAddress(v4: 0x7F00_0001, port: port)]
        join.childLimit = 4
        join.sourceToken = sourceToken
        if let resuming {
            join.resuming = resuming.member
            join.proof = JoinMessage.proof(of: resuming.member, under: resuming.ticketKey)
        }
        join.epoch = role == .source ? 77 : 0
        #expect(client.send(ControlMessage.join(join).text))
    }

    /// The first message that `pick` takes; those before it are kept for later.
    func wait<Message>(for pick: (ControlMessage) -> Message?) throws -> Message {
        if let place = kept.firstIndex(where: { pick($0) != nil }), let found = pick(kept.remove(at: place)) {
            return found
        }
        while true {
            guard case .message(let text) = try next() else { continue }
            let message = try ControlMessage(parsing: text.span.bytes)
            if case .probe(let probe) = message { _ = client.send(ControlMessage.probeReply(probe).text) }
            if let found = pick(message) { return found }
            kept.append(message)
        }
    }

    func welcome() throws -> WelcomeMessage {
        try wait { if case .welcome(let welcome) = $0 { welcome } else { nil } }
    }

    func assign() throws -> AssignMessage {
        try wait {
            switch $0 {
            case .assign(let assign), .regraft(let assign): assign
            default: nil
            }
        }
    }

    /// Why the connection was refused.
    func refusal() throws -> String {
        while true { if case .refused(let reason) = try next() { return reason } }
    }
}

/// Waits until `condition` holds, looking every few milliseconds for ten seconds.
func wait(until condition: () throws -> Bool) throws {
    let deadline = MonotonicClock.now + .seconds(10)
    var poller = try Poller()
    while try !condition() {
        guard MonotonicClock.now < deadline else { throw ServiceClient.TooLate() }
        _ = try poller.wait(until: MonotonicClock.now + .milliseconds(5))
    }
}
