import Foundation
import TestSupport
import Testing

/// Relay trees of real processes.
@Suite(.timeLimit(.minutes(15)), .judgedUndisturbed)
struct TreeTests {
    private let clip = TestMedia.clip("clip.ts")

    @Test("A chain of three records every byte, and the end of the source ends all")
    func chain() async throws {
        try await Turnstile.shared.pass {
            let tree = try await RealTree(clip, "--children", "1", "--wait-viewers", "3", "--speed", "2")
            var recorders: [(Running, file: String)] = []
            for name in ["a.ts", "b.ts", "c.ts"] {
                recorders.append(try tree.record(name, "--children", "1", "--latency", "800"))
            }
            try await tree.expectExact(recorders, clip)
        }
    }

    @Test("Eight viewers of a source that feeds two record every byte")
    func small() async throws {
        try await Turnstile.shared.pass {
            let tree = try await RealTree(clip, "--children", "2", "--wait-viewers", "8", "--speed", "2")
            let recorders = try (0..<8).map {
                try tree.record("\($0).ts", "--children", "2", "--latency", "800")
            }
            try await tree.expectExact(recorders, clip)
        }
    }

    @Test("Four stripes come together again, byte for byte")
    func stripes() async throws {
        try await Turnstile.shared.pass {
            let tree = try await RealTree(
                clip, "--children", "2", "--wait-viewers", "6", "--speed", "2", "--stripes", "4")
            let recorders = try (0..<6).map {
                try tree.record("\($0).ts", "--children", "2", "--latency", "800")
            }
            try await tree.expectExact(recorders, clip)
        }
    }

    @Test("Four stripes and parity come together again, byte for byte, though a relay is killed")
    func parity() async throws {
        try await Turnstile.shared.pass {
            let tree = try await RealTree(
                clip, "--children", "2", "--wait-viewers", "6", "--speed", "2", "--stripes", "4", "--parity")
            let relays = try (0..<2).map { _ in try tree.start("relay", "URL", "--children", "4") }
            let recorders = try (0..<4).map {
                try tree.record("\($0).ts", "--children", "2", "--latency", "800")
            }
            let size = fileSize(clip)
            try await wait(for: "the stream", within: 30) {
                recorders.contains { fileSize($0.file) > size / 3 }
            }
            relays[0].signal(SIGKILL)
            try await tree.expectExact(recorders, clip)
            let other = try await relays[1].end(within: 10)
            #expect(other.status == 0, "\(other)")
        }
    }

    @Test(
        "A relay that is killed, stopped or told to end is replaced before a packet is missed",
        arguments: [
            SIGKILL, SIGSTOP, SIGINT,
        ])
    func failure(signal: Int32) async throws {
        try await Turnstile.shared.pass {
            let tree = try await RealTree(clip, "--children", "2", "--wait-viewers", "6", "--speed", "2")
            let relays = try (0..<2).map { _ in try tree.start("relay", "URL", "--children", "4") }
            let recorders = try (0..<4).map {
                try tree.record("\($0).ts", "--no-forward", "--latency", "800")
            }
            // A third of the stream has come to somebody by then.
            let size = try Data(contentsOf: URL(fileURLWithPath: clip)).count
            try await wait(for: "the stream", within: 30) {
                recorders.contains { fileSize($0.file) > size / 3 }
            }
            relays[0].signal(signal)
            try await tree.expectExact(recorders, clip)
            if signal == SIGINT {
                let ended = try await relays[0].end(within: 5)
                #expect(ended.status == 0, "\(ended)")
            } else {
                relays[0].signal(SIGKILL)
            }
            let other = try await relays[1].end(within: 10)
            #expect(other.status == 0, "\(other)")
        }
    }

