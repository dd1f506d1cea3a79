import CFFmpeg
import FreshetCore
import Glibc

/// A thread that runs one piece of work, and says how it ended.
final class WorkerThread: @unchecked Sendable {
    // Safe to share: the work is set before the thread starts, and its outcome is read under the mutex.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let ended = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var thread = pthread_t()
    private var isEnded = false
    private var failure: StageError?
    private let work: @Sendable () throws(StageError) -> Void

    /// Starts a thread for `work`.
    init(_ work: @escaping @Sendable () throws(StageError) -> Void) throws(StageError) {
        self.work = work
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(ended, nil)
        // The thread keeps this object alive until the work is done.
        let opaque = Unmanaged.passRetained(self).toOpaque()
        let code = pthread_create(
            &thread, nil,
            { opaque in
                guard let opaque else { return nil }
                Unmanaged<WorkerThread>.fromOpaque(opaque).takeRetainedValue().run()
                return nil
            }, opaque)
        if code != 0 {
            Unmanaged<WorkerThread>.fromOpaque(opaque).release()
            throw .failure("cannot start a thread: \(String(cString: strerror(code)))")
        }
    }

    deinit {
        pthread_detach(thread)
        pthread_cond_destroy(ended)
        pthread_mutex_destroy(mutex)
        ended.deallocate()
        mutex.deallocate()
    }

    private func run() {
        var outcome: StageError?
        do throws(StageError) { try work() } catch { outcome = error }
        pthread_mutex_lock(mutex)
        failure = outcome
        isEnded = true
        pthread_cond_broadcast(ended)
        pthread_mutex_unlock(mutex)
    }

    /// Waits until the work has ended, whatever came of it.
    func wait() {
        pthread_mutex_lock(mutex)
        while !isEnded { pthread_cond_wait(ended, mutex) }
        pthread_mutex_unlock(mutex)
    }

    /// Throws what the work threw, when it has ended so; true when it has ended well. Waits up to
    /// `milliseconds`.
    func hasEnded(waiting milliseconds: Int) throws(StageError) -> Bool {
        pthread_mutex_lock(mutex)
        if !isEnded && milliseconds > 0 {
            var until = timespec()
            clock_gettime(CLOCK_REALTIME, &until)
            until.tv_nsec += milliseconds * 1_000_000
            until.tv_sec += until.tv_nsec / 1_000_000_000
            until.tv_nsec %= 1_000_000_000
            pthread_cond_timedwait(ended, mutex, &until)
        }
        let (isEnded, failure) = (isEnded, failure)
        pthread_mutex_unlock(mutex)
        if let failure { throw failure }
        return isEnded
    }
}
