import CFFmpeg
public import FreshetCore
import Glibc

/// Writes a line's bytes to a file or to standard output, as they come.
public final class ByteSink {
    private let file: FileOutput
    private let writer = GatheredWriter()
    private let gathers: Bool

    /// Writes to the file at `path`, from its start or with `isAppending` at its end; gathers small pieces
    /// for up to a quarter of a second.
    public init(path: String, isAppending: Bool) throws(StageError) {
        file = try FileOutput(path: path, isAppending: isAppending)
        gathers = true
    }

    /// Writes to standard output; each hand-over at once, as one piece.
    public init(standardOutput: Void) throws(StageError) {
        // A reader that goes away is an error to tell, not a signal to die of.
        signal(SIGPIPE, SIG_IGN)
        file = try FileOutput(standardOutput: ())
        gathers = false
    }

    /// Writes all packets of `input`.
    public func take(_ input: inout PacketBatch, context: inout StageContext) throws(StageError) {
        while let packet = input.popFirst() {
            try writer.append(packet.unsafeBytes, to: file, now: context.now)
            context.counters.add(.packetsIn)
            context.counters.add(.bytesIn, packet.byteCount)
        }
        if !gathers { try writer.flush(to: file) }
    }

    /// When ``flush()`` is due; `nil` when nothing waits.
    public var nextDeadline: Instant? { writer.deadline }

    /// Hands what waits to the system.
    public func flush() throws(StageError) { try writer.flush(to: file) }
}
