import FreshetWire
import Testing

@Suite struct RetransmissionMarkTests {
    @Test func aSetBitIsARetransmissionOfWhatCameWithout() {
        var mark = RetransmissionMark()
        let verdicts = [4, 4, 5, 4, 5].map { mark.read($0) }
        #expect(verdicts == [false, false, true, false, true])
    }

    @Test func aSourceThatAlwaysHasTheBitRetransmitsNothing() {
        var mark = RetransmissionMark()
        for _ in 0..<100 { #expect(!mark.read(0xB84D_D9C7)) }
    }
}
