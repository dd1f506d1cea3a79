import FreshetCore
import FreshetWire
import Testing

@Suite struct RepairRequestTests {
    private let example =
        "81CC0009 00000007 46525348 01000032 0A0B0C0C 01F40000 00000001 00000002 00030005 82060064"

    @Test func readsTheExampleOfThePage() throws {
        let wire = Wire(hex: example)
        let request = try #require(wire.firstPacket { RepairRequest($0) })
        #expect(
            request
                == RepairRequest(
                    senderSSRC: 7, mediaSSRC: 0x0A0B_0C0C, spacing: 50, roundTrip: 500, base: 0x1_0000_0002))
        #expect(wire.firstPacket { $0.repairEntryCount } == 1)
        let entry = RepairEntry(
            offset: 3, lostMask: 5, round: 2, allowsParity: true, quarterCopies: 6, window: 100)
        #expect(wire.firstPacket { $0.repairEntry(at: 0) } == entry)
        #expect(wire.firstPacket { $0.repairEntry(at: 1) } == nil)
        let written = Wire.compound { $0.write(request, entries: [entry].span) }
        #expect(written.bytes == wire.bytes)
    }

    @Test func otherVersionsAndShortPacketsAreNone() {
        let other = example.replacing("46525348 01", with: "46525348 02")
        #expect(Wire(hex: other).firstPacket { RepairRequest($0) } == nil)
        let short = "81CC0006 00000007 46525348 01000032 0A0B0C0C 01F40000 00000001"
        #expect(Wire(hex: short).firstPacket { RepairRequest($0) } == nil)
        #expect(Wire(hex: short).firstPacket { $0.repairEntryCount } == 0)
    }

    @Test func spansAreTenthsOfAMillisecond() {
        #expect(RepairRequest.tenths(.milliseconds(12)) == 120)
        #expect(RepairRequest.tenths(.milliseconds(-1)) == 0)
        #expect(RepairRequest.tenths(.seconds(60)) == .max)
        #expect(RepairRequest.span(tenths: 120) == .milliseconds(12))
    }

    @Test func theMostEntriesFitADatagram() {
        let entries = (0..<RepairRequest.entryLimit).map {
            RepairEntry(offset: UInt16($0), round: 0, window: 1)
        }
        let request = RepairRequest(senderSSRC: 1, mediaSSRC: 2, spacing: 0, roundTrip: 0, base: 0)
        var bytes = [UInt8](repeating: 0, count: 1200)
        var span = bytes.mutableSpan
        var raw = span.mutableBytes
        var writer = CompoundWriter(&raw)
        writer.write(request, entries: entries.span)
        #expect(!writer.hasOverflowed && writer.byteCount == 32 + 8 * RepairRequest.entryLimit)
    }
}
