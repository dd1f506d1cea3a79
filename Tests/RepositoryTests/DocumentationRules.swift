/// Every public declaration says what it is.
enum DocumentationRules {
    private static let declarations: Set<Substring> = [
        "func", "var", "let", "struct", "enum", "class", "protocol", "init", "typealias", "actor",
        "subscript", "case",
    ]

    static func findings(in text: SwiftText) -> [Finding] {
        var found: [Finding] = []
        for (index, line) in text.code.enumerated() {
            let words = SwiftText.words(line)
            guard words.contains("public") || words.contains("open") else { continue }
            guard let access = words.firstIndex(where: { $0 == "public" || $0 == "open" }) else { continue }
            // "public(set)" and a label or a value called open are not declarations.
            if access + 1 < words.count, words[access + 1] == "(" || words[access + 1] == ":" { continue }
            let rest = words[(access + 1)...]
            guard let kind = rest.first(where: { declarations.contains($0) }) else { continue }
            if rest.contains("override") || rest.first == "import" || rest.first == "extension" { continue }
            let before = rest[..<(rest.firstIndex(of: kind) ?? rest.startIndex)]
            guard before.allSatisfy({ $0.first?.isLetter == true || "()_".contains($0) }) else { continue }
            if !isDocumented(text, index) {
                found.append(
                    Finding(path: text.path, line: index + 1, message: "public \(kind) without a doc comment")
                )
            }
        }
        return found
    }

    /// True when a doc comment stands above line `index`, attributes between them allowed.
    private static func isDocumented(_ text: SwiftText, _ index: Int) -> Bool {
        var above = index - 1
        while above >= 0 {
            let line = text.lines[above].trimmed
            if line.hasPrefix("///") { return true }
            guard line.hasPrefix("@") || line.hasPrefix("#if") else { return false }
            above -= 1
        }
        return false
    }
}

extension StringProtocol {
    /// Without spaces at either end.
    var trimmed: String {
        var rest = self[...]
        while let first = rest.first, first.isWhitespace { rest = rest.dropFirst() }
        while let last = rest.last, last.isWhitespace { rest = rest.dropLast() }
        return String(rest)
    }
}
