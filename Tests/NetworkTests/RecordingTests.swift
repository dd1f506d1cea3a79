import Foundation
import TestSupport
import Testing

/// Recordings that are interrupted stay readable.
@Suite(.timeLimit(.minutes(15)), .judgedUndisturbed)
struct RecordingTests {
    /// Starts a sender of ten seconds and a recorder of it; gives both when about `seconds` were recorded.
    private func begin(
        _ scratch: Scratch, _ name: String, seconds: Double, options: [String] = []
    ) async throws -> (sender: Running, recorder: Running) {
        let input = try await TestMedia.generated("ten.ts")
        let place = Place.group()
        let recorder = try Running(Freshet.path, ["record", place.url(), scratch.file(name)] + options)
        try await place.isHeard(by: recorder)
        let sender = try Freshet.start("send", input, "--to", place.url())
        let began = ContinuousClock.now
        try await wait(for: "\(seconds) s of media", within: seconds + 10) {
            ContinuousClock.now - began > .seconds(seconds)
        }
        return (sender, recorder)
    }

    @Test("SIGINT finalises the recording", arguments: ["out.ts", "out.mkv", "out.mp4"])
    func interrupted(name: String) async throws {
        try await Turnstile.shared.pass {
            let scratch = try Scratch()
            let (sender, recorder) = try await begin(scratch, name, seconds: 4)
            let ended = try await recorder.stop(SIGINT)
            #expect(ended.status == 0, "\(ended)")
            #expect(ended.seconds < 8, "\(ended)")
            let stopped = try await sender.stop(SIGTERM)
            #expect(stopped.status == 0, "\(stopped)")
            let length = try await duration(of: scratch.file(name))
            #expect(length > 2.5 && length < 6, "\(length) s")
        }
    }

    @Test(
        "After SIGKILL the recording is readable to within the last second",
        arguments: ["out.ts", "out.mkv", "out.mp4"])
    func killed(name: String) async throws {
        try await Turnstile.shared.pass {
            let scratch = try Scratch()
            let options = name.hasSuffix(".mp4") ? ["--format", "fragmented-mp4"] : []
            let (sender, recorder) = try await begin(scratch, name, seconds: 6, options: options)
            let ended = try await recorder.stop(SIGKILL)
            #expect(ended.status == 128 + SIGKILL, "\(ended)")
            try await sender.stop()
            let length = try await duration(of: scratch.file(name))
            #expect(length > 4.5, "only \(length) s of 6 are readable")
        }
    }

    @Test("A second signal ends at once")
    func twice() async throws {
        try await Turnstile.shared.pass {
            let place = Place.group()
            let scratch = try Scratch()
            let recorder = try await Freshet.startReceiver(
                "record", place.url(), scratch.file("out.ts"), listeningOn: place)
            recorder.signal(SIGINT)
            recorder.signal(SIGINT)
            let ended = try await recorder.end(within: 2)
            #expect(ended.seconds < 10)
        }
    }

    @Test("A recorder with a timeout ends by itself when nothing comes any more")
    func timeout() async throws {
        try await Turnstile.shared.pass {
            let scratch = try Scratch()
            let place = Place.group()
            // Made before the recorder's time begins to run.
            let input = try await TestMedia.generated("ten.ts")
            let recorder = try await Freshet.startReceiver(
                "record", place.url(), scratch.file("out.ts"), "--timeout", "3s", listeningOn: place)
            let sender = try Freshet.start("send", input, "--to", place.url())
            try await wait(for: "bytes in the recording", within: 10) {
                scratch.bytes("out.ts").count > 100_000
            }
            sender.signal(SIGKILL)
            let ended = try await recorder.end(within: 15)
            #expect(ended.status == 0, "\(ended)")
            #expect(scratch.bytes("out.ts").count % 188 == 0)
        }
    }

    @Test("Segments begin with keyframes, hold every packet once, and the index lists them")
    func segments() async throws {
        try await Turnstile.shared.pass {
            let scratch = try Scratch()
            let input = try await TestMedia.generated("ten.ts")
            let place = Place.group()
            let recorder = try await Freshet.startReceiver(
                "record", place.url(), scratch.file("part-%Y%m%d-%H%M%S.ts"), "--segment", "2s", "--index",
                scratch.file("index.csv"), listeningOn: place)
            let sent = try await Freshet.run("send", input, "--to", place.url())
            #expect(sent.status == 0, "\(sent)")
            let ended = try await recorder.end(within: 10)
            #expect(ended.status == 0, "\(ended)")
            let parts = try FileManager.default.contentsOfDirectory(atPath: scratch.path)
                .filter { $0.hasSuffix(".ts") }.sorted()
            #expect(parts.count >= 3, "\(parts)")
            // Every file but the first begins with a copy of the two tables: all else is the stream, once.
            let whole = parts.enumerated().reduce(into: Data()) {
                $0 += scratch.bytes($1.element).dropFirst($1.offset == 0 ? 0 : 2 * 188)
            }
            #expect(whole == FileManager.default.contents(atPath: input))
            // The parts follow each other without a gap and are as long as the stream.
            let rows = scratch.text("index.csv").split(separator: "\n").dropFirst().map {
                $0.split(separator: ",")
            }
            var end = 0.0
            for row in rows {
                #expect(abs((Double(row[1]) ?? -1) - end) < 0.01, "\(row)")
                end += Double(row[2]) ?? 0
            }
            #expect(abs(end - 10) < 0.7, "\(end) s in \(rows)")
            for part in parts {
                #expect(scratch.text("index.csv").contains(part))
                let keys = try await run(
                    "ffprobe",
                    [
                        "-v", "error", "-select_streams", "v:0", "-show_entries", "packet=flags", "-of",
                        "csv=p=0",
                        scratch.file(part),
                    ])
                #expect(keys.output.hasPrefix("K"), "\(part) begins with no keyframe")
            }
        }
    }

    private func duration(of path: String) async throws -> Double {
        let decoded = try await Frames.decodedVideo(of: path)
        let times = decoded.first?.times ?? []
        return (times.last ?? 0) - (times.first ?? 0)
    }
}
