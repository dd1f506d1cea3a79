/// How long things may be.
enum SizeRules {
    static let fileLimit = 500
    static let functionLimit = 70
    /// swift format holds code to 110 columns and leaves comments alone; nothing is wider than this.
    static let lineLimit = 124

    static func findings(in text: SwiftText) -> [Finding] {
        var found: [Finding] = []
        let count = text.lines.last == "" ? text.lines.count - 1 : text.lines.count
        if count > fileLimit {
            found.append(
                Finding(path: text.path, line: 0, message: "\(count) lines; \(fileLimit) are enough"))
        }
        for (index, line) in text.lines.enumerated() where line.count > lineLimit {
            found.append(Finding(path: text.path, line: index + 1, message: "\(line.count) columns"))
        }
        return found + longFunctions(in: text)
    }

    /// Functions, initialisers and subscripts whose braces are too far apart.
    private static func longFunctions(in text: SwiftText) -> [Finding] {
        struct Open {
            var name: String
            var line: Int
            var depth: Int
        }
        var found: [Finding] = []
        var open: [Open] = []
        var awaited: (name: String, line: Int, parentheses: Int)?
        var depth = 0
        for (index, line) in text.code.enumerated() {
            let words = SwiftText.words(line)
            for (place, word) in words.enumerated() {
                switch word {
                case "func", "subscript":
                    let name = place + 1 < words.count ? String(words[place + 1]) : "?"
                    awaited = (name, index, 0)
                case "init", "deinit":
                    let isDeclared = place == 0 || words[place - 1] != "."
                    if isDeclared, awaited == nil { awaited = (String(word), index, 0) }
                case "(":
                    awaited?.parentheses += 1
                case ")":
                    awaited?.parentheses -= 1
                case "{":
                    if let waiting = awaited, waiting.parentheses == 0 {
                        open.append(Open(name: waiting.name, line: waiting.line, depth: depth))
                        awaited = nil
                    }
                    depth += 1
                case "}":
                    depth -= 1
                    if awaited?.parentheses == 0 { awaited = nil }
                    guard let last = open.last, last.depth == depth else { continue }
                    open.removeLast()
                    let length = index - last.line + 1
                    if length > functionLimit {
                        found.append(
                            Finding(
                                path: text.path, line: last.line + 1,
                                message: "\(last.name) has \(length) lines; \(functionLimit) are enough"))
                    }
                default:
                    break
                }
            }
        }
        return found
    }
}
