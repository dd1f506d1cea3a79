/// A place in a text that somebody wrote: a pipeline, a scenario.
public struct TextLocation: Sendable, Equatable, CustomStringConvertible {
    /// The file's name, or what the text is called when it is in none.
    public var file: String
    /// Line, from 1.
    public var line: Int
    /// Column in characters, from 1.
    public var column: Int

    /// The place at `line` and `column` of `file`.
    public init(file: String, line: Int, column: Int) {
        self.file = file
        self.line = line
        self.column = column
    }

    /// `file:line:column`.
    public var description: String { "\(file):\(line):\(column)" }
}

/// What is wrong with a text, and where: one sentence without a full stop.
public struct TextError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The sentence.
    public var message: String
    /// Where in the text.
    public var location: TextLocation

    /// An error at `location` told by `message`.
    public init(_ message: String, at location: TextLocation) {
        self.message = message
        self.location = location
    }

    /// The sentence, after the place.
    public var description: String { "\(location): \(message)" }
}
