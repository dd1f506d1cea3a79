import Foundation

/// What a stage's own file tells about it.
struct StageListing {
    var path: String
    var name: String
    var hasExample: Bool
    var hasSummary: Bool
}

/// Every registered stage can be understood: a summary, an example that names it, a mention in the documentation.
enum StageRules {
    /// The stages that the file registers; empty for a file without a registration.
    static func listings(path: String, text: String) -> [StageListing] {
        var listings: [StageListing] = []
        for piece in text.components(separatedBy: "struct ").dropFirst() {
            let type = piece.prefix { $0.isLetter || $0.isNumber }
            // A body that several stages share is named with the type that tells them apart.
            guard text.contains("register(\(type).self") || text.contains("<\(type)>.self"),
                let start = piece.range(of: "StageDescriptor(")?.upperBound
            else { continue }
            let descriptor = String(piece[start...])
            // The name stands there, or is a constant of the type.
            let isConstant = descriptor.trimmed.hasPrefix("name: name")
            let place = isConstant ? String(piece) : descriptor
            guard let name = quoted(in: place, after: isConstant ? "let name" : "name:") else { continue }
            let example = quoted(in: descriptor, after: "example:") ?? ""
            listings.append(
                StageListing(
                    path: path, name: name, hasExample: example.contains(name),
                    hasSummary: quoted(in: descriptor, after: "summary:")?.isEmpty == false))
        }
        return listings
    }

    static func findings(path: String, text: String, documentation: String) -> [Finding] {
        let registers = text.split(separator: "\n").contains {
            $0.trimmed.hasPrefix("@section(\"freshet_stages\")")
        }
        let listings = listings(path: path, text: text)
        if registers, listings.isEmpty {
            return [
                Finding(
                    path: path, line: 0, message: "registers a stage whose descriptor is not in this file")
            ]
        }
        return listings.flatMap { listing in
            var found: [Finding] = []
            func add(_ message: String) {
                found.append(Finding(path: path, line: 0, message: "stage \(listing.name) \(message)"))
            }
            if !listing.hasExample { add("has no example that names it") }
            if !listing.hasSummary { add("has no summary") }
            if !documentation.contains("`\(listing.name)`") { add("is mentioned in no DocC page") }
            return found
        }
    }

    /// The first string literal after `label`.
    private static func quoted(in text: String, after label: String) -> String? {
        guard let start = text.range(of: label)?.upperBound else { return nil }
        let rest = text[start...]
        guard let open = rest.range(of: "\"")?.upperBound else { return nil }
        var literal = rest[open...]
        if literal.hasPrefix("\"\"") { literal = literal.dropFirst(2) }
        return literal.range(of: "\"").map { String(literal[..<$0.lowerBound]) }
    }
}
