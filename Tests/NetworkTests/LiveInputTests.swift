import Foundation
import TestSupport
import Testing

/// A source that makes its stream while it is sent.
@Suite(.timeLimit(.minutes(15)), .judgedUndisturbed)
struct LiveInputTests {
    @Test("What a program writes to a pipe in real time is sent as it comes, byte for byte")
    func pipe() async throws {
        try await Turnstile.shared.pass {
            let input = try await TestMedia.generated("single.ts")
            let scratch = try Scratch()
            let place = Place.group()
            let fifo = scratch.file("pipe")
            try #require(mkfifo(fifo, 0o600) == 0)
            let recorder = try await Freshet.startReceiver(
                "record", place.url(), scratch.file("out.ts"), "--stats", scratch.file("stats"),
                listeningOn: place)
            // The pipe's two ends open together, so the writer is started first.
            let writer = try Running(
                "sh",
                [
                    "-c",
                    "ffmpeg -v error -re -i \"$0\" -map 0 -c copy -f mpegts - | tee \"$1\" > \"$2\"",
                    input, scratch.file("written.ts"), fifo,
                ])
            let sender = try Freshet.start(
                "send", "-", "--to", place.url(), "--stats", scratch.file("sent"), input: fifo)
            #expect(try await sender.end(within: 30).status == 0)
            #expect(try await writer.end(within: 5).status == 0)
            #expect(try await recorder.end(within: 10).status == 0)
            #expect(difference(scratch.file("written.ts"), scratch.file("out.ts")) == nil)
            #expect(try Statistics(scratch.file("stats"))["lost"] == 0)
            let sent = try await sender.end()
            #expect(sent.seconds > 2, "faster than real time: \(sent)")
        }
    }
}
