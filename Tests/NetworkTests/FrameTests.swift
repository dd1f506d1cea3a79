import Foundation
import TestSupport
import Testing

/// Media that is not a transport stream: every coded frame arrives, none is changed, and all keep their time.
@Suite(.timeLimit(.minutes(15)), .judgedUndisturbed)
struct FrameTests {
    @Test(
        "Every frame of any container arrives in .ts, .mkv and .mp4, unchanged and in time",
        arguments: [
            "h264-aac.mp4", "h264-mp3.mkv", "h264-ac3.mov", "hevc-aac.mp4", "mpeg2-mp2.mkv", "h264-opus.mkv",
            "three-tracks.mkv", "variable-frames.mkv", "sound.m4a", "sound.mp3",
        ])
    func frames(name: String) async throws {
        try await Turnstile.shared.pass {
            let input = try await TestMedia.generated(name)
            let place = Place.group()
            let scratch = try Scratch()
            var recorders: [Running] = []
            let outputs = ["out.ts", "out.mkv", "out.mp4"].map { scratch.file($0) }
            for output in outputs {
                recorders.append(try Running(Freshet.path, ["record", place.url(), output]))
            }
            for recorder in recorders { try await place.isHeard(by: recorder) }
            let sent = try await Freshet.run("send", input, "--to", place.url())
            #expect(sent.status == 0, "\(sent)")
            let video = try await Frames.decodedVideo(of: input)
            let audio = try await Frames.codedAudio(of: input)
            for (output, recorder) in zip(outputs, recorders) {
                let ended = try await recorder.end(within: 15)
                #expect(ended.status == 0, "\(ended)")
                try await compare(video, audio, with: output, from: name)
            }
        }
    }

    private func compare(_ video: [Frames], _ audio: [Frames], with path: String, from name: String)
        async throws
    {
        let gotVideo = try await Frames.decodedVideo(of: path)
        let gotAudio = try await Frames.codedAudio(of: path)
        let kind = path.suffix(3)
        #expect(gotVideo.map(\.codec) == video.map(\.codec), "\(name) as \(kind)")
        // MP4 has one name for the layers of MPEG audio; the frames tell them apart.
        let codecs = audio.map { kind == "mp4" && $0.codec == "mp2" ? "mp3" : $0.codec }
        #expect(gotAudio.map(\.codec) == codecs, "\(name) as \(kind)")
        let pairs = Array(zip(video + audio, gotVideo + gotAudio))
        for (sent, got) in pairs {
            #expect(
                got.hashes == sent.hashes,
                "\(name) as \(kind), \(sent.codec): \(sent.hashes.count) frames sent, \(got.hashes.count) got"
            )
        }
        for times in try await Frames.decodingTimes(of: path) {
            #expect(
                zip(times, times.dropFirst()).allSatisfy { $0 < $1 }, "\(name) as \(kind): time runs back")
        }
        // One shift for all streams: picture and sound keep their offset, and each frame its distance to the first.
        guard let first = pairs.first, let before = first.0.times.first, let after = first.1.times.first
        else {
            Issue.record("\(name) as \(kind) has no frames")
            return
        }
        for (sent, got) in pairs {
            let moved = zip(sent.times, got.times).map { abs(($1 - after) - ($0 - before)) }.max() ?? 0
            #expect(moved < 0.001, "\(name) as \(kind), \(sent.codec): a frame moved by \(moved * 1000) ms")
            let frame = sent.durations.max() ?? 0
            let length = { (frames: Frames) in
                (frames.times.last ?? 0) + (frames.durations.last ?? 0) - (frames.times.first ?? 0)
            }
            #expect(
                abs(length(sent) - length(got)) <= frame + 0.001,
                "\(name) as \(kind), \(sent.codec): duration")
        }
    }

    @Test(
        "What a transport stream does not carry is refused in one sentence",
        arguments: ["vp9-opus.webm", "av1-opus.mkv"])
    func refusal(name: String) async throws {
        let input = try await TestMedia.generated(name)
        let sent = try await Freshet.run("send", input, "--to", Place.group().url(), within: 15)
        #expect(sent.status == 1, "\(sent)")
        #expect(sent.errorLines.count == 1, "\(sent)")
        let codec = name.hasPrefix("vp9") ? "vp9" : "av1"
        #expect(sent.errors.lowercased().contains(codec), "\(sent)")
    }

    @Test("A loop goes on without a jump in time")
    func loop() async throws {
        try await Turnstile.shared.pass {
            let input = try await TestMedia.generated("h264-ac3.mov")
            let place = Place.group()
            let scratch = try Scratch()
            let recorder = try await Freshet.startReceiver(
                "record", place.url(), scratch.file("out.ts"), "--duration", "8s", listeningOn: place)
            let sender = try Freshet.start("send", input, "--loop", "--to", place.url())
            let ended = try await recorder.end(within: 30)
            #expect(ended.status == 0, "\(ended)")
            let stopped = try await sender.stop()
            #expect(stopped.status == 0, "\(stopped)")
            let video = try await Frames.decodedVideo(of: scratch.file("out.ts"))[0]
            #expect(video.times.count > 150)
            // The recording ends anywhere: a frame that is shown late may be its last, those before it missing.
            let times = video.times.dropLast(8)
            let steps = zip(times, times.dropFirst()).map { $1 - $0 }
            #expect(
                steps.allSatisfy { $0 > 0 && $0 < 0.1 },
                "steps of \(steps.min() ?? 0) to \(steps.max() ?? 0) s")
        }
    }

    @Test("A made transport stream has the constant rate asked for")
    func constantRate() async throws {
        try await Turnstile.shared.pass {
            let place = Place.group()
            let delivery = try await Delivery.run(
                try await TestMedia.generated("h264-aac.mp4"), to: place.url(), at: place,
                options: ["--mux-rate", "2M"])
            #expect(delivery.sender.status == 0, "\(delivery.sender)")
            let stream = try TransportStream(delivery.recording)
            let (deviation, interval) = stream.clockDeviation(bitsPerSecond: 2_000_000)
            #expect(deviation <= 500e-9, "a PCR is \(deviation * 1e9) ns from its place")
            #expect(interval <= 0.040, "\(interval) s between PCRs")
            #expect(stream.continuityErrors == 0)
        }
    }
}
