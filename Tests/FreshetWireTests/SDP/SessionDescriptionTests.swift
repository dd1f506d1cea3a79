import FreshetCore
import FreshetWire
import Testing

@Suite struct SessionDescriptionTests {
    @Test func describesAGroup() {
        let description = SessionDescription(
            name: "clip.mp4", origin: "192.0.2.1", address: "239.77.1.1", port: 5004, timeToLive: 4,
            sessionID: 7,
            sessionVersion: 8)
        let expected = """
            v=0
            o=- 7 8 IN IP4 192.0.2.1
            s=clip.mp4
            c=IN IP4 239.77.1.1/4
            t=0 0
            a=tool:freshet
            a=recvonly
            m=video 5004 RTP/AVP 33
            a=rtpmap:33 MP2T/90000

            """
        #expect(description.text == expected.split(separator: "\n").map { $0 + "\r\n" }.joined())
    }

    @Test func namesTheSourceOfASourceSpecificGroup() {
        let description = SessionDescription(
            name: "", origin: "2001:db8::1", address: "ff35::8000:1", port: 5004, sources: ["2001:db8::1"])
        #expect(description.text.contains("\r\na=source-filter: incl IN IP6 ff35::8000:1 2001:db8::1\r\n"))
        #expect(description.text.contains("\r\nc=IN IP6 ff35::8000:1\r\n"))
        #expect(description.text.contains("\r\ns=-\r\n"))
    }

    @Test func givesAHostNoReach() {
        let description = SessionDescription(name: "x", origin: "192.0.2.1", address: "192.0.2.9", port: 5004)
        #expect(description.text.contains("\r\nc=IN IP4 192.0.2.9\r\n"))
    }

    @Test func aNameCannotAddLines() {
        let description = SessionDescription(
            name: "a\r\nm=audio 1 RTP/AVP 0\u{0}", origin: "192.0.2.1", address: "239.1.1.1", port: 5004)
        #expect(description.text.contains("\r\ns=am=audio 1 RTP/AVP 0\r\n"))
    }

    @Test func whatIsWrittenIsRead() {
        var random = PRNG(seed: 50)
        for _ in 0..<500 {
            let isIPv6 = random.chance(1, in: 2)
            var description = SessionDescription(
                name: "stream \(random.below(100))",
                origin: isIPv6 ? "2001:db8::5" : "10.0.0.\(random.below(256))",
                address: isIPv6 ? "ff15::\(random.below(9999))" : "239.1.2.\(random.below(256))",
                port: UInt16(2 + random.below(60_000)), timeToLive: isIPv6 ? 1 : UInt8(random.below(256)),
                sources: random.chance(1, in: 2) ? [] : [isIPv6 ? "2001:db8::7" : "10.1.2.3"],
                sessionID: random.next(), sessionVersion: random.next())
            if random.chance(1, in: 4) { description.controlPort = 9999 }
            #expect(SessionDescription(parsing: description.text) == description)
        }
    }
}
