import FreshetCore
import Testing

@Suite struct PacketTests {
    private let pool = PacketPool(slotCount: 8, slotByteCount: 256, headroomByteCount: 32)

    private func packet(_ bytes: [UInt8]) throws -> Packet {
        guard var packet = pool.allocate() else { throw NoPacket() }
        packet.append(bytes.span.bytes)
        return packet
    }

    private struct NoPacket: Error {}

    @Test func bytesGoInAndComeOut() throws {
        let packet = try packet([1, 2, 3])
        check(Array(packet.unsafeBytes) == [1, 2, 3])
        check(packet.bytes.byteCount == 3 && packet.headroomByteCount == 32 && packet.spareByteCount == 221)
    }

    @Test func headersGoInFrontFromTheHeadroom() throws {
        var packet = try packet([5, 6])
        packet.prepend(byteCount: 2) {
            $0.storeBytes(of: 3, toByteOffset: 0, as: UInt8.self)
            $0.storeBytes(of: 4, toByteOffset: 1, as: UInt8.self)
        }
        check(Array(packet.unsafeBytes) == [3, 4, 5, 6])
        packet.removeFirst(1)
        packet.removeLast(1)
        check(Array(packet.unsafeBytes) == [4, 5])
    }

    @Test func ticketsOfOneSlotSeeRangesOfTheirOwn() throws {
        let whole = try packet([1, 2, 3, 4])
        var part = whole.share()
        part.removeFirst(2)
        check(Array(whole.unsafeBytes) == [1, 2, 3, 4])
        check(Array(part.unsafeBytes) == [3, 4])
    }

    @Test func modifyChangesBytesInPlace() throws {
        var packet = try packet([1, 2])
        packet.modify { $0.storeBytes(of: 9, toByteOffset: 1, as: UInt8.self) }
        check(Array(packet.unsafeBytes) == [1, 9])
    }

    @Test func anAttachmentIsReleasedOnceWithTheLastTicket() throws {
        let counter = Counter()
        var packet = try packet([])
        packet.unsafeAttach(Unmanaged.passRetained(counter).toOpaque()) {
            Unmanaged<Counter>.fromOpaque($0).takeRetainedValue().value += 1
        }
        let other = packet.share()
        check(packet.unsafeDetach() == nil)
        _ = consume packet
        check(counter.value == 0)
        _ = consume other
        check(counter.value == 1)
    }

    private final class Counter {
        var value = 0
    }

    @Test func ticketsAreSixteenBytes() {
        check(MemoryLayout<Packet>.size == 16)
        check(MemoryLayout<PacketInfo>.size <= 48)
    }
}
