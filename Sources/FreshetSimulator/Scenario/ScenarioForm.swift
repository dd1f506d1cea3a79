import FreshetCore
import FreshetStages

/// The words of one kind of object in a scenario's file, read by the rules of stage parameters: each has a
/// kind, a default and a sentence of help.
enum ScenarioForm {
    static let stream = form(
        "stream",
        [
            StageParameter("rate", .bitRate, default: "5M", "bits of media a second, RTP headers included"),
            StageParameter("packet", .integer(64...9000), default: "1328", "bytes of a packet"),
            StageParameter(
                "heartbeat", .duration, default: "100ms", "how often the source tells its highest"),
            StageParameter("carried", .integer(16...9000), default: "16", "bytes of payload really carried"),
        ])

    static let repair = form(
        "repair",
        [
            StageParameter(
                "mode", .choice(RepairPlan.Mode.allCases.map(\.rawValue)), default: "unicast",
                "how receivers get back what they miss"),
            StageParameter(
                "feedback", .choice(["multicast", "unicast", "digest"]), default: "multicast",
                "how members of a group ask"),
            StageParameter("serves", .flag, default: "true", "members of a group answer on their segment"),
            StageParameter(
                "group-size", .integer(1...1_000_000_000), default: "10000",
                "how many members the group is believed to have at first"),
        ])

    static let segment = form(
        "a segment",
        [
            StageParameter("name", .text, default: nil, "what hosts and faults call it"),
            StageParameter("count", .integer(1...100_000), default: "1", "how many there are alike"),
            StageParameter("path", .integer(0...7), default: "0", "which independent network it is part of"),
        ])

    static let host = form(
        "a host",
        [
            StageParameter("name", .text, default: nil, "what faults and results call it"),
            StageParameter(
                "role", .choice(HostPlan.Role.allCases.map(\.rawValue)), default: "receiver", "what it does"),
            StageParameter(
                "flaw", .choice(HostPlan.Flaw.allCases.map(\.rawValue)), default: "none",
                "a mistake planted to show that it is found"),
            StageParameter(
                "count", .integer(1...1_000_000), default: "1", "how many on each copy of their segments"),
            StageParameter(
                "on", .text, default: nil, "its segment, or one for each path, with commas between"),
            StageParameter("drift", .integer(0...1000), default: "0", "its clock's error, up to, in ppm"),
            StageParameter(
                "joins-within", .duration, default: "0", "comes at a moment of its own in this span"),
        ])

    static let fault = form(
        "a fault",
        [
            StageParameter(
                "do", .choice(FaultPlan.Action.allCases.map(\.rawValue)), default: nil, "what breaks"),
            StageParameter("at", .duration, default: "0", "when for the first time"),
            StageParameter("every", .duration, default: "0", "how often again"),
            StageParameter("times", .integer(1...1_000_000), default: "1", "how many times, when it recurs"),
            StageParameter("jitter", .duration, default: "0", "up to this much later, by chance"),
            StageParameter("to", .text, default: nil, "segments or hosts; one of them by chance each time"),
            StageParameter(
                "way", .choice(FaultPlan.Direction.allCases.map(\.rawValue)), default: "both",
                "which way of a line"),
            StageParameter("for", .duration, default: "0", "for how long at least; 0: for good"),
            StageParameter("for-jitter", .duration, default: "0", "up to this much longer, by chance"),
        ])

    static let limits = form(
        "limits",
        [
            StageParameter("residual", .ratio, default: "100%", "share of packets that players may miss"),
            StageParameter("repair", .text, default: "100%", "bytes of repair for the bytes of media"),
            StageParameter(
                "asks-per-packet", .integer(1...100_000), default: "64", "requests for one packet"),
            StageParameter(
                "asks-per-loss", .integer(1...100_000), default: "8",
                "requests for a lost packet, mean of a second"),
            StageParameter("hopeless", .ratio, default: "10%", "share of requests that come too late"),
            StageParameter("heal", .duration, default: "2s", "after the last fault all is whole so soon"),
        ])

    static let link = form("a link", LinkModel.Configuration.parameters)

    static func form(_ name: String, _ parameters: [StageParameter]) -> StageDescriptor {
        StageDescriptor(
            name: name, summary: "", takes: .none, gives: .none, parameters: parameters, example: "")
    }

    /// The words of `value`, an object whose members are words of `form`, or names in `apart`, which are left
    /// to the caller.
    static func read(
        _ value: JSON5Value, as form: StageDescriptor, apart: [String] = []
    ) throws(TextError) -> StageArguments {
        guard case .object(let members) = value.content else {
            throw TextError("\(form.name) is an object, not \(value.kindName)", at: value.location)
        }
        var texts: [(name: String, text: String)] = []
        for member in members where !apart.contains(member.name) {
            let text = try scalar(member)
            guard let parameter = form.parameter(member.name) else {
                let known = (form.parameters.map(\.name) + apart).joined(separator: ", ")
                throw TextError(
                    "\(form.name) has no '\(member.name)'; it has \(known)", at: member.location)
            }
            do { _ = try ParameterReader.read(text, as: parameter, of: form.name) } catch {
                throw TextError(error.message, at: member.value.location)
            }
            texts.append((member.name, text))
        }
        do { return try StageArguments(descriptor: form, texts: texts) } catch {
            throw TextError(error.message, at: value.location)
        }
    }

    private static func scalar(_ member: JSON5Member) throws(TextError) -> String {
        if let text = member.value.scalarText { return text }
        guard case .array(let items) = member.value.content else {
            throw TextError(
                "\(member.name) must be text or a number, not \(member.value.kindName)",
                at: member.value.location)
        }
        var texts: [String] = []
        for item in items {
            guard let text = item.scalarText else {
                throw TextError("\(member.name) must be a list of texts", at: item.location)
            }
            texts.append(text)
        }
        return texts.joined(separator: ",")
    }

    /// A link written as an object or as `loss=5% delay=25ms`; `nil` when there is none.
    static func link(_ value: JSON5Value?) throws(TextError) -> LinkModel.Configuration {
        guard let value else { return LinkModel.Configuration() }
        var arguments: StageArguments
        if case .string(let text) = value.content {
            var texts: [(name: String, text: String)] = []
            for piece in text.split(separator: " ") {
                guard let sign = piece.firstIndex(of: "=") else {
                    throw TextError(
                        "a link is text such as 'loss=5% delay=25ms', not '\(text)'", at: value.location)
                }
                texts.append((String(piece[..<sign]), String(piece[piece.index(after: sign)...])))
            }
            do { arguments = try StageArguments(descriptor: link, texts: texts) } catch {
                throw TextError(error.message, at: value.location)
            }
        } else {
            arguments = try read(value, as: link)
        }
        do { return try LinkModel.Configuration(arguments) } catch {
            throw TextError(error.message, at: value.location)
        }
    }
}
