import CFFmpeg

/// Ends waiting on inputs: standard input, servers, devices. Local files never wait and are not touched by
/// it.
///
/// The engine requests it when the user asks to end, from any thread or from a signal handler; a source that
/// waits gives up within 0.1 s and reports that it has finished. It holds for the whole process until it is
/// cleared.
public enum MediaInterrupt {
    /// Ends every wait, now and from now on. Async-signal-safe.
    public static func request() { cffmpeg_request_interrupt() }
    /// Lets inputs wait again.
    public static func clear() { cffmpeg_clear_interrupt() }
    /// True from ``request()`` to ``clear()``.
    public static var isRequested: Bool { cffmpeg_is_interrupted() != 0 }
}
