import FreshetCore
import Glibc

/// Packets that are being filled by one system call (readv), straight from where the system keeps a file's bytes:
/// each byte is copied once, not by way of a buffer.
struct ScatteredRead: ~Copyable {
    /// The packets, empty until their bytes were looked at.
    private var packets: PacketBatch
    private let parts: UnsafeMutableBufferPointer<iovec>
    private let byteCountEach: Int

    /// Room for `packetLimit` packets of `byteCountEach` bytes.
    init(packetLimit: Int, byteCountEach: Int) {
        packets = PacketBatch(capacity: packetLimit)
        parts = .allocate(capacity: packetLimit)
        self.byteCountEach = byteCountEach
    }

    deinit { parts.deallocate() }

    /// Reads up to `limit` packets' worth; gives how many bytes came, 0 at the end, `nil` where `bytes` cannot be
    /// read so.
    mutating func read(
        _ bytes: MediaBytes, limit: Int, context: inout StageContext
    ) throws(StageError) -> Int? {
        packets.removeAll()
        while packets.count < limit, !packets.isFull, let packet = context.allocate() {
            parts[packets.count] = iovec(
                iov_base: packet.unsafeWritableBytes.baseAddress, iov_len: byteCountEach)
            packets.append(packet)
        }
        let count = try bytes.scatter(over: UnsafeMutableBufferPointer(rebasing: parts[..<packets.count]))
        if count == nil { packets.removeAll() }
        return count
    }

    /// The bytes of the first packet still here, whole or not.
    var firstBytes: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: packets[0].unsafeWritableBytes[..<byteCountEach])
    }

    /// The first packet, with all its bytes; `nil` when none is left.
    mutating func take() -> Packet? {
        guard var packet = packets.popFirst() else { return nil }
        packet.setByteCount(byteCountEach)
        return packet
    }

    /// Copies the first `byteCount` bytes still here to `buffer`, and lets all packets go.
    mutating func spill(_ byteCount: Int, to buffer: UnsafeMutableRawBufferPointer) {
        var moved = 0
        while moved < byteCount {
            let count = min(byteCountEach, byteCount - moved)
            buffer[moved..<moved + count].copyBytes(from: firstBytes[..<count])
            moved += count
            _ = packets.popFirst()
        }
        packets.removeAll()
    }
}
