/// A Swift file's text, and the same text with comments and the insides of strings blanked out, line for line.
struct SwiftText {
    let path: String
    let lines: [String]
    /// The lines with nothing but code in them.
    let code: [String]

    init(path: String, _ text: String) {
        self.path = path
        lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        code = SwiftText.blank(text).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    private enum State: Equatable {
        case code, lineComment
        case blockComment(Int)
        case string
        case longString
    }

    /// Blanks what is not code. Code inside `\( )` of a string is blanked with it.
    private static func blank(_ text: String) -> String {
        let characters = Array(text)
        var result = ""
        result.reserveCapacity(text.utf8.count)
        var state = State.code
        var index = 0
        func starts(_ word: String) -> Bool {
            let wanted = Array(word)
            return index + wanted.count <= characters.count
                && Array(characters[index..<index + wanted.count]) == wanted
        }
        while index < characters.count {
            let character = characters[index]
            var width = 1
            switch state {
            case .code:
                if starts("//") {
                    state = .lineComment
                } else if starts("/*") {
                    (state, width) = (.blockComment(1), 2)
                } else if starts("\"\"\"") {
                    (state, width) = (.longString, 3)
                } else if character == "\"" {
                    state = .string
                } else {
                    result.append(character)
                    index += 1
                    continue
                }
            case .lineComment:
                if character == "\n" { state = .code }
            case .blockComment(let depth):
                if starts("*/") {
                    (state, width) = (depth == 1 ? .code : .blockComment(depth - 1), 2)
                } else if starts("/*") {
                    (state, width) = (.blockComment(depth + 1), 2)
                }
            case .string:
                if character == "\\" {
                    width = 2
                } else if character == "\"" || character == "\n" {
                    state = .code
                }
            case .longString:
                if character == "\\" { width = 2 } else if starts("\"\"\"") { (state, width) = (.code, 3) }
            }
            for offset in index..<min(index + width, characters.count) {
                result.append(characters[offset] == "\n" ? "\n" : " ")
            }
            index += width
        }
        return result
    }

    /// The words of a line of code: letters, digits and underscores together, every other character alone.
    static func words(_ line: String) -> [Substring] {
        var words: [Substring] = []
        var start = line.startIndex
        var index = start
        while index < line.endIndex {
            let character = line[index]
            if !(character.isLetter || character.isNumber || character == "_") {
                if start < index { words.append(line[start..<index]) }
                if !character.isWhitespace { words.append(line[index...index]) }
                start = line.index(after: index)
            }
            index = line.index(after: index)
        }
        if start < index { words.append(line[start..<index]) }
        return words
    }
}
