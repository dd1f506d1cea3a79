import Foundation

/// Words and paths that do not belong into the repository.
enum WordRules {
    /// Promises instead of work. Spelled in halves so that this file does not find itself.
    static let promises = [
        "TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK:", "not " + "implemented", "un" + "implemented",
    ]

    /// Starts of paths that exist on one machine only, and hosts that only one network knows.
    static let places = [
        "/ro" + "ot/", "/ho" + "me/", "/Us" + "ers/", "/wo" + "rk/", "/opt/" + "swift", "/tmp/" + "wt",
        "C:" + "\\",
        "arti" + "factory", "." + "internal/", "regis" + "try.npm", "py" + "pi.org", "proxy." + "golang",
    ]

    static func findings(path: String, text: String) -> [Finding] {
        var found: [Finding] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            for word in promises where contains(line, word) {
                found.append(
                    Finding(path: path, line: index + 1, message: "\(word): finish it or leave it out"))
            }
            for place in places where line.contains(place) {
                found.append(Finding(path: path, line: index + 1, message: "\(place) is one machine's own"))
            }
        }
        return found
    }

    /// True when `word` stands alone in `line`: no letter on either side.
    private static func contains(_ line: Substring, _ word: String) -> Bool {
        var rest = line
        while let range = rest.range(of: word) {
            let before =
                range.lowerBound == line.startIndex ? nil : line[line.index(before: range.lowerBound)]
            let after = range.upperBound == line.endIndex ? nil : line[range.upperBound]
            if before?.isLetter != true, after?.isLetter != true { return true }
            rest = rest[range.upperBound...]
        }
        return false
    }
}