    @Test("A viewer whose player takes nothing forwards every byte all the same")
    func pausedPlayer() async throws {
        try await Turnstile.shared.pass {
            let input = try await TestMedia.generated("cbr-60.ts")
            let tree = try await RealTree(
                input, "--children", "1", "--wait-viewers", "2", "--speed", "0.5")
            let scratch = try Scratch()
            let pipe = scratch.file("pipe")
            try #require(mkfifo(pipe, 0o600) == 0)
            // Held open, and never read: what the player is given goes nowhere once the pipe is full.
            let reader = Glibc.open(pipe, O_RDWR | O_NONBLOCK)
            defer { close(reader) }
            let words = "exec '\(Freshet.path)' watch '\(tree.url)' --children 4 --latency 300 > '\(pipe)'"
            let player = try Running("/bin/sh", ["-c", words])
            let recorder = try tree.record("below.ts", "--no-forward", "--latency", "800")
            try await tree.expectExact([recorder], input)
            #expect(!player.hasEnded)
            #expect(!recorder.0.errors.contains("fell silent"), "\(recorder.0.errors)")
            player.signal(SIGKILL)
        }
    }

    @Test("A multicast island is fed from a tree")
    func island() async throws {
        try await Turnstile.shared.pass {
            let network = try await Namespace()
            let place = Place.group()
            let scratch = try Scratch()
            let island = try network.start(
                Freshet.path, ["record", place.url(), scratch.file("island.ts"), "--latency", "400"])
            try await place.isHeard(by: island)
            let tree = try await RealTree(clip, "--wait-viewers", "1", "--speed", "2", network: network)
            let relay = try tree.start("relay", "URL", "--latency", "500", "--to", place.url())
            try await tree.expectExact([(island, scratch.file("island.ts"))], clip)
            let ended = try await relay.end(within: 10)
            #expect(ended.status == 0, "\(ended)")
        }
    }

    @Test("Who comes late begins at a keyframe, with the tables before it")
    func late() async throws {
        try await Turnstile.shared.pass {
            let tree = try await RealTree(clip, "--wait-viewers", "1", "--speed", "2")
            let first = try tree.record("first.ts", "--latency", "800")
            // A young stream is sent from its beginning: more than two seconds must have gone.
            let size = fileSize(clip)
            try await wait(for: "the stream", within: 30) { fileSize(first.file) > size * 3 / 5 }
            let second = try tree.record("second.ts", "--latency", "800")
            try await tree.expectExact([first], clip)
            let ended = try await second.0.end(within: 15)
            #expect(ended.status == 0, "\(ended)")
            let whole = try Data(contentsOf: URL(fileURLWithPath: clip))
            let got = try Data(contentsOf: URL(fileURLWithPath: second.file))
            #expect(got.count > 188 && got.count < whole.count && whole.suffix(got.count) == got)
            let check = try await run("ffprobe", ["-v", "error", "-count_frames", "-i", second.file])
            #expect(check.errors.isEmpty, "\(check)")
        }
    }

    @Test("A wrong token, a wrong pin and a wrong name are refused in a sentence")
    func refused() async throws {
        try await Turnstile.shared.pass {
            let tree = try await RealTree(clip, "--wait-viewers", "1", "--token", "secret")
            let wrong = [
                (
                    tree.url.replacingOccurrences(of: "token=secret", with: "token=guess"),
                    "the token is wrong"
                ),
                (tree.url.replacingOccurrences(of: "/show?", with: "/other?"), "there is no stream"),
                (String(tree.url.prefix { $0 != "?" }) + "?pin=" + String(repeating: "A", count: 43), "pin"),
            ]
            for (url, words) in wrong {
                let ended = try await Freshet.run(
                    "record", url, "/dev/null", "--format", "ts", within: 20)
                #expect(ended.status == 1, "\(ended)")
                #expect(ended.errors.contains(words), "\(ended)")
                #expect(ended.errorLines.count == 1, "\(ended)")
            }
            let stopped = try await tree.source.stop()
            #expect(stopped.status == 0, "\(stopped)")
        }
    }
}

/// Bytes in the file at `path` so far.
func fileSize(_ path: String) -> Int {
    (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0
}
