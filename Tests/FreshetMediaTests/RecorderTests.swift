import Foundation
import FreshetCore
import Testing

@testable import FreshetMedia

@Suite struct RecorderTests {
    let clips: Clips
    static let arguments =
        "-f lavfi -i testsrc2=s=160x120:r=25:d=4 -f lavfi -i sine=f=440:r=48000:d=4"
        + " \(Clips.h264) -force_key_frames expr:gte(t,n_forced*0.52) -c:a aac -muxdelay 0.2"

    init() throws { clips = try Clips() }

    private func files(_ prefix: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: clips.folder).filter { $0.hasPrefix(prefix) }
            .sorted()
            .map { clips.path($0) }
    }

    /// The flags of the first coded picture: "K__" for a keyframe.
    private func firstFlags(_ path: String) throws -> String {
        let flags = try Clips.run(
            "ffprobe",
            [
                "-v", "error", "-select_streams", "v:0", "-show_entries", "packet=flags", "-of", "csv=p=0",
                path,
            ])
        return String(flags.prefix(1))
    }

    @Test func segmentsOfATransportStreamHoldEachPacketOnceAndPlayAlone() throws {
        let source = try Clips.read(try clips.make("a.ts", Self.arguments))
        var options = Recorder.Options(path: clips.path("part.ts"))
        options.segment = .seconds(1)
        options.indexPath = clips.path("index.jsonl")
        try Bench().record(source, options)
        let parts = try files("part")
        #expect(parts.count == 4)
        var whole: [UInt8] = []
        for (number, part) in parts.enumerated() {
            let bytes = try Clips.read(part)
            whole += bytes.dropFirst(number == 0 ? 0 : 2 * 188)
            #expect(try firstFlags(part) == "K")
        }
        #expect(whole == source)
        let index = try String(contentsOfFile: options.indexPath, encoding: .utf8)
        #expect(index.split(separator: "\n").count == parts.count)
        #expect(parts.allSatisfy { index.contains($0) })
    }

    @Test(arguments: ["mkv", "mp4"])
    func segmentsOfOtherContainersHoldEachFrameOnceAndPlayAlone(_ kind: String) throws {
        let path = try clips.make("a.ts", Self.arguments)
        var options = Recorder.Options(path: clips.path("part-%Y.\(kind)"))
        options.segment = .seconds(1)
        options.indexPath = clips.path("index.csv")
        try Bench().record(try Clips.read(path), options)
        let parts = try files("part")
        #expect(parts.count == 4)
        var pictures: [String] = []
        var sounds = 0
        for part in parts {
            #expect(try firstFlags(part) == "K")
            pictures += try Contents(part).pictures
            sounds += try Contents.times(part, 1).count
            #expect(try #require(Contents.times(part, 0).map(\.presentation).min()) < 0.1)
        }
        // The first file's name has no number, so it sorts last or first; the pictures are compared as a set.
        #expect(try pictures.sorted() == Contents(path).pictures.sorted())
        #expect(try sounds == Contents.times(path, 1).count)
        let index = try String(contentsOfFile: options.indexPath, encoding: .utf8)
        #expect(index.hasPrefix("file,start,duration,bytes\n"))
        #expect(index.split(separator: "\n").count == parts.count + 1)
    }

    /// An encoder's priming is before the first picture, and no container may make the recording longer by it.
    @Test(arguments: ["mkv", "mp4"])
    func aRecordingIsAsLongAsItsSource(_ kind: String) throws {
        let source = try clips.make(
            "a.mp4",
            "-f lavfi -i testsrc2=s=160x120:r=50:d=2 -f lavfi -i sine=f=440:r=48000:d=2 \(Clips.h264) -c:a aac"
        )
        let stream = try clips.make("a.ts", "-i \(source) -c copy")
        let options = Recorder.Options(path: clips.path("b.\(kind)"))
        try Bench().record(try Clips.read(stream), options)
        /// Where the last frame ends. (In fragments, ffprobe's duration counts what is before zero, too.)
        func end(_ path: String) throws -> Double {
            let text = try Clips.run(
                "ffprobe",
                "-v error -show_entries format=start_time,duration -of csv=p=0".split(separator: " ")
                    .map(String.init) + [path])
            let times = text.split(whereSeparator: { ",\n".contains($0) }).compactMap { Double($0) }
            return try #require(times.count == 2 ? times[0] + times[1] : nil)
        }
        #expect(try abs(end(options.path) - end(source)) < 0.02)
        func lead(_ path: String) throws -> Double {
            let first = try (0...1).map { try #require(Contents.times(path, $0).map(\.presentation).min()) }
            return first[0] - first[1]
        }
        #expect(try abs(lead(options.path) - lead(source)) < 0.001)
        #expect(try Contents(options.path) == Contents(stream))
    }

    @Test(arguments: ["ts", "mkv", "mp4"])
    func whatWasRecordedIsReadableBeforeTheEnd(_ kind: String) throws {
        let path = try clips.make("a.ts", Self.arguments)
        let source = try Clips.read(path)
        let recorder = try Recorder(.init(path: clips.path("out.\(kind)")))
        let bench = Bench()
        var batch = PacketBatch(capacity: 8)
        let deadline = Date().addingTimeInterval(20)
        var place = 0
        var readable = 0
        // The stream comes in and stops a little before its end; the recorder is never finished.
        while readable < 75 && Date() < deadline {
            let end = place < source.count - 40 * 1316 ? min(source.count, place + 20 * 1316) : source.count
            while place < end || !batch.isEmpty {
                while place < end, !batch.isFull, var packet = bench.context.allocate() {
                    let next = min(end, place + 1316)
                    packet.append(source.span.bytes.extracting(place..<next))
                    batch.append(packet)
                    place = next
                }
                try recorder.take(&batch, context: &bench.context)
            }
            bench.context.now = bench.context.now + .milliseconds(300)
            try recorder.flushIfDue(now: bench.context.now)
            if place == source.count {
                readable = (try? Contents.times(clips.path("out.\(kind)"), 0).count) ?? 0
            }
        }
        // Of 100 pictures, those of the last second may be missing.
        #expect(readable >= 75)
    }

    @Test(arguments: ["ts", "mkv"]) func aFullDiskIsToldInOneSentence(_ kind: String) throws {
        let source = try Clips.read(try clips.make("a.ts", Self.arguments))
        var options = Recorder.Options(path: "/dev/full")
        options.formatName = kind
        let error = #expect(throws: StageError.self) { try Bench().record(source, options) }
        #expect(error?.message == "cannot write /dev/full: the disk is full; what was written so far is kept")
        #expect(error?.kind == .failure)
    }

    @Test func aPlaceThatCannotBeWrittenIsTold() throws {
        let error = #expect(throws: StageError.self) {
            try Bench().record(
                [UInt8](repeating: 0x47, count: 188), .init(path: clips.path("no/such/folder.ts")))
        }
        #expect(error?.message.contains("No such file or directory") == true)
    }

    @Test func aClockThatWrapsIsNoJump() throws {
        // 2^33 ticks of 90 kHz are 95 443.718 s.
        let path = try clips.make("a.ts", Self.arguments + " -output_ts_offset 95442")
        let plain = try clips.make("b.ts", Self.arguments)
        for name in ["out.mkv", "out.mp4"] {
            try Bench().record(try Clips.read(path), .init(path: clips.path(name)))
            try compare(plain, clips.path(name))
        }
    }

    /// Same frames, same times but for one shift.
    private func compare(_ source: String, _ path: String) throws {
        #expect(try Contents(path) == Contents(source))
        var shifts: [Double] = []
        for stream in 0...1 {
            let before = try Contents.times(source, stream).map(\.presentation).sorted()
            let after = try Contents.times(path, stream).map(\.presentation).sorted()
            try #require(before.count == after.count)
            shifts += zip(before, after).map { $1 - $0 }
        }
        let spread = try #require(shifts.max()) - #require(shifts.min())
        #expect(spread <= 0.001_1, "frames moved against each other by \(spread) s")
    }

    @Test func aSourceThatStartsAnewGoesOnInTheRecording() throws {
        let first = try clips.make("a.ts", Self.arguments + " -output_ts_offset 5000")
        let second = try clips.make("b.ts", Self.arguments)
        let out = clips.path("out.mkv")
        try Bench().record(try Clips.read(first) + Clips.read(second), .init(path: out))
        let times = try Contents.times(out, 0).map(\.presentation).sorted()
        #expect(times.count == 200)
        let steps = zip(times, times.dropFirst()).map { $1 - $0 }
        #expect(steps.allSatisfy { $0 > 0.02 && $0 < 0.5 })
        #expect(try Contents(out).pictures == Contents(first).pictures + Contents(second).pictures)
    }

    @Test func soundThatBeginsLateIsThereInItsPlace() throws {
        let path = try clips.make(
            "a.ts",
            "-f lavfi -i testsrc2=s=160x120:r=25:d=4 -itsoffset 1.5 -f lavfi -i sine=f=440:r=48000:d=2 \(Clips.h264)"
                + " -c:a aac")
        let out = clips.path("out.mkv")
        try Bench().record(try Clips.read(path), .init(path: out))
        try compare(path, out)
    }

    @Test(arguments: ["mkv", "mp4"]) func aStreamThatIsAnnouncedAndNeverComesIsLeftOut(_ kind: String) throws
    {
        let source = try Clips.read(try clips.make("a.ts", Self.arguments))
        // libavformat gives the second stream PID 0x101.
        let silent = stride(from: 0, to: source.count, by: 188).filter {
            !(source[$0 + 1] & 0x1F == 1 && source[$0 + 2] == 1)
        }.flatMap { source[$0..<$0 + 188] }
        let out = clips.path("out.\(kind)")
        let bench = Bench()
        try bench.record(silent, .init(path: out))
        #expect(bench.notices() == ["the aac audio has not begun: left out"])
        #expect(try Contents.times(out, 0).count == 100)
    }

    @Test(arguments: ["mkv", "mp4"]) func aRecordingThatBeginsBetweenKeyframesHoldsAllThatCame(_ kind: String)
        throws
    {
        let source = try Clips.read(try clips.make("a.ts", Self.arguments))
        let rest = Array(source.dropFirst(188 * 131))
        let path = try clips.write("rest.ts", rest)
        let out = clips.path("out.\(kind)")
        try Bench().record(rest, .init(path: out))
        for stream in 0...1 {
            #expect(try Contents.times(out, stream).count == Contents.times(path, stream).count)
        }
    }

    @Test func framesAreRecordedWithoutATransportStreamBetween() throws {
        let path = try clips.make("a.mp4", Self.arguments)
        let out = clips.path("out.mkv")
        let bench = Bench()
        try bench.recordFrames(.init(location: path), .init(path: out))
        try compare(path, out)
    }

    @Test func soundAloneIsRecordedFromATransportStreamWithPictures() throws {
        let path = try clips.make("a.ts", Self.arguments)
        let out = clips.path("out.aac")
        let bench = Bench()
        try bench.record(try Clips.read(path), .init(path: out))
        #expect(bench.notices() == ["aac cannot carry h264 video: left out"])
        #expect(try Contents(out).audio == Contents(path).audio)
    }

    @Test func aStreamWithNothingInItIsToldAtTheEnd() throws {
        let error = #expect(throws: StageError.self) {
            try Bench().record([], .init(path: clips.path("out.mkv")))
        }
        #expect(error?.message.contains("nothing came") == true)
    }

    @Test func aRecordingEndsAfterItsLength() throws {
        let path = try clips.make("a.ts", Self.arguments)
        var options = Recorder.Options(path: clips.path("out.mkv"))
        options.duration = .seconds(2)
        let bench = Bench()
        try bench.record(try Clips.read(path), options)
        let isStopRequested = bench.context.isStopRequested
        #expect(isStopRequested)
        #expect(try (49...52).contains(Contents.times(options.path, 0).count))
    }
}
