import CFFmpeg
import FreshetCore

/// A muxer's bytes in memory, until they are taken away in pieces.
///
/// It grows to what the largest picture, with what the muxer held back for its order, needs, and stays that
/// large. Past
/// `limit` the muxer is told that there is no room, which ends the stream: so much between two hand-overs
/// is no live media.
final class MuxedBuffer: MuxedBytes {
    /// Bytes written since the beginning.
    private(set) var writtenByteCount = 0
    private var storage: UnsafeMutableRawBufferPointer
    private var start = 0
    private var end = 0
    private let limit: Int

    /// An empty buffer that may grow to `limit` bytes.
    init(limit: Int = 64 << 20) {
        self.limit = limit
        storage = .allocate(byteCount: 256 * 1024, alignment: 64)
    }

    deinit { storage.deallocate() }

    /// The bytes not yet taken.
    var unread: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: storage[start..<end]) }

    /// The first `byteCount` unread bytes are done with.
    func removeFirst(_ byteCount: Int) {
        start += byteCount
        if start == end {
            start = 0
            end = 0
        }
    }

    override func write(_ bytes: UnsafeRawBufferPointer) -> Int32 {
        if storage.count - end < bytes.count, !makeRoom(for: bytes.count) { return Int32(CFFMPEG_NO_MEMORY) }
        UnsafeMutableRawBufferPointer(rebasing: storage[end...]).copyMemory(from: bytes)
        end += bytes.count
        writtenByteCount += bytes.count
        return 0
    }

    private func makeRoom(for byteCount: Int) -> Bool {
        let used = end - start
        guard used + byteCount <= limit else { return false }
        if used + byteCount > storage.count / 2 {
            var size = storage.count
            while size < 2 * (used + byteCount) { size *= 2 }
            let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 64)
            larger.copyMemory(from: unread)
            storage.deallocate()
            storage = larger
        } else {
            storage.copyMemory(from: unread)
        }
        start = 0
        end = used
        return true
    }
}
