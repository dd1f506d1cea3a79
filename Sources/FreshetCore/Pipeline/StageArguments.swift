/// A parameter's value after its text was read.
public enum ParameterValue: Sendable, Equatable {
    /// Text, or one of the words of a choice.
    case text(String)
    /// A whole number.
    case integer(Int)
    /// A span of time.
    case duration(Nanoseconds)
    /// Bits per second.
    case bitRate(Int)
    /// Parts per million.
    case ratio(Int)
    /// Yes or no.
    case flag(Bool)
}

/// The parameters given to one stage, already read and checked against its descriptor; defaults are filled
/// in.
///
/// Asking for a parameter that the descriptor does not have, or as another kind, is a mistake in the stage
/// and traps.
public struct StageArguments: Sendable {
    /// The descriptor they were read against.
    public let descriptor: StageDescriptor
    private var values: [String: ParameterValue] = [:]

    /// The defaults of `descriptor` with `texts` (name and text) on top.
    public init(descriptor: StageDescriptor, texts: [(name: String, text: String)]) throws(StageError) {
        self.descriptor = descriptor
        for (name, text) in texts {
            guard let parameter = descriptor.parameter(name) else {
                throw .usage(StageArguments.unknown(name, descriptor))
            }
            values[name] = try ParameterReader.read(text, as: parameter, of: descriptor.name)
        }
        for parameter in descriptor.parameters where values[parameter.name] == nil {
            guard let text = parameter.defaultText else {
                throw .usage("\(descriptor.name) needs \(parameter.name)=… (\(parameter.help))")
            }
            if text.isEmpty { continue }
            values[parameter.name] = try ParameterReader.read(text, as: parameter, of: descriptor.name)
        }
    }

    private static func unknown(_ name: String, _ descriptor: StageDescriptor) -> String {
        let known = descriptor.parameters.map(\.name).joined(separator: ", ")
        return "\(descriptor.name) has no parameter '\(name)'; it has: \(known.isEmpty ? "none" : known)"
    }

    /// True when the parameter was given or has a default.
    public func has(_ name: String) -> Bool { values[name] != nil }

    /// The text of a text or choice parameter; "" when left out.
    public func text(_ name: String) -> String {
        guard let value = value(name) else { return "" }
        guard case .text(let text) = value else { preconditionFailure("\(name) is not text") }
        return text
    }

    /// The number of an integer parameter; `nil` when left out.
    public func integer(_ name: String) -> Int? {
        guard let value = value(name) else { return nil }
        guard case .integer(let number) = value else { preconditionFailure("\(name) is not an integer") }
        return number
    }

    /// The span of a duration parameter; `nil` when left out.
    public func duration(_ name: String) -> Nanoseconds? {
        guard let value = value(name) else { return nil }
        guard case .duration(let span) = value else { preconditionFailure("\(name) is not a duration") }
        return span
    }

    /// The span of a latency parameter; `nil` when it is to fit itself to the link, or was left out.
    public func latency(_ name: String) -> Nanoseconds? {
        if case .duration(let span) = value(name) { return span }
        return nil
    }

    /// The rate in bits per second; `nil` when left out.
    public func bitRate(_ name: String) -> Int? {
        guard let value = value(name) else { return nil }
        guard case .bitRate(let rate) = value else { preconditionFailure("\(name) is not a bit rate") }
        return rate
    }

    /// The share in parts per million; 0 when left out.
    public func partsPerMillion(_ name: String) -> Int {
        guard let value = value(name) else { return 0 }
        guard case .ratio(let share) = value else { preconditionFailure("\(name) is not a ratio") }
        return share
    }

    /// The flag; false when left out.
    public func flag(_ name: String) -> Bool {
        guard let value = value(name) else { return false }
        guard case .flag(let flag) = value else { preconditionFailure("\(name) is not a flag") }
        return flag
    }

    private func value(_ name: String) -> ParameterValue? {
        precondition(descriptor.parameter(name) != nil, "\(descriptor.name) declares no parameter \(name)")
        return values[name]
    }
}
