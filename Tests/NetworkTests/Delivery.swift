import Foundation
import TestSupport
import Testing

/// A stream sent by one process and recorded by another, with nothing between them but the loopback interface.
struct Delivery {
    /// How the sender ended.
    var sender: Outcome
    /// How the recorder ended.
    var recorder: Outcome
    /// What the recorder counted.
    var received: Statistics
    /// What was recorded.
    var recording: String
    private let scratch: Scratch

    /// Sends `input` to `url` and records it there until both end by themselves.
    static func run(
        _ input: String, to url: String, at place: Place, recordingAs name: String = "out.ts",
        from source: String? = nil, options: [String] = [], network: Namespace? = nil,
        within seconds: Double = 60
    ) async throws -> Delivery {
        let scratch = try Scratch()
        let output = scratch.file(name)
        func start(_ words: [String]) throws -> Running {
            try network?.start(Freshet.path, words) ?? Running(Freshet.path, words)
        }
        let recorder = try start(["record", source ?? url, output, "--stats", scratch.file("stats")])
        try await place.isHeard(by: recorder)
        let sender = try start(["send", input, "--to", url] + options)
        let sent = try await sender.end(within: seconds)
        if sent.status != 0 { recorder.signal(SIGINT) }
        let recorded = try await recorder.end(within: 10)
        return Delivery(
            sender: sent, recorder: recorded, received: try Statistics(scratch.file("stats")),
            recording: output,
            scratch: scratch)
    }

    /// Both ended well, the recording is the input, nothing was lost.
    func expectExact(_ input: String) {
        #expect(sender.status == 0, "\(sender)")
        #expect(recorder.status == 0, "\(recorder)")
        let found = difference(input, recording)
        #expect(found == nil, "\(found ?? "")\n\(sender)\n\(recorder)")
        #expect(received["lost"] == 0)
        #expect(received.isFinal)
    }
}
