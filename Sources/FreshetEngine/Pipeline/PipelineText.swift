public import FreshetCore

/// Reads a pipeline written as one line of text:
///
///     demux input=clip.mp4 ! packetize ! pace ! multicast-send group=239.77.1.1:5004
///     multicast-receive url=rtp://239.77.1.1:5004 ! tee [ reorder ! depacketize ! record output=a.ts ] [ udp-send to=… ]
///
/// Words are separated by space; the signs `!`, `[` and `]` are words of their own. `'…'` and `"…"` keep
/// spaces, a backslash keeps the next character.
public struct PipelineText {
    private let characters: [Character]
    private let origin: SourceLocation
    private var index = 0
    private var depth = 0

    private struct Token {
        var text: String
        /// True when any part was quoted, so that it cannot be a sign.
        var isQuoted: Bool
        var location: SourceLocation

        func isSign(_ sign: String) -> Bool { !isQuoted && text == sign }
    }

    private var tokens: [Token] = []
    private var next = 0

    private init(_ text: String, at origin: SourceLocation) throws(PipelineError) {
        characters = Array(text)
        self.origin = origin
        while let token = try self.token() { tokens.append(token) }
    }

    /// The stages of `text`, which begins at `origin` of its file.
    public static func stages(_ text: String, at origin: SourceLocation) throws(PipelineError) -> [StageNode]
    {
        var parser = try PipelineText(text, at: origin)
        let line = try parser.line()
        if parser.next < parser.tokens.count {
            throw .usage("']' without '['", at: parser.tokens[parser.next].location)
        }
        return line
    }

    // MARK: Words

    private var location: SourceLocation {
        var place = origin
        for character in characters[..<index] {
            if character.isNewline {
                place.line += 1
                place.column = 1
            } else {
                place.column += 1
            }
        }
        return place
    }

    private mutating func token() throws(PipelineError) -> Token? {
        while index < characters.count, characters[index].isWhitespace { index += 1 }
        guard index < characters.count else { return nil }
        var token = Token(text: "", isQuoted: false, location: location)
        while index < characters.count, !characters[index].isWhitespace {
            let character = characters[index]
            if character == "'" || character == "\"" {
                try quoted(into: &token)
                continue
            }
            if character == "\\", index + 1 < characters.count { index += 1 }
            token.text.append(characters[index])
            index += 1
        }
        return token
    }

    private mutating func quoted(into token: inout Token) throws(PipelineError) {
        let start = location
        let quote = characters[index]
        token.isQuoted = true
        index += 1
        while index < characters.count, characters[index] != quote {
            if characters[index] == "\\", index + 1 < characters.count { index += 1 }
            token.text.append(characters[index])
            index += 1
        }
        guard index < characters.count else { throw .usage("this quote is not closed", at: start) }
        index += 1
    }

    // MARK: Stages

    private var current: Token? { next < tokens.count ? tokens[next] : nil }
    private var end: SourceLocation { location }

    private mutating func line() throws(PipelineError) -> [StageNode] {
        depth += 1
        defer { depth -= 1 }
        if depth > 16 { throw .usage("branches are nested more than 16 deep", at: current?.location ?? end) }
        var stages = [try stage()]
        while let token = current, token.isSign("!") {
            next += 1
            stages.append(try stage())
        }
        return stages
    }

    private mutating func stage() throws(PipelineError) -> StageNode {
        guard let name = current else { throw .usage("a stage is missing at the end", at: end) }
        if ["!", "[", "]"].contains(where: name.isSign) {
            throw .usage("a stage's name is missing before '\(name.text)'", at: name.location)
        }
        if name.text.contains("=") {
            throw .usage("'\(name.text)' stands where a stage's name must be", at: name.location)
        }
        next += 1
        var node = StageNode(name: name.text, location: name.location)
        while let token = current {
            if token.isSign("[") {
                next += 1
                node.branches.append(try branch(opened: token.location))
            } else if token.isSign("!") || token.isSign("]") {
                break
            } else {
                node.arguments.append(try argument(token, of: name.text))
                next += 1
            }
        }
        return node
    }

    private mutating func branch(opened: SourceLocation) throws(PipelineError) -> [StageNode] {
        let stages = try line()
        guard let close = current, close.isSign("]") else { throw .usage("this '[' has no ']'", at: opened) }
        next += 1
        return stages
    }

    private func argument(_ token: Token, of stage: String) throws(PipelineError) -> StageArgumentText {
        guard let sign = token.text.firstIndex(of: "="), sign != token.text.startIndex else {
            throw .usage(
                "expected name=value or '!' after \(stage), not '\(token.text)'", at: token.location)
        }
        return StageArgumentText(
            name: String(token.text[..<sign]), text: String(token.text[token.text.index(after: sign)...]),
            location: token.location)
    }
}
