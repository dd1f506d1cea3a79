import FreshetCore
import FreshetNet
import Testing

@testable import FreshetEngine

@Suite struct SourceSelectorTests {
    private let first = SocketAddress.any(.ipv4, port: 1001)
    private let second = SocketAddress.any(.ipv4, port: 1002)

    private func at(_ milliseconds: Int64) -> Instant { .zero + .milliseconds(1_000 + milliseconds) }

    /// A selector that follows `first` with SSRC 2, one packet a millisecond up to `milliseconds`.
    private func follower(until milliseconds: Int64) -> SourceSelector {
        var selector = SourceSelector()
        #expect(selector.judge(first, 2, at(0), isValid: true) == .newSource)
        for time in 1...milliseconds {
            let isChosen = selector.isChosen(first, 2, at(time))
            #expect(isChosen)
        }
        return selector
    }

    @Test func `nobody is chosen before a valid packet`() {
        var selector = SourceSelector()
        let isChosen = (selector.isChosen(first, 0, at(0)), selector.isChosen(first, 2, at(0)))
        #expect(!isChosen.0 && !isChosen.1)
        #expect(selector.judge(first, 2, at(0), isValid: false) == .foreign(isNews: false))
        #expect(selector.judge(first, 2, at(1), isValid: true) == .newSource)
        #expect(selector.epoch == 0 && selector.ssrc == 2 && selector.sender == first)
    }

    @Test func `while the first sends, others are foreign and told once a minute`() {
        var selector = follower(until: 200)
        #expect(selector.judge(second, 2, at(201), isValid: true) == .foreign(isNews: true))
        #expect(selector.judge(first, 4, at(202), isValid: true) == .foreign(isNews: false))
        for time: Int64 in stride(from: 203, to: 60_201, by: 50) {
            let isChosen = selector.isChosen(first, 2, at(time))
            #expect(isChosen)
            #expect(selector.judge(second, 2, at(time), isValid: true) == .foreign(isNews: false))
        }
        #expect(selector.judge(second, 2, at(60_201), isValid: true) == .foreign(isNews: true))
        #expect(selector.epoch == 0)
    }

    @Test func `junk is never news and never chosen`() {
        var selector = follower(until: 200)
        #expect(selector.judge(second, 2, at(201), isValid: false) == .foreign(isNews: false))
        #expect(selector.judge(second, 2, at(9_000), isValid: false) == .foreign(isNews: false))
        #expect(selector.sender == first)
    }

    @Test func `after twenty intervals of silence, 100 ms at least, the next is chosen as a new epoch`() {
        var selector = follower(until: 200)
        #expect(selector.judge(second, 8, at(300), isValid: true) == .foreign(isNews: true))
        #expect(selector.judge(second, 8, at(301), isValid: true) == .newSource)
        #expect(selector.epoch == 1 && selector.ssrc == 8 && selector.sender == second)
        let isOld = selector.isChosen(first, 2, at(302))
        #expect(!isOld)
    }

    @Test func `a slow source may be silent for longer, 2 s at most`() {
        var selector = SourceSelector()
        #expect(selector.judge(first, 2, at(0), isValid: true) == .newSource)
        for count: Int64 in 1...100 { _ = selector.isChosen(first, 2, at(count * 900)) }
        #expect(selector.judge(second, 2, at(90_000 + 2_000), isValid: true) == .foreign(isNews: true))
        #expect(selector.judge(second, 2, at(90_000 + 2_001), isValid: true) == .newSource)
    }

    @Test func `the same sender with a new SSRC is a new source once the old is silent`() {
        var selector = follower(until: 200)
        #expect(selector.judge(first, 6, at(400), isValid: true) == .newSource)
        #expect(selector.epoch == 1 && selector.ssrc == 6)
    }

    @Test func `arrivals out of order count as no silence`() {
        var selector = follower(until: 200)
        let isChosen = selector.isChosen(first, 2, at(100))
        #expect(isChosen)
        #expect(selector.judge(second, 2, at(250), isValid: true) == .foreign(isNews: true))
    }

    @Test func `control is taken from any port of the chosen host`() throws {
        var selector = SourceSelector()
        let host = try #require(SocketAddress("127.0.0.1", port: 5004))
        #expect(!selector.isChosenHost(host))
        #expect(selector.judge(host, 2, at(0), isValid: true) == .newSource)
        #expect(selector.isChosenHost(host.with(port: 9)))
        #expect(try !selector.isChosenHost(#require(SocketAddress("127.0.0.2", port: 5004))))
    }
}
