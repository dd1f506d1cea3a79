import Foundation
import TestSupport
import Testing

/// A relay tree of real processes on the loopback.
struct RealTree {
    /// The process that makes the stream and coordinates.
    let source: Running
    /// What members join with.
    let url: String
    private let scratch: Scratch
    private let network: Namespace?

    /// Opens a stream of `input`; the coordinator takes any port.
    init(_ input: String, _ options: String..., network: Namespace? = nil, host: String = "127.0.0.1")
        async throws
    {
        scratch = try Scratch()
        self.network = network
        let words = ["send", input, "--name", "show", "--listen", "\(host):0"] + options
        let source = try network?.start(Freshet.path, words) ?? Running(Freshet.path, words)
        self.source = source
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
    func start(_ words: String...) throws -> Running {
        let words = words.map { $0 == "URL" ? url : $0 }
        return try network?.start(Freshet.path, words) ?? Running(Freshet.path, words)
    }

    /// Starts a recorder; gives it and its file.
    func record(_ name: String, _ options: String...) throws -> (Running, file: String) {
        let file = scratch.file(name)
        let words = ["record", url, file, "--stats", file + ".stats"] + options
        return (try network?.start(Freshet.path, words) ?? Running(Freshet.path, words), file)
    }

    /// Waits until all have ended by themselves, the source too, and expects that each recording is the whole of `input`.
    func expectExact(_ recorders: [(Running, file: String)], _ input: String) async throws {
        let sent = try await source.end(within: 60)
        #expect(sent.status == 0, "\(sent)")
        for (recorder, file) in recorders {
            let ended = try await recorder.end(within: 15)
            #expect(ended.status == 0, "\(ended)")
            let found = difference(input, file)
            #expect(found == nil, "\(found ?? "")\n\(ended)")
        }
    }
}
