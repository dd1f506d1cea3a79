import Foundation
import FreshetCore
import Testing

@testable import FreshetMedia

@Suite struct MediaInputTests {
    let clips: Clips

    init() throws { clips = try Clips() }

    @Test func aTransportStreamIsGivenBitForBit() throws {
        let path = try clips.make(
            "a.ts", "\(Clips.video) \(Clips.audio) \(Clips.h264) -c:a aac -shortest -muxrate 2M")
        let bench = Bench()
        let bytes = try bench.transportStream(.init(location: path))
        #expect(try bytes == Clips.read(path))
    }

    @Test func everyReadGivesSomethingOrIsTheLast() throws {
        // A length at which the file's last read finds everything given.
        let whole = try Clips.read(try clips.make("a.ts", "\(Clips.video) \(Clips.h264)"))
        let bytes = Array(whole.prefix(21 * 1316))
        var input = try MediaInput(.init(location: try clips.write("b.ts", bytes)))
        let bench = Bench()
        var batch = PacketBatch(capacity: 64)
        var count = 0
        while try input.read(into: &batch, context: &bench.context) {
            let hasGiven = !batch.isEmpty
            #expect(hasGiven)
            while let packet = batch.popFirst() { count += packet.byteCount }
        }
        #expect(count == bytes.count)
    }

    @Test func damageAndACutEndAreGivenInTheirPlace() throws {
        let path = try clips.make("a.ts", "\(Clips.video) \(Clips.h264)")
        var data = try Clips.read(path)
        data.insert(contentsOf: (0..<1000).map { UInt8($0 & 0x3F) }, at: 188 * 20)
        data.removeLast(100)
        let damaged = try clips.write("b.ts", data)
        let bench = Bench()
        let bytes = try bench.transportStream(.init(location: damaged))
        #expect(bytes == data)
        #expect(bench.notices().count == 1)
    }

    @Test func filesThatAreNoMediaAreRefusedInOneSentence() throws {
        let bench = Bench()
        func failure(_ path: String) -> String { bench.failure(.init(location: path)) }
        #expect(failure(try clips.write("empty.mp4", [])).hasSuffix("is empty"))
        var random = PRNG(seed: 7)
        let noise = (0..<20_000).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        #expect(failure(try clips.write("noise.bin", noise)).contains("is not media that FFmpeg can read"))
        let whole = try Clips.read(try clips.make("whole.mp4", "\(Clips.video) \(Clips.h264)"))
        #expect(
            failure(try clips.write("cut.mp4", Array(whole.prefix(whole.count / 2)))).contains("cut short"))
        #expect(failure(clips.path("missing.mp4")).contains("No such file"))
        #expect(failure(clips.folder).contains("is a folder"))
    }

    @Test func aFileThatIsCutShortIsPlayedUpToThere() throws {
        let path = try clips.make(
            "a.mp4", "\(Clips.video) \(Clips.audio) \(Clips.h264) -c:a aac -movflags faststart")
        let whole = try Clips.read(path)
        let cut = try clips.write("b.mp4", Array(whole.prefix(whole.count * 2 / 3)))
        let bench = Bench()
        let stream = try clips.write("b.ts", try bench.transportStream(.init(location: cut)))
        let notices = bench.notices()
        #expect(notices.count == 1 && notices[0].contains("is cut short"))
        #expect(try Contents.times(stream, 0).count > 10)
    }

    @Test func anEncryptedFileIsRefused() throws {
        let path = try clips.make(
            "secret.mp4",
            "\(Clips.video) \(Clips.h264) -encryption_scheme cenc-aes-ctr"
                + " -encryption_key 76a6c65c5ea762046bd749a2e632ccbb"
                + " -encryption_kid a7e61c373e219033c21091fa607bf3b8"
        )
        #expect(Bench().failure(.init(location: path)).contains("is encrypted"))
    }
}
