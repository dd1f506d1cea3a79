import Foundation
import FreshetCore
import Testing

@testable import FreshetMedia

@Suite struct RemuxerTests {
    let clips: Clips

    init() throws { clips = try Clips() }

    /// Puts `source` through a remuxer, by hand-overs of eight packets.
    private func remux(_ source: [UInt8], to format: String) throws -> [UInt8] {
        var options = SampleMuxer.Options()
        options.formatName = format
        let remuxer = try Remuxer(options, streams: "")
        let bench = Bench()
        var input = PacketBatch(capacity: 8)
        var output = PacketBatch(capacity: 8)
        var bytes: [UInt8] = []
        var place = 0
        var isDone = false
        let deadline = Date().addingTimeInterval(20)
        while !isDone && Date() < deadline {
            while place < source.count, !input.isFull, var packet = bench.context.allocate() {
                let next = min(source.count, place + 1316)
                packet.append(source.span.bytes.extracting(place..<next))
                input.append(packet)
                place = next
            }
            try remuxer.take(&input, context: &bench.context)
            _ = try remuxer.give(into: &output, context: &bench.context)
            while let packet = output.popFirst() { bytes.append(contentsOf: packet.unsafeBytes) }
            if place == source.count && input.isEmpty {
                isDone = try remuxer.finish(into: &output, context: &bench.context)
                while let packet = output.popFirst() { bytes.append(contentsOf: packet.unsafeBytes) }
            }
        }
        #expect(isDone)
        return bytes
    }

    @Test(arguments: ["mkv", "mp4", "ts"]) func aTransportStreamBecomesAnotherContainer(_ format: String)
        throws
    {
        let path = try clips.make("a.ts", "\(Clips.video) \(Clips.audio) \(Clips.h264) -c:a aac")
        let out = try clips.write("out.\(format)", try remux(try Clips.read(path), to: format))
        #expect(try Contents(out) == Contents(path))
    }

    @Test func aRemuxerThatIsDroppedEndsItsWork() throws {
        let source = try Clips.read(try clips.make("a.ts", "\(Clips.video) \(Clips.h264)"))
        for _ in 0..<20 {
            var options = SampleMuxer.Options()
            options.formatName = "mkv"
            let remuxer = try Remuxer(options, streams: "")
            let bench = Bench()
            var input = PacketBatch(capacity: 8)
            guard var packet = bench.context.allocate() else { continue }
            packet.append(source.span.bytes.extracting(0..<1316))
            input.append(packet)
            try remuxer.take(&input, context: &bench.context)
        }
    }

    @Test func whatIsNoMediumIsToldInOneSentence() throws {
        let error = #expect(throws: StageError.self) {
            _ = try remux([UInt8](repeating: 0x55, count: 300_000), to: "mkv")
        }
        #expect(error?.message.contains("is not media that FFmpeg can read") == true)
    }
}
