import Foundation

/// A source of a relay tree, with its coordinator.
public struct TreeSource: Sendable {
    /// The process that makes the stream and coordinates.
    public let process: Running
    /// What members join with.
    public let url: String
    private let run: @Sendable ([String]) throws -> Running

    /// Opens a stream of `input` with more words for `freshet send`; the coordinator takes any port.
    public init(
        _ input: String, _ options: [String], network: Namespace? = nil, host: String = "127.0.0.1"
    ) async throws {
        try await self.init(input, options, host: host) {
            try network?.start(Freshet.path, $0) ?? Running(Freshet.path, $0)
        }
    }

    /// As above, by `run`, which starts the program with these words; members are started by it too.
    public init(
        _ input: String, _ options: [String], host: String,
        run: @escaping @Sendable ([String]) throws -> Running
    ) async throws {
        self.run = run
        let source = try run(["send", input, "--name", "show", "--listen", "\(host):0"] + options)
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
        try run(words.map { $0 == "URL" ? url : $0 })
    }
}
