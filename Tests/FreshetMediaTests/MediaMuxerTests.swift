import Foundation
import FreshetCore
import Testing

@testable import FreshetMedia

/// Frames through the whole way: a file, muxed to a transport stream, recorded in each container.
@Suite struct MediaMuxerTests {
    static let inputs: [(name: String, arguments: String)] = [
        ("b-frames.mp4", "\(Clips.video) \(Clips.audio) \(Clips.h264) -c:a aac"),
        (
            "hevc.mkv",
            "\(Clips.video) \(Clips.audio) -c:v libx265 -preset ultrafast"
                + " -x265-params log-level=none -c:a ac3"
        ),
        ("mpeg2.mov", "\(Clips.video) \(Clips.audio) -c:v mpeg2video -bf 2 -c:a libmp3lame"),
        ("opus.mkv", "\(Clips.video) \(Clips.audio) \(Clips.h264) -c:a libopus"),
        (
            "film.mp4",
            "-f lavfi -i testsrc2=s=160x120:r=24000/1001:d=1.2 \(Clips.audio) \(Clips.h264) -c:a aac"
        ),
        (
            "tracks.mkv",
            "\(Clips.video) \(Clips.audio) -f lavfi -i sine=f=880:r=44100:d=1.2 -map 0 -map 1"
                + " -map 2 \(Clips.h264) -c:a:0 aac -c:a:1 ac3"
        ),
        ("radio.m4a", "\(Clips.audio) -c:a aac"),
        ("radio.mp3", "\(Clips.audio) -c:a libmp3lame"),
    ]

    let clips: Clips

    init() throws { clips = try Clips() }

    @Test(arguments: inputs) func everyFrameArrives(_ input: (name: String, arguments: String)) throws {
        let source = try clips.make(input.name, input.arguments)
        let expected = try Contents(source)
        let bench = Bench()
        let stream = try bench.transportStream(.init(location: source))
        #expect(stream.count % 188 == 0)
        for name in ["out.ts", "out.mkv", "out.mp4"] {
            let path = clips.path(name)
            try bench.record(stream, .init(path: path))
            let found = try Contents(path)
            #expect(found.pictures == expected.pictures, "\(name): \(found.pictures.count) pictures")
            #expect(found.audio == expected.audio, "\(name): \(found.audio.map(\.count)) audio frames")
            try compareTimes(source, path)
        }
    }

    /// Times rise, tracks stay as far apart as they were, and everything lasts as long, within a millisecond.
    private func compareTimes(_ source: String, _ path: String) throws {
        var shifts: [Double] = []
        let kinds = try Contents.kinds(source)
        for (index, kind) in kinds.enumerated() where kind == "video" || kind == "audio" {
            let before = try Contents.times(source, index)
            let after = try Contents.times(path, index)
            #expect(after.count == before.count, "\(path) stream \(index)")
            let decoding = after.compactMap(\.decoding)
            #expect(zip(decoding, decoding.dropFirst()).allSatisfy { $0 < $1 }, "\(path) stream \(index)")
            let old = before.map(\.presentation).sorted()
            let new = after.map(\.presentation).sorted()
            let shift = try #require(new.first) - #require(old.first)
            shifts.append(shift)
            let worst = zip(old, new).map { abs($1 - $0 - shift) }.max() ?? 0
            #expect(worst <= 0.001_1, "\(path) stream \(index) is off by \(worst)")
        }
        let spread = (shifts.max() ?? 0) - (shifts.min() ?? 0)
        #expect(spread <= 0.001_1, "\(path): tracks moved against each other by \(spread)")
    }
}
