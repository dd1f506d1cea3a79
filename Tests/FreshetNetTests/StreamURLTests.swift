import FreshetCore
import FreshetNet
import Testing

@Suite struct StreamURLTests {
    @Test func `an address with every option is read`() throws {
        let url = try StreamURL(
            "rtp://[ff15::7]:5004?interface=lo&source=::1&ttl=4&latency=1.5s&control=off&dscp=46&loopback=no")
        #expect(url.scheme == .rtp && url.description == "rtp://[ff15::7]:5004")
        #expect(url.interface == "lo" && url.source?.host == "::1" && url.ttl == 4)
        #expect(url.latency == .milliseconds(1500) && url.hasControl == false && url.dscp == 46)
        #expect(url.hasLoopback == false)
        #expect(url.controlAddress?.port == 5005)
    }

    @Test func `how long an answer is waited for is a time`() throws {
        #expect(try StreamURL("rist://127.0.0.1:5004?hello=1.5s").hello == .milliseconds(1500))
        #expect(try StreamURL("rist://127.0.0.1:5004").hello == nil)
        #expect(throws: StageError.self) { try StreamURL("rist://127.0.0.1:5004?hello=soon") }
    }

    @Test func `options left out are unset`() throws {
        let url = try StreamURL("udp://239.77.1.1:5000")
        #expect(
            try url == StreamURL(scheme: .udp, address: #require(SocketAddress("239.77.1.1", port: 5000))))
        #expect(url.hasControl == nil && url.ttl == nil && url.interface == nil)
    }

    @Test(arguments: [
        ("udp://@239.1.1.1:5000", "udp://239.1.1.1:5000"), ("rtp://:5004", "rtp://0.0.0.0:5004"),
        ("rtp://*:5004", "rtp://0.0.0.0:5004"), ("rtp://127.0.0.1:5004/", "rtp://127.0.0.1:5004"),
        ("rtp://@:5004?ttl=1", "rtp://0.0.0.0:5004"), ("rtp://127.0.0.1:5004/?ttl=1", "rtp://127.0.0.1:5004"),
    ])
    func `the ways in which other programs write it are understood`(text: String, description: String) throws
    {
        #expect(try StreamURL(text).description == description)
    }

    @Test func `a default scheme stands in for a missing one only`() throws {
        #expect(try StreamURL("127.0.0.1:5004", defaultScheme: .udp).scheme == .udp)
        #expect(try StreamURL("rtp://127.0.0.1:5004", defaultScheme: .udp).scheme == .rtp)
        #expect(throws: StageError.self) { try StreamURL("127.0.0.1:5004") }
    }

    @Test func `the last port has no control beside it`() throws {
        #expect(try StreamURL("rtp://127.0.0.1:65535").controlAddress == nil)
    }

    @Test(arguments: [
        ("http://127.0.0.1:80", "must begin with rtp://, rist:// or udp://"),
        ("", "must begin with rtp://, rist:// or udp://"),
        ("rtp://127.0.0.1", "the port is missing"), ("rtp://[::1]", "the port is missing"),
        ("rtp://127.0.0.1:0", "a number from 1 to 65535, not '0'"), ("rtp://127.0.0.1:99999", "not '99999'"),
        ("rtp://127.0.0.1:", "not ''"), ("rtp://ff15::7:5004", "must stand in brackets"),
        ("rtp://no.such.invalid:5004", "neither an address nor the name of a host"),
        ("rtp://127.0.0.1:5004?ttl=256", "ttl must be a number from 0 to 255, not '256'"),
        ("rtp://127.0.0.1:5004?dscp=-1", "dscp must be a number from 0 to 63"),
        ("rtp://127.0.0.1:5004?source=here", "source must be an address, not 'here'"),
        ("rtp://232.1.1.1:5004?source=239.1.1.1", "not the group '239.1.1.1'"),
        ("rtp://127.0.0.1:5004?latency=soon", "latency must be a time"),
        ("rtp://127.0.0.1:5004?control=maybe", "control must be on or off, not 'maybe'"),
        ("rtp://127.0.0.1:5004?tll=1", "there is no option 'tll'; there are: interface, source, ttl"),
    ])
    func `what is wrong is told in a sentence with the address in it`(text: String, part: String) throws {
        let error = #expect(throws: StageError.self) { try StreamURL(text) }
        #expect(error?.kind == .usage)
        let message = error?.message ?? ""
        #expect(message.contains(part) && message.hasPrefix("'\(text)': "), "\(message)")
    }
}
