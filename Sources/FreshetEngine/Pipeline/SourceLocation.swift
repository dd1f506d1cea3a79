public import FreshetCore

/// A place in a pipeline's text.
public typealias SourceLocation = TextLocation

/// Why a pipeline cannot be loaded or run: one sentence, with the place in its text where there is one.
public struct PipelineError: Error, Sendable, CustomStringConvertible {
    /// Wrong usage or a failure of the world; decides the exit status.
    public var kind: StageError.Kind
    /// Where in the pipeline's text.
    public var location: SourceLocation?
    /// One sentence without a full stop.
    public var message: String

    /// An error of `kind` told by `message`.
    public init(_ kind: StageError.Kind, _ message: String, at location: SourceLocation? = nil) {
        self.kind = kind
        self.message = message
        self.location = location
    }

    /// A wrong pipeline.
    public static func usage(_ message: String, at location: SourceLocation? = nil) -> PipelineError {
        .init(.usage, message, at: location)
    }

    /// `error` of a stage that stands at `location`.
    public init(_ error: StageError, at location: SourceLocation?) {
        self.init(error.kind, error.message, at: location)
    }

    /// The sentence, after the place.
    public var description: String {
        guard let location else { return message }
        return "\(location): \(message)"
    }
}

extension JSON5Parser {
    /// The value of `text`; errors name `file`.
    static func value(of text: String, file: String) throws(PipelineError) -> JSON5Value {
        do { return try parse(text, file: file) } catch {
            throw PipelineError(.usage, error.message, at: error.location)
        }
    }
}
