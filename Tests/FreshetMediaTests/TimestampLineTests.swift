import FreshetCore
import Testing

@testable import FreshetMedia

@Suite struct TimestampLineTests {
    @Test func aSteadyClockIsLeftAlone() {
        var line = TimestampLine(trackCount: 2, mayJump: true)
        for frame in 0..<1000 {
            #expect(line.shift(track: 0, decode: Int64(frame) * 40_000, span: 40_000) == 0)
            #expect(line.shift(track: 1, decode: Int64(frame) * 40_000 - 300_000, span: 40_000) == 0)
        }
        #expect(line.jumpCount == 0)
    }

    @Test(arguments: [-5_000_000_000, 5_000_000_000, -1_900_000, -8_000_000, 11_000_000] as [Int64])
    func aJumpMovesAllTracksAlike(_ jump: Int64) {
        var line = TimestampLine(trackCount: 2, mayJump: true)
        for frame in 0..<50 {
            _ = line.shift(track: 0, decode: Int64(frame) * 40_000, span: 40_000)
            _ = line.shift(track: 1, decode: Int64(frame) * 40_000 - 300_000, span: 40_000)
        }
        let video = line.shift(track: 0, decode: 2_000_000 + jump, span: 40_000)
        #expect(video == -jump)
        // The other track still has frames from before the jump, then follows.
        #expect(line.shift(track: 1, decode: 1_700_000, span: 40_000) == 0)
        #expect(line.shift(track: 1, decode: 1_740_000 + jump, span: 40_000) == -jump)
        #expect(line.jumpCount == 1)
    }

    @Test func subtitlesMayBeSilentForLong() {
        var line = TimestampLine(trackCount: 2, mayJump: true)
        _ = line.shift(track: 1, decode: 0, span: 2_000_000)
        for frame in 0..<10_000 { _ = line.shift(track: 0, decode: Int64(frame) * 40_000, span: 40_000) }
        #expect(line.shift(track: 1, decode: 400_000_000, span: 2_000_000) == 0)
        #expect(line.jumpCount == 0)
    }

    @Test func aGapInAFileStaysAGap() {
        var line = TimestampLine(trackCount: 1, mayJump: false)
        _ = line.shift(track: 0, decode: 0, span: 40_000)
        #expect(line.shift(track: 0, decode: 60_000_000, span: 40_000) == 0)
    }

    @Test func manyJumpsAreForgottenInTime() {
        var line = TimestampLine(trackCount: 2, mayJump: true)
        var random = PRNG(seed: 3)
        var end: Int64?
        for _ in 0..<500 {
            let start = Int64(random.below(1 << 40))
            for frame in 0..<5 {
                for track in 0...1 {
                    let decode = start + Int64(frame) * 40_000
                    let place = decode + line.shift(track: track, decode: decode, span: 40_000)
                    if let end { #expect(place >= end - 40_000 && place <= end + 10_040_000) }
                    end = max(end ?? place, place + 40_000)
                }
            }
        }
    }
}
