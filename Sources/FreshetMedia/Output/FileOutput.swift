import CFFmpeg
import FreshetCore
import Glibc

/// A file that a recording is written to: plain writes, so that all that was written stays if the process is
/// killed.
final class FileOutput: MuxedBytes {
    /// The file's path.
    let path: String
    /// Why a write failed, once one did. What was written before stays good.
    private(set) var failure: StageError?
    private let descriptor: Int32
    private var position: Int64 = 0
    private var size: Int64 = 0
    private let isSeekable: Bool
    /// A pipe, a socket or a terminal: somebody reads it, or does not.
    private let hasReader: Bool
    private var isReaderStuck = false

    /// Makes the file at `path`, or empties it; with `isAppending`, adds to it.
    init(path: String, isAppending: Bool = false) throws(StageError) {
        self.path = path
        let flags = O_WRONLY | O_CREAT | O_CLOEXEC | (isAppending ? O_APPEND : O_TRUNC)
        descriptor = Glibc.open(path, flags, 0o666)
        guard descriptor >= 0 else { throw .failure("cannot write \(path): \(FileBytes.errorText())") }
        var status = stat()
        let kind = fstat(descriptor, &status) == 0 ? status.st_mode & S_IFMT : 0
        isSeekable = kind == S_IFREG && !isAppending
        hasReader = kind == S_IFIFO || kind == S_IFSOCK || kind == S_IFCHR
    }

    /// Standard output.
    init(standardOutput: Void) throws(StageError) {
        path = "standard output"
        descriptor = dup(1)
        guard descriptor >= 0 else { throw .failure("standard output is closed") }
        isSeekable = false
        var status = stat()
        hasReader = fstat(descriptor, &status) != 0 || status.st_mode & S_IFMT != S_IFREG
    }

    deinit { close(descriptor) }

    override var canSeek: Bool { isSeekable }
    override var byteCount: Int64 { size }

    override func seek(to position: Int64) -> Bool {
        guard isSeekable, lseek(descriptor, off_t(position), SEEK_SET) == off_t(position) else {
            return false
        }
        self.position = position
        return true
    }

    override func write(_ bytes: UnsafeRawBufferPointer) -> Int32 {
        var rest = bytes[...]
        while !rest.isEmpty && !isReaderStuck {
            // A reader that reads no more must not keep the program from ending: in pieces that a ready pipe
            // takes whole (PIPE_BUF), and no longer than a moment once the end was asked for.
            if hasReader && cffmpeg_wait_writable(descriptor, 500) == 0 {
                isReaderStuck = true
                return 0
            }
            let piece = UnsafeRawBufferPointer(rebasing: hasReader ? rest.prefix(4096) : rest)
            let count = Glibc.write(descriptor, piece.baseAddress, piece.count)
            if count > 0 {
                rest = rest.dropFirst(count)
                position += Int64(count)
                size = max(size, position)
                continue
            }
            if count < 0 && errno == EINTR { continue }
            if count < 0 && errno == EAGAIN {
                var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&waiting, 1, 100)
                continue
            }
            let code = errno
            if failure == nil { failure = .failure("cannot write \(path): \(FileOutput.words(code))") }
            return -code
        }
        return 0
    }

    private static func words(_ code: Int32) -> String {
        switch code {
        case ENOSPC: "the disk is full; what was written so far is kept"
        case EPIPE: "the program that reads it has gone"
        case EDQUOT: "the disk quota is used up; what was written so far is kept"
        default: String(cString: strerror(code))
        }
    }
}

/// Gathers small pieces into large writes: at most ``capacity`` bytes wait, and no longer than ``interval``.
final class GatheredWriter {
    /// How long bytes may wait.
    static let interval = Nanoseconds.milliseconds(250)
    private let buffer: UnsafeMutableRawBufferPointer
    // Unchecked exclusivity: a writer belongs to one stage on one thread.
    @exclusivity(unchecked) private var count = 0
    @exclusivity(unchecked) private var firstByte: Instant?

    /// A writer that gathers up to `capacity` bytes.
    init(capacity: Int = 256 * 1024) { buffer = .allocate(byteCount: capacity, alignment: 4096) }

    deinit { buffer.deallocate() }

    /// When ``flush(to:)`` is due; `nil` when nothing waits.
    var deadline: Instant? { firstByte.map { $0 + GatheredWriter.interval } }

    /// Adds `bytes` when there is room for them; false when what was gathered must be written first.
    @inline(__always)
    func add(_ bytes: UnsafeRawBufferPointer, now: Instant) -> Bool {
        guard let source = bytes.baseAddress, bytes.count <= buffer.count - count else { return false }
        (buffer.baseAddress! + count).copyMemory(from: source, byteCount: bytes.count)
        count += bytes.count
        if firstByte == nil { firstByte = now }
        return true
    }

    /// Adds `bytes`; writes what was gathered to `file` when there is no room for more.
    func append(_ bytes: UnsafeRawBufferPointer, to file: FileOutput, now: Instant) throws(StageError) {
        if bytes.isEmpty || add(bytes, now: now) { return }
        try flush(to: file)
        if !add(bytes, now: now) { try GatheredWriter.write(bytes, to: file) }
    }

    /// Adds `bytes`, as far as they fit what is left of the buffer after a flush.
    func append(_ bytes: [UInt8], to file: FileOutput, now: Instant) throws(StageError) {
        if bytes.count > buffer.count - count { try flush(to: file) }
        for byte in bytes.prefix(buffer.count - count) {
            buffer[count] = byte
            count += 1
        }
        if firstByte == nil { firstByte = now }
    }

    /// Writes what was gathered.
    func flush(to file: FileOutput) throws(StageError) {
        let waiting = UnsafeRawBufferPointer(rebasing: buffer[..<count])
        count = 0
        firstByte = nil
        try GatheredWriter.write(waiting, to: file)
    }

    private static func write(_ bytes: UnsafeRawBufferPointer, to file: FileOutput) throws(StageError) {
        if file.write(bytes) < 0 { throw file.failure ?? .failure("cannot write \(file.path)") }
    }
}
