import FreshetCore
import FreshetWire
import Testing

@Suite struct SessionDescriptionParserTests {
    @Test func readsTheExampleOfTheStandard() throws {
        // The example of RFC 8866 §5.
        let text = """
            v=0
            o=jdoe 3724394400 3724394405 IN IP4 198.51.100.1
            s=Call to John Smith
            i=SDP Offer #1
            u=http://www.jdoe.example.com/home.html
            e=Jane Doe <jane@jdoe.example.com>
            p=+1 617 555-6011
            c=IN IP4 198.51.100.1
            t=0 0
            m=audio 49170 RTP/AVP 0
            m=audio 49180 RTP/AVP 0
            m=video 51372 RTP/AVP 99
            c=IN IP6 2001:db8::2
            a=rtpmap:99 h263-1998/90000

            """
        let description = try #require(SessionDescription(parsing: text))
        #expect(description.port == 49_170 && description.payloadType == 0 && description.encodingName == "")
        #expect(description.name == "Call to John Smith" && description.sessionID == 3_724_394_400)
        #expect(description.address.text == "198.51.100.1" && !description.address.isMulticast)
    }

    @Test func prefersTheTransportStream() throws {
        let text = """
            v=0
            o=- 1 1 IN IP4 192.0.2.1
            s=-
            t=0 0
            m=audio 5000 RTP/AVP 14
            c=IN IP4 239.1.1.1/16
            m=video 6000/2 RTP/AVP 96 97
            c=IN IP4 239.2.2.2/32/2
            a=rtpmap:96 H264/90000
            a=rtpmap:97 mp2t/90000
            a=source-filter:incl IN IP4 * 192.0.2.7 192.0.2.8
            a=rtcp:7001 IN IP4 239.2.2.2
            """
        let description = try #require(SessionDescription(parsing: text))
        #expect(description.port == 6000 && description.payloadType == 97 && description.controlPort == 7001)
        #expect(
            description.address.text == "239.2.2.2" && description.timeToLive == 32 && description.name == "")
        #expect(description.sources == ["192.0.2.7", "192.0.2.8"] && description.clockRate == 90_000)
    }

    @Test func type33NeedsNoMapping() throws {
        let text = "v=0\r\nc=IN IP4 239.1.1.1/3\r\nm=video 5004 RTP/AVP 33\r\n"
        let description = try #require(SessionDescription(parsing: text))
        #expect(
            description.encodingName == "MP2T" && description.clockRate == 90_000
                && description.timeToLive == 3)
    }

    @Test func refusesWhatItCannotUse() {
        let wrong = [
            "", "v=1\nc=IN IP4 239.1.1.1/3\nm=video 5004 RTP/AVP 33\n", "v=0\nm=video 5004 RTP/AVP 33\n",
            "v=0\nc=IN IP4 239.1.1.1/3\n", "v=0\nc=IN IP4 239.1.1.1/3\nm=video 70000 RTP/AVP 33\n",
            "v=0\nc=IN IP4 239.1.1.1/300\nm=video 5004 RTP/AVP 33\n",
            "v=0\nc=IN IP4 a;b\nm=video 5004 RTP/AVP 33\n",
            "v=0\nc=IN IP4 ff15::1\nm=video 5004 RTP/AVP 33\n",
            "v=0\nc=IN IP4 239.1.1.1/3\nm=video 5004 udp 33\n",
        ]
        for text in wrong { #expect(SessionDescription(parsing: text) == nil, "\(text)") }
    }

    @Test func neverTraps() {
        var random = PRNG(seed: 51)
        let text = SessionDescription(
            name: "n", origin: "192.0.2.1", address: "232.1.1.1", port: 5004, sources: ["192.0.2.1"]
        ).text
        let seed = Wire(Array(text.utf8))
        var readCount = 0
        for _ in 0..<10_000 {
            let wire = seed.mutated(&random)
            if wire.read({ SessionDescription(parsing: $0) }) != nil { readCount += 1 }
        }
        #expect(readCount > 0 && readCount < 10_000)
    }
}
