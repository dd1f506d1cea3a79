import FreshetWire
import Testing

@Suite struct RetransmissionMarkTests {
    @Test func aSetBitIsARetransmissionOfWhatCameWithout() {
        var mark = RetransmissionMark()
        let verdicts = ([4, 4, 5, 4, 5] as [UInt32]).map { mark.read($0) }
        #expect(verdicts == [false, false, true, false, true])
    }

    @Test func aSourceThatAlwaysHasTheBitRetransmitsNothing() {
        var mark = RetransmissionMark()
        let verdicts = (0..<100).map { _ in mark.read(0xB84D_D9C7) }
        #expect(!verdicts.contains(true))
    }
}
