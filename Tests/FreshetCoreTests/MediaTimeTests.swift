import FreshetCore
import Testing

@Suite struct MediaTimeTests {
    @Test func ticksAndNanosecondsConvertExactly() {
        let start = MediaTime(ticks: 1_000)
        #expect(MediaTime(ticks: 1_000 + 27_000_000).since(start) == .seconds(1))
        #expect(start.advanced(by: .seconds(3_600)).ticks == 1_000 + 27_000_000 * 3_600)
        #expect(MediaTime(ticks90k: 90_000).ticks == 27_000_000)
        #expect(MediaTime(ticks: -1).ticks90k == -1 && MediaTime(ticks: 299).ticks90k == 0)
        #expect(MediaTime(ticks: 0).since(MediaTime(ticks: 27)) == Nanoseconds(-1000))
    }

    @Test func thirtyThreeBitsUnwrapForAHundredHours() {
        var unwrapper = CounterUnwrapper(bitCount: 33)
        var truth: Int64 = (1 << 33) - 500_000
        _ = unwrapper.unwrap(UInt64(truth))
        for _ in 0..<100_000 {
            truth += 324_000
            #expect(unwrapper.unwrap(UInt64(truth & ((1 << 33) - 1))) == truth)
        }
    }

    @Test func aStepBackIsNotTakenForAWrap() {
        var unwrapper = CounterUnwrapper(bitCount: 16)
        _ = unwrapper.unwrap(3)
        #expect(unwrapper.unwrap(65_533) == -3)
        #expect(unwrapper.unwrap(10) == 10)
    }

    @Test func sequenceNumbersExtendOverManyWrapsWithReordering() {
        var random = PRNG(seed: 5)
        var extender = SequenceExtender()
        var truth: Int64 = 65_000
        #expect(extender.extend(65_000) == 65_000)
        for _ in 0..<1_000_000 {
            truth += 1
            let sent = truth - Int64(random.below(100))
            if sent < 65_000 { continue }
            let got = extender.extend(UInt16(truncatingIfNeeded: sent))
            if got != sent { #expect(got == sent) }
        }
    }
}
