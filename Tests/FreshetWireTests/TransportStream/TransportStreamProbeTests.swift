import FreshetWire
import Testing

@Suite struct TransportStreamProbeTests {
    private func stream(_ count: Int) -> Wire {
        Wire((0..<count).flatMap { _ in TSPacketTests.packet("47 01 00 10").bytes })
    }

    @Test func knowsStreamsOfAnyLength() {
        for count in [1, 2, 5, 7, 20] {
            #expect(stream(count).read { isTransportStream($0) })
        }
        #expect(Wire(stream(3).bytes + [0x47, 1]).read { isTransportStream($0) })
    }

    @Test func refusesAnythingElse() {
        #expect(!Wire([]).read { isTransportStream($0) })
        #expect(!Wire(Array(stream(1).bytes.prefix(187))).read { isTransportStream($0) })
        #expect(!Wire(stream(3).bytes + [0x48]).read { isTransportStream($0) })
        var late = stream(5)
        late.bytes[4 * 188] = 0
        #expect(!late.read { isTransportStream($0) })
    }
}
