import CLinux

/// A Linux error number (errno). Its text is the system's own.
public struct Errno: Error, Equatable, Hashable, Sendable, CustomStringConvertible {
    /// The positive error number.
    public let code: Int32

    /// The error `code`.
    public init(_ code: Int32) { self.code = code }

    /// The system's short text, such as "Connection refused".
    public var description: String { String(cString: clinux_error_text(code)) }

    /// A signal interrupted the call.
    public static let interrupted = Errno(4)
    /// Nothing to read, or no room to write, now.
    public static let wouldBlock = Errno(11)
    /// Not enough privilege.
    public static let notPermitted = Errno(1)
    /// A device failed; for UDP_SEGMENT, the interface cannot do it.
    public static let inputOutput = Errno(5)
    /// No such device or interface.
    public static let noDevice = Errno(19)
    /// An argument is not valid here.
    public static let invalidArgument = Errno(22)
    /// The socket option is not known.
    public static let noProtocolOption = Errno(92)
    /// Another socket has the address.
    public static let addressInUse = Errno(98)
    /// The address belongs to no interface here.
    public static let addressNotAvailable = Errno(99)
    /// No route leads there.
    public static let networkUnreachable = Errno(101)
    /// The datagram is longer than the way there allows.
    public static let messageTooLong = Errno(90)
    /// The operation is not supported.
    public static let notSupported = Errno(95)
    /// The kernel has no buffer free.
    public static let noBuffers = Errno(105)
    /// Nobody listens there.
    public static let connectionRefused = Errno(111)
}

/// A system call that failed: which, why, and on what.
public struct SystemCallError: Error, Sendable, CustomStringConvertible {
    /// The system's error number.
    public let errno: Errno
    /// One sentence for a person, without a full stop.
    public let message: String

    /// The failure of `what` with `errno`; `hint`, if given, says what to do.
    public init(_ what: String, _ errno: Errno, hint: String = "") {
        self.errno = errno
        message = "\(what): \(errno)" + (hint.isEmpty ? "" : "; \(hint)")
    }

    /// A failure told by `message` alone.
    public init(message: String, errno: Errno = .invalidArgument) {
        self.errno = errno
        self.message = message
    }

    /// The message.
    public var description: String { message }
}

/// Makes `call` again while a signal interrupts it: the one place that knows EINTR. `call` gives a negative
/// errno.
@inline(__always)
func systemCall(_ call: () -> Int32) -> Int32 {
    while true {
        let result = call()
        if result != -Errno.interrupted.code { return result }
    }
}

/// The result of `call`, or a thrown error that names `what`.
@inline(__always)
@discardableResult
func check(_ what: @autoclosure () -> String, _ call: () -> Int32) throws(SystemCallError) -> Int32 {
    let result = systemCall(call)
    if result < 0 { throw SystemCallError(what(), Errno(-result)) }
    return result
}
