import Foundation
import FreshetCore
import FreshetWire
import Testing

@testable import FreshetMedia

@Suite struct StreamRestamperTests {
    let clips: Clips

    init() throws { clips = try Clips() }

    private func played(_ path: String, rounds: Int) throws -> [UInt8] {
        var options = MediaInput.Options(location: path)
        options.rounds = rounds
        return try Bench().transportStream(options)
    }

    /// The largest and the smallest step between clock references, in milliseconds; and continuity errors.
    private func check(_ bytes: [UInt8]) -> (longest: Int64, shortest: Int64, errors: Int) {
        var checker = ContinuityChecker()
        var last: Int64?
        var (longest, shortest) = (Int64.min, Int64.max)
        for place in stride(from: 0, to: bytes.count, by: 188) {
            guard let packet = TSPacket(parsing: bytes.span.bytes, at: place) else { continue }
            _ = checker.check(packet)
            guard packet.flags.contains(.hasClockReference) else { continue }
            if let last {
                let step = ClockReference.step(from: last, to: packet.clockReference) / 27_000
                longest = max(longest, step)
                shortest = min(shortest, step)
            }
            last = packet.clockReference
        }
        return (longest, shortest, checker.gapCount + checker.duplicateCount)
    }

    @Test(arguments: ["", " -muxrate 1M", " -output_ts_offset 95441"])
    func aTransportStreamPlayedAgainGoesOnWithoutAJump(_ extra: String) throws {
        let path = try clips.make(
            "a.ts", "\(Clips.video) \(Clips.audio) \(Clips.h264) -c:a aac -pcr_period 40\(extra)")
        let once = try Clips.read(path)
        let bytes = try played(path, rounds: 4)
        #expect(bytes.count == 4 * once.count)
        #expect(Array(bytes.prefix(once.count)) == once)
        let (longest, shortest, errors) = check(bytes)
        #expect(errors == 0)
        #expect(shortest >= 0 && longest <= 120)
        let stream = try clips.write("b.ts", bytes)
        let decoding = try Contents.times(stream, 0).compactMap(\.decoding)
        #expect(decoding.count == 120)
        let steps = zip(decoding, decoding.dropFirst()).map { $1 - $0 }
        #expect(steps.allSatisfy { $0 > 0.039 && $0 < 0.1 })
        let pictures = try Contents(path).pictures
        #expect(try Contents(stream).pictures == pictures + pictures + pictures + pictures)
    }

    @Test func aStreamWhoseClockJumpsIsRepeatedAsItIs() throws {
        let first = try clips.make("a.ts", "\(Clips.video) \(Clips.h264) -output_ts_offset 5000")
        let second = try clips.make("b.ts", "\(Clips.video) \(Clips.h264)")
        let both = try Clips.read(first) + Clips.read(second)
        #expect(try played(try clips.write("c.ts", both), rounds: 2) == both + both)
    }

    @Test func bytesThatAreNoPacketsAreRepeatedAsTheyAre() throws {
        var bytes = try Clips.read(try clips.make("a.ts", "\(Clips.video) \(Clips.h264)"))
        bytes.insert(contentsOf: [1, 2, 3, 4, 5, 6, 7], at: 188 * 50)
        let repeated = try played(try clips.write("b.ts", bytes), rounds: 3)
        #expect(repeated.count == 3 * bytes.count)
        #expect(Array(repeated.prefix(bytes.count)) == bytes)
    }
}
