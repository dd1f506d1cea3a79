import FreshetCore
import FreshetWire
import Testing

@Suite struct RoundTripEchoTests {
    @Test func readsARequestAndAResponse() {
        // TR-06-1 §5.2.6 by hand.
        let request = Wire(hex: "82CC0005 0A0B0C0D 52495354 01020304 05060708 00000000")
        #expect(
            request.firstPacket { RoundTripEcho($0) }
                == RoundTripEcho(isResponse: false, mediaSSRC: 0x0A0B_0C0C, stamp: 0x0102_0304_0506_0708))
        let response = Wire(hex: "83CC0005 0A0B0C0C 52495354 01020304 05060708 00000009")
        #expect(
            response.firstPacket { RoundTripEcho($0) }
                == RoundTripEcho(
                    isResponse: true, mediaSSRC: 0x0A0B_0C0C, stamp: 0x0102_0304_0506_0708,
                    delayMicroseconds: 9))
    }

    @Test func paddingBehindItIsPassedOver() {
        let padded = Wire(hex: "82CC0007 0A0B0C0C 52495354 01020304 05060708 00000000 FFFFFFFF FFFFFFFF")
        #expect(padded.firstPacket { RoundTripEcho($0) }?.stamp == 0x0102_0304_0506_0708)
    }

    @Test func whatIsWrittenIsRead() {
        var random = PRNG(seed: 4)
        for index in 0..<500 {
            let echo = RoundTripEcho(
                isResponse: index % 2 == 0, mediaSSRC: UInt32(truncatingIfNeeded: random.next()) & ~1,
                stamp: random.next(), delayMicroseconds: UInt32(truncatingIfNeeded: random.next()))
            #expect(Wire.compound { $0.write(echo) }.firstPacket { RoundTripEcho($0) } == echo)
        }
    }

    @Test func otherPacketsAreNone() {
        let none = [
            "82CC0003 0A0B0C0C 52495354 01020304", "82CC0005 0A0B0C0C 46525348 01020304 05060708 00000000",
            "84CC0005 0A0B0C0C 52495354 01020304 05060708 00000000",
        ]
        for hex in none { #expect(Wire(hex: hex).firstPacket { RoundTripEcho($0) } == nil, "\(hex)") }
    }
}
