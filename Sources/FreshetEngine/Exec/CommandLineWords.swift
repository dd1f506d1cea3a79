internal import FreshetCore

/// Splits a command into words as a shell does: space separates, `'…'` and `"…"` keep together, a backslash
/// keeps the next character. Nothing else of a shell: no variables, no patterns.
enum CommandLineWords {
    /// The words of `command`; at least one.
    static func split(_ command: String) throws(StageError) -> [String] {
        var words: [String] = []
        var word: String?
        var quote: Character?
        var isEscaped = false
        for character in command {
            if isEscaped {
                word = (word ?? "") + String(character)
                isEscaped = false
            } else if character == "\\" && quote != "'" {
                isEscaped = true
            } else if let open = quote {
                if character == open { quote = nil } else { word = (word ?? "") + String(character) }
            } else if character == "'" || character == "\"" {
                quote = character
                word = word ?? ""
            } else if character.isWhitespace {
                if let whole = word { words.append(whole) }
                word = nil
            } else {
                word = (word ?? "") + String(character)
            }
        }
        if quote != nil { throw .usage("the command \(command) has a quote that is not closed") }
        if let whole = word { words.append(whole) }
        if words.isEmpty { throw .usage("the command is empty") }
        return words
    }
}
