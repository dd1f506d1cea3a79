import Foundation

/// A source of a relay tree, with its coordinator.
public struct TreeSource: Sendable {
    /// The process that makes the stream and coordinates.
    public let process: Running
    /// What members join with.
    public let url: String
    private let network: Namespace?

    /// Opens a stream of `input` with more words for `freshet send`; the coordinator takes any port.
    public init(
        _ input: String, _ options: [String], network: Namespace? = nil, host: String = "127.0.0.1"
    ) async throws {
        self.network = network
        let words = ["send", input, "--name", "show", "--listen", "\(host):0"] + options
        let source = try network?.start(Freshet.path, words) ?? Running(Freshet.path, words)
        process = source
        var found = ""
        try await wait(for: "the join URL", within: 20) {
            if source.hasEnded { throw TimedOut("the join URL: \(source.errors)") }
            let words = source.errors.split(whereSeparator: \.isWhitespace)
            found = words.first { $0.hasPrefix("freshet://") }.map { String($0) } ?? ""
            return source.errors.hasSuffix("\n") && !found.isEmpty
        }
        url = found
    }

    /// Starts a member with the words of a command, the URL in place of `URL`.
    public func start(_ words: [String]) throws -> Running {
        let words = words.map { $0 == "URL" ? url : $0 }
        return try network?.start(Freshet.path, words) ?? Running(Freshet.path, words)
    }
}
