/// A value of a JSON text (RFC 8259). Whole numbers are kept as such: the control messages use no others.
public indirect enum JSONValue: Equatable, Sendable {
    /// `null`.
    case null
    /// `true` or `false`.
    case boolean(Bool)
    /// A number without fraction or exponent that fits 64 bits.
    case integer(Int64)
    /// Any other number, as it was written.
    case decimal(String)
    /// A string.
    case string(String)
    /// An array.
    case array([JSONValue])
    /// An object; members in the order of the text, each name once.
    case object([JSONMember])

    /// The member called `name` of an object.
    public subscript(name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }
}

/// One `"name": value` of an object.
public struct JSONMember: Equatable, Sendable {
    /// The member's name.
    public var name: String
    /// The member's value.
    public var value: JSONValue

    /// The member `name` with `value`.
    public init(name: String, value: JSONValue) {
        self.name = name
        self.value = value
    }
}

/// Why a text is no JSON, or not the message it should be: one sentence without a full stop.
public struct JSONError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What is wrong.
    public var message: String
    /// The byte of the text where it was noticed, from 0; `nil` when the text is JSON but its content is wrong.
    public var byteOffset: Int?

    /// `message`, noticed at `byteOffset`.
    public init(_ message: String, at byteOffset: Int? = nil) {
        self.message = message
        self.byteOffset = byteOffset
    }

    /// The sentence, with the place.
    public var description: String {
        guard let byteOffset else { return message }
        return "\(message) (byte \(byteOffset))"
    }
}

/// The members of an object, read by name and kind; what is missing or of the wrong kind is told by a ``JSONError``
/// that names the object and the member.
public struct JSONFields: Sendable {
    private let value: JSONValue
    private let owner: String

    /// The members of `value`, which error messages call `owner`.
    public init(_ value: JSONValue, of owner: String) throws(JSONError) {
        guard case .object = value else { throw JSONError("'\(owner)' is not an object") }
        self.value = value
        self.owner = owner
    }

    /// True when there is a member called `name`, and it is not null.
    public func has(_ name: String) -> Bool { self[name] != nil }

    private subscript(_ name: String) -> JSONValue? {
        guard let member = value[name], member != .null else { return nil }
        return member
    }

    private func required(_ name: String) throws(JSONError) -> JSONValue {
        guard let member = self[name] else { throw JSONError("'\(owner)' lacks '\(name)'") }
        return member
    }

    /// The string `name`, at most `byteCountLimit` bytes long; `fallback` when it is not there.
    public func string(
        _ name: String, byteCountLimit: Int = 256, default fallback: String? = nil
    ) throws(JSONError) -> String {
        if let fallback, !has(name) { return fallback }
        guard case .string(let text) = try required(name) else {
            throw JSONError("'\(name)' of '\(owner)' is not a string")
        }
        guard text.utf8.count <= byteCountLimit else {
            throw JSONError("'\(name)' of '\(owner)' is longer than \(byteCountLimit) bytes")
        }
        return text
    }

    /// The whole number `name`, which must be in `range`; `fallback` when it is not there.
    public func integer<Number: FixedWidthInteger>(
        _ name: String, in range: ClosedRange<Number>, default fallback: Number? = nil
    ) throws(JSONError) -> Number {
        if let fallback, !has(name) { return fallback }
        guard case .integer(let number) = try required(name), let exact = Number(exactly: number),
            range.contains(exact)
        else {
            throw JSONError(
                "'\(name)' of '\(owner)' is not a whole number from \(range.lowerBound) to \(range.upperBound)"
            )
        }
        return exact
    }

    /// The truth value `name`; `fallback` when it is not there.
    public func boolean(_ name: String, default fallback: Bool) throws(JSONError) -> Bool {
        guard let member = self[name] else { return fallback }
        guard case .boolean(let flag) = member else {
            throw JSONError("'\(name)' of '\(owner)' is neither true nor false")
        }
        return flag
    }

    /// The array `name`, at most `countLimit` elements; empty when it is not there.
    public func array(_ name: String, countLimit: Int) throws(JSONError) -> [JSONValue] {
        guard let member = self[name] else { return [] }
        guard case .array(let elements) = member else {
            throw JSONError("'\(name)' of '\(owner)' is not an array")
        }
        guard elements.count <= countLimit else {
            throw JSONError("'\(name)' of '\(owner)' has more than \(countLimit) elements")
        }
        return elements
    }

    /// The array of strings `name`.
    public func strings(
        _ name: String, countLimit: Int, byteCountLimit: Int = 64
    ) throws(JSONError) -> [String] {
        var texts: [String] = []
        for element in try array(name, countLimit: countLimit) {
            guard case .string(let text) = element, text.utf8.count <= byteCountLimit else {
                throw JSONError("'\(name)' of '\(owner)' holds something other than short strings")
            }
            texts.append(text)
        }
        return texts
    }

    /// The array of whole numbers `name`.
    public func integers<Number: FixedWidthInteger>(
        _ name: String, of kind: Number.Type, countLimit: Int
    ) throws(JSONError) -> [Number] {
        var numbers: [Number] = []
        for element in try array(name, countLimit: countLimit) {
            guard case .integer(let number) = element, let exact = Number(exactly: number) else {
                throw JSONError("'\(name)' of '\(owner)' holds something other than whole numbers")
            }
            numbers.append(exact)
        }
        return numbers
    }

    /// The objects of the array `name`.
    public func objects(_ name: String, countLimit: Int) throws(JSONError) -> [JSONFields] {
        var objects: [JSONFields] = []
        for element in try array(name, countLimit: countLimit) {
            objects.append(try JSONFields(element, of: name))
        }
        return objects
    }
}
