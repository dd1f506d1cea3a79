import FreshetCore
import FreshetWire
import Testing

@Suite struct RetransmissionRequestTests {
    @Test func readsAGenericNACK() throws {
        // RFC 4585 §6.1 and §6.2.1 by hand: packets 256, 257 and 272 of source 0x0A0B0C0C.
        let wire = Wire(hex: "81CD0003 00000007 0A0B0C0D 01008001")
        let request = try #require(wire.firstPacket { RetransmissionRequest($0) })
        #expect(request.form == .bitmask && request.senderSSRC == 7 && request.mediaSSRC == 0x0A0B_0C0C)
        #expect(request.entryCount == 1)
        #expect(wire.firstPacket { $0.nackEntry(at: 0) } == NACKEntry(packetID: 256, lostMask: 0x8001))
        #expect(wire.firstPacket { $0.nackEntry(at: 1) } == nil)
        #expect(wire.firstPacket { $0.nackEntry(at: -1) } == nil)
    }

    @Test func readsARangeRequest() throws {
        // TR-06-1 by hand: the source's SSRC, "RIST", packet 256 and nine more, packet 65535 alone.
        let wire = Wire(hex: "80CC0004 0A0B0C0C 52495354 01000009 FFFF0000")
        let request = try #require(wire.firstPacket { RetransmissionRequest($0) })
        #expect(request.form == .range && request.mediaSSRC == 0x0A0B_0C0C && request.entryCount == 2)
        #expect(wire.firstPacket { $0.nackRange(at: 0) } == NACKRange(first: 256, additionalCount: 9))
        #expect(wire.firstPacket { $0.nackRange(at: 1) } == NACKRange(first: 65_535, additionalCount: 0))
    }

    @Test func bothFormsMakeTheRoundTrip() {
        var random = PRNG(seed: 33)
        for _ in 0..<5_000 {
            let count = Int(1 + random.below(20))
            let bits = (0..<count).map { _ in random.next() }
            let entries = bits.map {
                NACKEntry(
                    packetID: UInt16(truncatingIfNeeded: $0), lostMask: UInt16(truncatingIfNeeded: $0 >> 16))
            }
            let ranges = entries.map { NACKRange(first: $0.packetID, additionalCount: $0.lostMask) }
            let nack = Wire.compound { $0.writeRequest(senderSSRC: 1, mediaSSRC: 2, entries: entries.span) }
            #expect(nack.firstPacket { RetransmissionRequest($0) }?.entryCount == count)
            #expect((0..<count).map { index in nack.firstPacket { $0.nackEntry(at: index) } } == entries)
            let range = Wire.compound { $0.writeRequest(mediaSSRC: 2, ranges: ranges.span) }
            #expect(range.firstPacket { RetransmissionRequest($0) }?.form == .range)
            #expect((0..<count).map { index in range.firstPacket { $0.nackRange(at: index) } } == ranges)
        }
    }

    @Test func whatAsksForNothingIsNoRequest() {
        let none = [
            "81CD0002 00000007 0A0B0C0D", "82CD0003 00000007 0A0B0C0D 01008001", "80CC0002 0A0B0C0C 52495354",
            "81CC0003 0A0B0C0C 52495354 01000009", "80CC0003 0A0B0C0C 46525348 01000009",
        ]
        for hex in none { #expect(Wire(hex: hex).firstPacket { RetransmissionRequest($0) } == nil, "\(hex)") }
        #expect(Wire.compound { $0.writeRequest(mediaSSRC: 2, ranges: [NACKRange]().span) }.bytes.isEmpty)
    }
}
