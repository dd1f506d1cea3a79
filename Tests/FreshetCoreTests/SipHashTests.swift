import FreshetCore
import Testing

@Suite struct SipHashTests {
    /// Appendix A of the paper: key 00…0f, message 00…0e.
    @Test func thePapersExampleComesOut() {
        var hash = SipHash(key: SipKey(low: 0x0706_0504_0302_0100, high: 0x0f0e_0d0c_0b0a_0908))
        hash.combine(0x0706_0504_0302_0100)
        #expect(hash.tag(tail: 0x0e_0d0c_0b0a_0908, count: 7) == 0xa129_ca61_49be_45e5)
    }

    /// From the authors' list of vectors: no bytes, and eight.
    @Test func wholeWordsNeedNoTail() {
        var hash = SipHash(key: SipKey(low: 0x0706_0504_0302_0100, high: 0x0f0e_0d0c_0b0a_0908))
        #expect(hash.tag() == 0x726f_db47_dd0e_0e31)
        hash.combine(0x0706_0504_0302_0100)
        #expect(hash.tag() == 0x93f5_f579_9a93_2462)
    }

    @Test func derivedKeysDifferFromEachOtherAndTheirs() {
        let key = SipKey(low: 1, high: 2)
        #expect(Set([key, key.derived(for: 1), key.derived(for: 2)]).count == 3)
        #expect(key.derived(for: 1) == key.derived(for: 1))
    }
}
