import Foundation
import FreshetCore
import Testing

@testable import FreshetMedia

@Suite struct SampleMuxerTests {
    let clips: Clips

    init() throws { clips = try Clips() }

    /// The clock references of a transport stream: where each stands, in bytes, and its value in ticks of 27
    /// MHz.
    private func references(_ bytes: [UInt8]) -> [(place: Int, ticks: Int64)] {
        stride(from: 0, to: bytes.count - 187, by: 188).compactMap { place in
            let packet = bytes[place..<place + 188]
            guard packet[place + 3] & 0x20 != 0, packet[place + 4] >= 7, packet[place + 5] & 0x10 != 0 else {
                return nil
            }
            var base: Int64 = 0
            for byte in packet[place + 6..<place + 10] { base = base << 8 | Int64(byte) }
            base = base << 1 | Int64(packet[place + 10] >> 7)
            return (place, base * 300 + Int64(packet[place + 10] & 1) << 8 + Int64(packet[place + 11]))
        }
    }

    @Test(arguments: [
        "-f lavfi -i testsrc2=s=160x120:r=25:d=1.2 -c:v libx264",
        "-f lavfi -i testsrc2=s=160x120:r=24000/1001:d=1.2 \(Clips.audio) -c:v libx264 -c:a aac",
        "-f lavfi -i testsrc2=s=160x120:r=2:d=3 -c:v libx264 -g 3",
        "\(Clips.audio) -c:a aac",
    ]) func clockReferencesAreNeverFarApart(_ arguments: String) throws {
        let path = try clips.make("a.mp4", arguments)
        let found = references(try Bench().transportStream(.init(location: path)))
        let gaps = zip(found, found.dropFirst()).map { $1.ticks - $0.ticks }
        #expect(gaps.count > 20)
        #expect(try #require(gaps.max()) <= 40 * 27_000)
        #expect(try #require(gaps.min()) > 0)
    }

    @Test func atAConstantRateReferencesAreExact() throws {
        let path = try clips.make("a.mp4", "\(Clips.video) \(Clips.audio) \(Clips.h264) -c:a aac")
        var muxing = SampleMuxer.Options()
        muxing.muxRate = 1_500_000
        muxing.delay = .milliseconds(700)
        let found = references(try Bench().transportStream(.init(location: path), muxing))
        let first = try #require(found.first)
        #expect(found.count > 50)
        for reference in found {
            let ideal = Int64(reference.place - first.place) * 8 * 27_000_000 / 1_500_000
            // ±500 ns are 13.5 ticks.
            #expect(abs(reference.ticks - first.ticks - ideal) <= 13)
        }
    }

    @Test func aConstantRateThatIsTooLowIsTold() throws {
        let path = try clips.make("a.mp4", "\(Clips.video) \(Clips.h264)")
        var muxing = SampleMuxer.Options()
        muxing.muxRate = 100_000
        let bench = Bench()
        _ = try bench.transportStream(.init(location: path), muxing)
        #expect(bench.muxerNotices.contains { $0.contains("too low") })
    }

    @Test func videoThatATransportStreamCannotCarryIsRefusedByName() throws {
        let vp9 = try clips.make(
            "a.webm", "\(Clips.video) \(Clips.audio) -c:v libvpx-vp9 -cpu-used 8 -b:v 100k -c:a libopus")
        #expect(Bench().failure(.init(location: vp9)).contains("cannot carry vp9 video"))
        let av1 = try clips.make("b.mkv", "\(Clips.video) -c:v libsvtav1 -preset 12")
        #expect(Bench().failure(.init(location: av1)).contains("cannot carry av1 video"))
    }

    @Test func streamsThatCannotBeCarriedAreLeftOutAndTold() throws {
        let text = try clips.write("a.srt", Array("1\n00:00:00,100 --> 00:00:01,000\nHello\n".utf8))
        let path = try clips.make("a.mkv", "\(Clips.video) -i \(text) \(Clips.h264) -c:s srt")
        let bench = Bench()
        let stream = try bench.transportStream(.init(location: path))
        #expect(bench.muxerNotices == ["ts cannot carry subrip subtitle: left out"])
        #expect(try Contents.kinds(try clips.write("a.ts", stream)) == ["video"])
    }

    @Test func theProgrammeHasItsName() throws {
        let path = try clips.make("a.mp4", "\(Clips.video) \(Clips.h264)")
        var muxing = SampleMuxer.Options()
        muxing.programName = "Evening news"
        let stream = try clips.write("a.ts", try Bench().transportStream(.init(location: path), muxing))
        let tags = try Clips.run(
            "ffprobe", ["-v", "error", "-show_entries", "program_tags", "-of", "flat", stream])
        #expect(tags.contains("Evening news"))
    }

    @Test func aMediumPlayedAgainGoesOnWithoutAJump() throws {
        let path = try clips.make("a.mp4", "\(Clips.video) \(Clips.audio) \(Clips.h264) -c:a aac")
        var options = MediaInput.Options(location: path)
        options.rounds = 3
        let stream = try clips.write("a.ts", try Bench().transportStream(options))
        let once = try Contents.times(path, 0)
        let video = try Contents.times(stream, 0)
        #expect(video.count == 3 * once.count)
        let decoding = video.compactMap(\.decoding)
        let steps = zip(decoding, decoding.dropFirst()).map { $1 - $0 }
        // The sound is 21 ms longer than the pictures at most, and no picture comes earlier than it may.
        #expect(steps.allSatisfy { $0 > 0.039 && $0 < 0.09 })
        #expect(
            try Contents(stream).pictures == Contents(path).pictures + Contents(path).pictures
                + Contents(path).pictures)
    }

    @Test func picturesAtAnyRhythmKeepTheirTimes() throws {
        let path = try clips.make(
            "a.mp4",
            "-f lavfi -i testsrc2=s=160x120:r=60:d=1.2,select='not(mod(n,5))+not(mod(n,7))' -vsync vfr"
                + " -c:v libx264 -bf 2")
        let stream = try clips.write("a.ts", try Bench().transportStream(.init(location: path)))
        let before = try Contents.times(path, 0).map(\.presentation).sorted()
        let after = try Contents.times(stream, 0).map(\.presentation).sorted()
        #expect(before.count == after.count && before.count > 15)
        let shift = after[0] - before[0]
        #expect(zip(before, after).allSatisfy { abs($1 - $0 - shift) < 0.0002 })
    }

    @Test func onlyTheChosenStreamsAreTaken() throws {
        let path = try clips.make(
            "a.mkv",
            "\(Clips.video) \(Clips.audio) -f lavfi -i sine=880:d=1.2 -map 0 -map 1 -map 2"
                + " \(Clips.h264) -c:a aac"
        )
        var options = MediaInput.Options(location: path)
        options.streams = "v:0,a:1"
        let stream = try clips.write("a.ts", try Bench().transportStream(options))
        #expect(try Contents.kinds(stream) == ["video", "audio"])
        options.streams = "a:7"
        #expect(Bench().failure(options).contains("has no stream 'a:7'"))
    }
}
