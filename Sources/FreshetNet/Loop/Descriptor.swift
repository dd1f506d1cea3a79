import CLinux

/// An open file descriptor with one owner, closed when the owner is done with it.
public struct Descriptor: ~Copyable, Sendable {
    /// The number, for system calls while this value lives.
    public let number: Int32

    /// Takes over the open descriptor `number`.
    public init(taking number: Int32) {
        precondition(number >= 0)
        self.number = number
    }

    deinit { _ = clinux_close(number) }
}
