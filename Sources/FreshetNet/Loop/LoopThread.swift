internal import CLinux
internal import Glibc

/// A POSIX thread that runs one closure; joined before it is let go.
public final class LoopThread: @unchecked Sendable {
    private final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    private var thread = pthread_t()
    private var isJoined = false

    /// Starts a thread called `name` (at most 15 bytes are shown by the system).
    public init?(name: String, _ run: @escaping @Sendable () -> Void) {
        let body = Unmanaged.passRetained(
            Body {
                _ = clinux_name_this_thread(name)
                run()
            })
        let status = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, body.toOpaque())
        if status != 0 {
            body.release()
            return nil
        }
    }

    /// Waits for the closure to return.
    public func join() {
        if isJoined { return }
        isJoined = true
        pthread_join(thread, nil)
    }

    deinit { join() }
}
