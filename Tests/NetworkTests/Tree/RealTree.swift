import Foundation
import TestSupport
import Testing

/// A relay tree of real processes on the loopback.
struct RealTree {
    private let opened: TreeSource
    private let scratch: Scratch

    /// The process that makes the stream and coordinates.
    var source: Running { opened.process }
    /// What members join with.
    var url: String { opened.url }

    /// Opens a stream of `input`; the coordinator takes any port.
    init(_ input: String, _ options: String..., network: Namespace? = nil, host: String = "127.0.0.1")
        async throws
    {
        scratch = try Scratch()
        opened = try await TreeSource(input, options, network: network, host: host)
    }

    /// Starts a member with the words of a command, the URL in place of `URL`.
    func start(_ words: String...) throws -> Running { try opened.start(words) }

    /// Starts a recorder; gives it and its file.
    func record(_ name: String, _ options: String...) throws -> (Running, file: String) {
        let file = scratch.file(name)
        return (try opened.start(["record", url, file, "--stats", file + ".stats"] + options), file)
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
