import CFFmpeg
import FreshetCore
import Glibc

/// A bounded pipe of bytes from one thread to another, for libavformat, which pulls what the line pushes.
///
/// A full pipe takes no more: the writer leaves its input where it is, which is back-pressure.
final class BytePipe: MediaBytes, @unchecked Sendable {
    // Safe to share: every access to the state below is made with the mutex held.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let storage: UnsafeMutableRawBufferPointer
    private var head = 0
    private var count = 0
    private var isClosed = false
    private var isAbandoned = false
    private let wakeup: Int32

    /// A pipe that holds up to `capacity` bytes. `wakeup` is an event descriptor to signal when an empty pipe
    /// has something to read, or has been closed; -1 for none.
    init(capacity: Int, wakeup: Int32 = -1) {
        self.wakeup = wakeup
        storage = .allocate(byteCount: capacity, alignment: 64)
        super.init()
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(changed, nil)
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(mutex)
        changed.deallocate()
        mutex.deallocate()
        storage.deallocate()
    }

    /// Puts in as many of `bytes` as there is room for, after waiting up to `milliseconds` for any room;
    /// returns how many. A reader that has gone takes everything, and throws it away.
    func write(_ bytes: UnsafeRawBufferPointer, waiting milliseconds: Int) -> Int {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        if count == storage.count && !isAbandoned && milliseconds > 0 {
            var until = timespec()
            clock_gettime(CLOCK_REALTIME, &until)
            until.tv_nsec += milliseconds * 1_000_000
            until.tv_sec += until.tv_nsec / 1_000_000_000
            until.tv_nsec %= 1_000_000_000
            pthread_cond_timedwait(changed, mutex, &until)
        }
        if isAbandoned { return bytes.count }
        let taken = min(bytes.count, storage.count - count)
        let tail = (head + count) % storage.count
        let first = min(taken, storage.count - tail)
        copy(bytes, 0, first, to: tail)
        copy(bytes, first, taken - first, to: 0)
        if count == 0 && taken > 0 { announce() }
        count += taken
        return taken
    }

    private func announce() {
        pthread_cond_broadcast(changed)
        if wakeup >= 0 {
            var one: UInt64 = 1
            _ = Glibc.write(wakeup, &one, 8)
        }
    }

    private func copy(_ bytes: UnsafeRawBufferPointer, _ from: Int, _ byteCount: Int, to place: Int) {
        guard byteCount > 0 else { return }
        UnsafeMutableRawBufferPointer(rebasing: storage[place..<place + byteCount])
            .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[from..<from + byteCount]))
    }

    /// The writer has given everything.
    func close() {
        pthread_mutex_lock(mutex)
        isClosed = true
        announce()
        pthread_mutex_unlock(mutex)
    }

    /// The reader wants no more.
    func abandon() {
        pthread_mutex_lock(mutex)
        isAbandoned = true
        count = 0
        pthread_cond_broadcast(changed)
        pthread_mutex_unlock(mutex)
    }

    /// True when the reader wants no more.
    var hasNoReader: Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return isAbandoned
    }

    /// Waits for bytes, without limit: the writer closes the pipe at its end.
    override func read(into buffer: UnsafeMutableRawBufferPointer) throws(StageError) -> Int {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while count == 0 && !isClosed { pthread_cond_wait(changed, mutex) }
        return take(into: buffer)
    }

    /// As many bytes as there are, without waiting; 0 when there are none now.
    func readAvailable(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return take(into: buffer)
    }

    private func take(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let taken = min(buffer.count, count, storage.count - head)
        if taken == 0 { return 0 }
        buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: storage[head..<head + taken]))
        if count == storage.count { pthread_cond_broadcast(changed) }
        head = (head + taken) % storage.count
        count -= taken
        return taken
    }
}
