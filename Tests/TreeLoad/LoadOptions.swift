/// What a run is asked for.
struct LoadOptions {
    struct Failure: Error, CustomStringConvertible { var description: String }

    static let usage = """
        tree-load --address HOST [--children N] [--rate MBIT] [--seconds S] [--media FILE]   a tree: prints its URL
        tree-load --address HOST --to ADDRESS:PORT [--interface I] --first-port P [--port-step N] …   plain RTP
        """

    /// The local address that all sockets have.
    var address = "127.0.0.1"
    /// Where plain RTP is sent to; `nil` in a tree.
    var to: String?
    /// The interface that plain RTP leaves by.
    var interface: String?
    var firstPort = 6000
    var portStep = 1
    var childCount = 16
    /// Bits of media a second.
    var rate = 8_000_000
    var seconds = 5
    /// Transport stream to send over and over; `nil`: null packets.
    var media: String?
    /// The first of the seconds that are not measured.
    var warmUp = 3

    init(_ words: [String]) throws {
        var rest = words[...]
        while let word = rest.popFirst() {
            guard let value = rest.popFirst() else {
                throw Failure(description: "\(word) needs a word after it\n\(LoadOptions.usage)")
            }
            try set(word, value)
        }
    }

    private mutating func set(_ word: String, _ value: String) throws {
        func number() throws -> Int {
            guard let number = Int(value), number > 0 else {
                throw Failure(description: "\(word) needs a number, not '\(value)'")
            }
            return number
        }
        switch word {
        case "--address": address = value
        case "--to": to = value
        case "--interface": interface = value
        case "--first-port": firstPort = try number()
        case "--port-step": portStep = try number()
        case "--children": childCount = try number()
        case "--rate":
            guard let megabits = Double(value), megabits > 0 else {
                throw Failure(description: "--rate needs Mbit/s, not '\(value)'")
            }
            rate = Int(megabits * 1_000_000)
        case "--seconds": seconds = try number()
        case "--warm-up": warmUp = try number()
        case "--media": media = value
        default: throw Failure(description: "there is no option \(word)\n\(LoadOptions.usage)")
        }
    }
}
