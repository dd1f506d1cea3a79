internal import FreshetCore
internal import Glibc

/// The newest bytes of a stream, once for all its readers, each of whom has a place of its own in it.
///
/// One thread appends, any may read. The writer never waits for a reader: what does not fit any more goes, and
/// a reader who
/// had not come that far goes on at the newest start, or ends where the stream cannot be entered in the middle.
/// Memory: `capacity` bytes and 32 bytes for each of 1024 marks, taken once and touched as they are first used.
final class BroadcastRing: @unchecked Sendable {
    // Safe to share: every access to the state below is made with the mutex held.

    /// A reader's place. A new one is put at the newest start by its first read.
    struct Cursor {
        fileprivate var position: Int64 = -1
        /// What the reader has of the head; `nil` when it needs none of it.
        fileprivate var headOffset: Int?
        /// Bytes that the reader was too slow for.
        fileprivate(set) var skippedByteCount: Int64 = 0
    }

    /// What a read came to.
    enum Outcome: Equatable {
        /// So many bytes were put in the buffer.
        case bytes(Int)
        /// The reader has all there is.
        case nothing
        /// The reader has all there ever will be, or has lost its place for good.
        case ended
    }

    private struct Mark {
        var position: Int64
        /// A reader can start here.
        var isStart: Bool
        /// A reader who starts here must have the head first.
        var needsHead: Bool
    }

    /// Where readers may be taken away from and put back.
    enum Joints {
        /// At every multiple of so many bytes.
        case every(Int)
        /// Where ``mark(isStart:needsHead:)`` was called; a stream can then only be entered at a start.
        case marks
    }

    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let storage: UnsafeMutableRawBufferPointer
    private let joints: Joints
    private var marks = FixedRing<Mark>(capacity: 1024)
    private var head: [UInt8] = []
    private var end: Int64 = 0
    private var isClosed = false
    private var waiterCount = 0

