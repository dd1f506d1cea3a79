/// What members of a tree and its coordinator say to each other: JSON objects, one a WebSocket text message, subprotocol
/// `freshet.v1`. The member `type` names the message; members that are not known are passed over, so later versions may
/// add some.
public enum ControlMessage: Equatable, Sendable {
    /// Member: let me in.
    case join(JoinMessage)
    /// Coordinator: you are in.
    case welcome(WelcomeMessage)
    /// Either: send this back at once.
    case probe(ProbeMessage)
    /// The answer to a probe.
    case probeReply(ProbeMessage)
    /// Coordinator: these are your parents.
    case assign(AssignMessage)
    /// Coordinator: forward to this child.
    case forward(ForwardMessage)
    /// Member: how it goes.
    case report(ReportMessage)
    /// Member: nobody sends me these stripes.
    case starving(StarvingMessage)
    /// Coordinator: take these parents instead.
    case regraft(AssignMessage)
    /// Member: I go. Coordinator: go.
    case leave(LeaveMessage)
    /// Member: I moved to another parent on my own.
    case moved(MovedMessage)
    /// Member: so the coordinator's mirrors saw me.
    case outside(OutsideMessage)
    /// Coordinator: measure the way to these, to know where you are.
    case survey(SurveyMessage)
    /// Either: how the stream is; the source tells the coordinator, the coordinator everybody.
    case streamState(StreamStateMessage)
    /// Somebody who only looks: how is the stream? Answered by the stream's page, which is no message of this list.
    case inspect(InspectMessage)

    /// The WebSocket subprotocol of these messages.
    public static let subprotocol = "freshet.v1"

    /// The message's `type`.
    public var type: StaticString {
        switch self {
        case .join: "join"
        case .welcome: "welcome"
        case .probe: "probe"
        case .probeReply: "probe-reply"
        case .assign: "assign"
        case .forward: "forward"
        case .report: "report"
        case .starving: "starving"
        case .regraft: "regraft"
        case .leave: "leave"
        case .moved: "moved"
        case .outside: "outside"
        case .survey: "survey"
        case .streamState: "stream-state"
        case .inspect: "inspect"
        }
    }

    /// The message as JSON text, UTF-8.
    public var text: [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("type", type.description)
            switch self {
            case .join(let message): message.write(into: &writer)
            case .welcome(let message): message.write(into: &writer)
            case .probe(let message), .probeReply(let message): message.write(into: &writer)
            case .assign(let message), .regraft(let message): message.write(into: &writer)
            case .forward(let message): message.write(into: &writer)
            case .report(let message): message.write(into: &writer)
            case .starving(let message): message.write(into: &writer)
            case .leave(let message): message.write(into: &writer)
            case .moved(let message): message.write(into: &writer)
            case .outside(let message): message.write(into: &writer)
            case .survey(let message): message.write(into: &writer)
            case .streamState(let message): message.write(into: &writer)
            case .inspect(let message): message.write(into: &writer)
            }
        }
        return writer.bytes
    }

    /// The message that `text` spells; the error says in a sentence what is wrong with it.
    public init(parsing text: RawSpan) throws(JSONError) {
        let value = try JSONParser.parse(text)
        let type = try JSONFields(value, of: "message").string("type", byteCountLimit: 32)
        let fields = try JSONFields(value, of: type)
        switch type {
        case "join": self = .join(try JoinMessage(fields))
        case "welcome": self = .welcome(try WelcomeMessage(fields))
        case "probe": self = .probe(try ProbeMessage(fields))
        case "probe-reply": self = .probeReply(try ProbeMessage(fields))
        case "assign": self = .assign(try AssignMessage(fields))
        case "regraft": self = .regraft(try AssignMessage(fields))
        case "forward": self = .forward(try ForwardMessage(fields))
        case "report": self = .report(try ReportMessage(fields))
        case "starving": self = .starving(try StarvingMessage(fields))
        case "leave": self = .leave(try LeaveMessage(fields))
        case "moved": self = .moved(try MovedMessage(fields))
        case "outside": self = .outside(try OutsideMessage(fields))
        case "survey": self = .survey(try SurveyMessage(fields))
        case "stream-state": self = .streamState(try StreamStateMessage(fields))
        case "inspect": self = .inspect(try InspectMessage(fields))
        default: throw JSONError("'\(type)' is no message of \(ControlMessage.subprotocol)")
        }
    }
}

extension JSONFields {
    func member(_ name: String, default fallback: MemberID? = nil) throws(JSONError) -> MemberID {
        MemberID(try integer(name, in: 0...UInt32.max, default: fallback?.number))
    }

    func stripes(_ name: String, default fallback: StripeSet? = nil) throws(JSONError) -> StripeSet {
        StripeSet(rawValue: try integer(name, in: 0...UInt16.max, default: fallback?.rawValue))
    }

    /// A number of 64 bits as 16 hexadecimal digits.
    func word(_ name: String) throws(JSONError) -> UInt64 {
        let digits = try string(name, byteCountLimit: 16)
        guard digits.utf8.count == 16, digits.first != "+", let word = UInt64(digits, radix: 16) else {
            throw JSONError("'\(name)' is not 16 hexadecimal digits")
        }
        return word
    }

    func address(_ text: String) throws(JSONError) -> PeerAddress {
        guard let address = PeerAddress(text) else { throw JSONError("'\(text)' is no address with a port") }
        return address
    }

    func addressIfThere(_ name: String) throws(JSONError) -> PeerAddress? {
        has(name) ? try address(try string(name, byteCountLimit: 64)) : nil
    }

    func coordinate(_ name: String) throws(JSONError) -> NetworkCoordinate? {
        if !has(name) { return nil }
        let numbers = try integers(name, of: Int32.self, countLimit: 4)
        guard numbers.count == 4 else { throw JSONError("'\(name)' is not four whole numbers") }
        return NetworkCoordinate(x: numbers[0], y: numbers[1], height: numbers[2], errorPerMille: numbers[3])
    }
}

extension JSONWriter {
    mutating func member(_ name: StaticString, word: UInt64) { member(name, JSONWriter.digits(word)) }

    /// `word` as 16 hexadecimal digits.
    static func digits(_ word: UInt64) -> String {
        let text = String(word, radix: 16)
        return String(repeating: "0", count: 16 - text.utf8.count) + text
    }

    mutating func member(_ name: StaticString, _ place: NetworkCoordinate) {
        member(name, [place.x, place.y, place.height, place.errorPerMille])
    }
}
