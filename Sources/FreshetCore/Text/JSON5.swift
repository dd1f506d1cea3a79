/// A value of a JSON5 text, with the place where it stands. Scalars keep their text: a pipeline reads every
/// parameter from text, by the parameter's own kind.
public struct JSON5Value: Sendable {
    /// What the value is.
    public indirect enum Content: Sendable {
        /// `null`.
        case null
        /// `true` or `false`.
        case boolean(Bool)
        /// A number, as it was written.
        case number(String)
        /// A string.
        case string(String)
        /// An array.
        case array([JSON5Value])
        /// An object; members in the order of the text.
        case object([JSON5Member])
    }

    /// The value.
    public var content: Content
    /// Where it begins.
    public var location: TextLocation

    /// The text of a string, number or boolean; `nil` for the others.
    public var scalarText: String? {
        switch content {
        case .string(let text), .number(let text): text
        case .boolean(let flag): flag ? "true" : "false"
        case .null, .array, .object: nil
        }
    }

    /// The member called `name` of an object.
    public subscript(name: String) -> JSON5Value? {
        guard case .object(let members) = content else { return nil }
        return members.first { $0.name == name }?.value
    }

    /// What the value is, for error messages: "an object", "a string" …
    public var kindName: String {
        switch content {
        case .null: "null"
        case .boolean: "a boolean"
        case .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}

/// One `name: value` of a JSON5 object.
public struct JSON5Member: Sendable {
    /// The member's name.
    public var name: String
    /// Where the name begins.
    public var location: TextLocation
    /// The member's value.
    public var value: JSON5Value
}