    /// An empty ring for the newest `capacity` bytes.
    init(capacity: Int, joints: Joints) {
        self.joints = joints
        storage = .allocate(byteCount: capacity, alignment: 4096)
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(changed, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(mutex)
        changed.deallocate()
        mutex.deallocate()
        storage.deallocate()
    }

    // MARK: The writer

    /// What readers who start in the middle are given first (tables, a container's header).
    func setHead(_ bytes: [UInt8]) {
        pthread_mutex_lock(mutex)
        head = bytes
        pthread_mutex_unlock(mutex)
    }

    /// Says what begins `back` bytes before the next that is appended. When there are too many marks the oldest goes.
    func mark(back: Int = 0, isStart: Bool, needsHead: Bool) {
        pthread_mutex_lock(mutex)
        if marks.isFull { _ = marks.popFirst() }
        marks.append(Mark(position: end - Int64(back), isStart: isStart, needsHead: needsHead))
        pthread_mutex_unlock(mutex)
    }

    /// Adds `bytes`; of more than fit, the last.
    func append(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count > 0 else { return }
        pthread_mutex_lock(mutex)
        let kept = UnsafeRawBufferPointer(rebasing: bytes.suffix(storage.count))
        end += Int64(bytes.count - kept.count)
        let place = Int(end % Int64(storage.count))
        let first = min(kept.count, storage.count - place)
        UnsafeMutableRawBufferPointer(rebasing: storage[place...])
            .copyMemory(from: UnsafeRawBufferPointer(rebasing: kept[..<first]))
        storage.copyMemory(from: UnsafeRawBufferPointer(rebasing: kept[first...]))
        end += Int64(kept.count)
        if waiterCount > 0 { pthread_cond_broadcast(changed) }
        pthread_mutex_unlock(mutex)
    }

    /// Nothing more comes: readers get the rest and the end.
    func close() {
        pthread_mutex_lock(mutex)
        isClosed = true
        pthread_cond_broadcast(changed)
        pthread_mutex_unlock(mutex)
    }

    // MARK: Readers

    /// Puts the next bytes for `cursor` in `buffer`; waits up to `span` for some.
    func read(
        _ cursor: inout Cursor, into buffer: UnsafeMutableRawBufferPointer, waiting span: Nanoseconds = .zero
    ) -> Outcome {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        var outcome = next(&cursor, buffer)
        if outcome == .nothing, span.count > 0 {
            var until = timespec()
            clock_gettime(CLOCK_MONOTONIC, &until)
            let nanoseconds = until.tv_nsec + Int(span.count)
            until.tv_sec += nanoseconds / 1_000_000_000
            until.tv_nsec = nanoseconds % 1_000_000_000
            waiterCount += 1
            while outcome == .nothing, pthread_cond_timedwait(changed, mutex, &until) == 0 {
                outcome = next(&cursor, buffer)
            }
            waiterCount -= 1
        }
        return outcome
    }

    private func next(_ cursor: inout Cursor, _ buffer: UnsafeMutableRawBufferPointer) -> Outcome {
        if cursor.position < 0, !enter(&cursor) { return isClosed ? .ended : .nothing }
        if let offset = cursor.headOffset {
            let rest = head[min(offset, head.count)...].prefix(buffer.count)
            buffer.copyBytes(from: rest)
            cursor.headOffset = rest.endIndex == head.count ? nil : rest.endIndex
            if !rest.isEmpty { return .bytes(rest.count) }
        }
        if cursor.position < start, !resume(&cursor) { return .ended }
        var count = min(buffer.count, Int(end - cursor.position))
        switch joints {
        case .every(let size): count -= count % size
        case .marks: count = min(count, Int(nextMark(after: cursor.position) - cursor.position))
        }
        if count == 0 { return isClosed ? .ended : .nothing }
        let place = Int(cursor.position % Int64(storage.count))
        let first = min(count, storage.count - place)
        buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: storage[place..<place + first]))
        UnsafeMutableRawBufferPointer(rebasing: buffer[first...])
            .copyMemory(from: UnsafeRawBufferPointer(rebasing: storage[..<(count - first)]))
        cursor.position += Int64(count)
        return .bytes(count)
    }

    /// The oldest byte's position.
    private var start: Int64 { max(0, end - Int64(storage.count)) }

    /// Puts a new reader at the newest start or, where the stream can be entered anywhere, at its end.
    private func enter(_ cursor: inout Cursor) -> Bool {
        if let mark = newestStart() {
            cursor.position = mark.position
            cursor.headOffset = mark.needsHead ? 0 : nil
            return true
        }
        guard case .every = joints, end > 0 else { return false }
        cursor.position = end
        cursor.headOffset = 0
        return true
    }

    /// Puts a reader who was too slow at the newest start behind its place; false when it is in the midst of
    /// something.
    private func resume(_ cursor: inout Cursor) -> Bool {
        if case .marks = joints, !isMark(cursor.position) { return false }
        var target = end
        if let mark = newestStart() { target = mark.position } else if case .marks = joints { return false }
        cursor.skippedByteCount += target - cursor.position
        cursor.position = target
        return true
    }

    private func newestStart() -> Mark? {
        for offset in stride(from: marks.count - 1, through: 0, by: -1) {
            let mark = marks[offset]
            if mark.position < start { return nil }
            if mark.isStart { return mark }
        }
        return nil
    }

    private func isMark(_ position: Int64) -> Bool {
        let offset = firstMark(atOrAfter: position)
        return offset < marks.count && marks[offset].position == position
    }

    private func nextMark(after position: Int64) -> Int64 {
        let offset = firstMark(atOrAfter: position + 1)
        return offset < marks.count ? marks[offset].position : end
    }

    private func firstMark(atOrAfter position: Int64) -> Int {
        var low = 0
        var high = marks.count
        while low < high {
            let middle = (low + high) / 2
            if marks[middle].position < position { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
