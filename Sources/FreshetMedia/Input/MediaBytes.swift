import CFFmpeg
import FreshetCore
import Glibc

/// Where an input's bytes come from, cut anywhere: a file, standard input, a server, another thread.
class MediaBytes {
    /// Up to `buffer.count` bytes, as soon as there are any; 0 at the end. Waits, unless interrupted, which
    /// is an end too.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws(StageError) -> Int { 0 }
    /// Bytes for all of `parts`, in their order, fewer only at the end; `nil` where ``read(into:)`` is the only way.
    func scatter(over parts: UnsafeMutableBufferPointer<iovec>) throws(StageError) -> Int? { nil }
    /// True when ``read(into:)`` need not wait, after waiting up to `milliseconds` for that; true where
    /// nobody knows.
    func isReady(within milliseconds: Int32) -> Bool { true }
    /// Goes to byte `position`; false where that cannot be done.
    func seek(to position: Int64) -> Bool { false }
    /// How many bytes there are in all; `nil` where nobody knows.
    var byteCount: Int64? { nil }
    /// True when ``seek(to:)`` works.
    var canSeek: Bool { false }
}

/// A local file, or standard input, read by plain system calls: FFmpeg is not loaded for it.
final class FileBytes: MediaBytes {
    private let descriptor: Int32
    private let path: String
    private let isRegularFile: Bool
    private let fileByteCount: Int64

    /// Opens `path`; "-" is standard input.
    init(path: String) throws(StageError) {
        self.path = path == "-" ? "standard input" : path
        descriptor = path == "-" ? 0 : Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .failure("cannot open \(path): \(FileBytes.errorText())") }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw .failure("cannot read \(path): \(FileBytes.errorText())")
        }
        let kind = status.st_mode & S_IFMT
        isRegularFile = kind == S_IFREG
        fileByteCount = Int64(status.st_size)
        if kind == S_IFDIR { throw .failure("\(path) is a folder, not a media file") }
        if isRegularFile && fileByteCount == 0 { throw .failure("\(self.path) is empty") }
        if isRegularFile { posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL) }
    }

    deinit { if descriptor > 0 { close(descriptor) } }

    override func read(into buffer: UnsafeMutableRawBufferPointer) throws(StageError) -> Int {
        while true {
            if !isRegularFile && cffmpeg_wait_readable(descriptor, -1) < 0 { return 0 }
            let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
            if count >= 0 { return count }
            if errno != EINTR && errno != EAGAIN {
                throw .failure("cannot read \(path): \(FileBytes.errorText())")
            }
        }
    }

    override func scatter(over parts: UnsafeMutableBufferPointer<iovec>) throws(StageError) -> Int? {
        guard isRegularFile else { return nil }
        while true {
            let count = readv(descriptor, parts.baseAddress, Int32(parts.count))
            if count >= 0 { return count }
            if errno != EINTR { throw .failure("cannot read \(path): \(FileBytes.errorText())") }
        }
    }

    override func isReady(within milliseconds: Int32) -> Bool {
        isRegularFile || cffmpeg_wait_readable(descriptor, milliseconds) != 0
    }

    override func seek(to position: Int64) -> Bool {
        isRegularFile && lseek(descriptor, off_t(position), SEEK_SET) == off_t(position)
    }

    override var byteCount: Int64? { isRegularFile ? fileByteCount : nil }
    override var canSeek: Bool { isRegularFile }

    /// True when there is something at `path`.
    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// The system's words for the last error.
    static func errorText() -> String { String(cString: strerror(errno)) }
}

/// A server's bytes, over any protocol that FFmpeg's I/O layer speaks (http, srt, tcp, …).
final class ProtocolBytes: MediaBytes {
    private let ffmpeg: FFmpeg
    private let url: String
    private var io: UnsafeMutablePointer<AVIOContext>?
    private let patience: Patience

    /// Connects to `url`.
    init(_ ffmpeg: FFmpeg, url: String, options: [(name: String, value: String)], timeout: Nanoseconds)
        throws(StageError)
    {
        self.ffmpeg = ffmpeg
        self.url = url
        patience = Patience(timeout)
        var callback = patience.callback
        var dictionary = OptionDictionary(ffmpeg, options)
        ffmpeg.forgetLog()
        patience.begin()
        let code = ffmpeg.calls.avio_open2(&io, url, AVIO_FLAG_READ, &callback, &dictionary.pointer)
        if code < 0 { throw .failure("cannot open \(url): \(patience.explain(code, ffmpeg))") }
    }

    deinit { _ = ffmpeg.calls.avio_closep(&io) }

    override func read(into buffer: UnsafeMutableRawBufferPointer) throws(StageError) -> Int {
        patience.begin()
        let room = Int32(clamping: buffer.count)
        let count = ffmpeg.calls.avio_read_partial(
            io, buffer.baseAddress?.assumingMemoryBound(to: UInt8.self), room)
        if count >= 0 { return Int(count) }
        let code = Int32(CFFMPEG_EOF)
        if count == code || MediaInterrupt.isRequested { return 0 }
        // SRT has no word for the end: the other side's leaving is an input error, and so is a lost
        // connection.
        if count == Int32(CFFMPEG_IO_ERROR) && url.hasPrefix("srt:") { return 0 }
        throw .failure("\(url) broke off: \(patience.explain(count, ffmpeg))")
    }

    override func seek(to position: Int64) -> Bool {
        patience.begin()
        return ffmpeg.calls.avio_seek(io, position, SEEK_SET) == position
    }

    override var byteCount: Int64? {
        let count = ffmpeg.calls.avio_size(io)
        return count > 0 ? count : nil
    }
    override var canSeek: Bool { (io?.pointee.seekable ?? 0) & AVIO_SEEKABLE_NORMAL != 0 }
}

/// Bytes that were read to see what they are, in front of those still to be read.
final class ReplayedBytes: MediaBytes {
    private let head: [UInt8]
    private let rest: MediaBytes
    private var position = 0

    /// `head`, already taken from `rest`, and then `rest`.
    init(_ head: [UInt8], then rest: MediaBytes) {
        self.head = head
        self.rest = rest
    }

    override func read(into buffer: UnsafeMutableRawBufferPointer) throws(StageError) -> Int {
        guard position < head.count else { return try rest.read(into: buffer) }
        let count = min(buffer.count, head.count - position)
        buffer.copyBytes(from: head[position..<position + count])
        position += count
        return count
    }

    override func isReady(within milliseconds: Int32) -> Bool {
        position < head.count || rest.isReady(within: milliseconds)
    }

    override func seek(to position: Int64) -> Bool {
        guard rest.seek(to: position) else { return false }
        self.position = head.count
        return true
    }

    override var byteCount: Int64? { rest.byteCount }
    override var canSeek: Bool { rest.canSeek }
}

/// How long one input's calls may wait for the other side; lives at a fixed address, because FFmpeg asks it.
final class Patience {
    private let state: UnsafeMutablePointer<cffmpeg_patience>
    private let timeout: Nanoseconds

    /// Patience for `timeout` a call; zero is for ever.
    init(_ timeout: Nanoseconds) {
        self.timeout = timeout
        state = .allocate(capacity: 1)
        state.initialize(to: cffmpeg_patience(deadline: 0))
    }

    deinit { state.deallocate() }

    /// A call begins now.
    func begin() {
        guard timeout.count > 0 else { return }
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        state.pointee.deadline = Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec) + timeout.count
    }

    /// What FFmpeg asks while it waits.
    var callback: AVIOInterruptCB { AVIOInterruptCB(callback: cffmpeg_interrupt_callback, opaque: state) }

    /// Why a call failed, in words.
    func explain(_ code: Int32, _ ffmpeg: FFmpeg) -> String {
        if code == Int32(CFFMPEG_EXIT) && !MediaInterrupt.isRequested {
            return "nothing came for \(timeout.count / 1_000_000) ms"
        }
        return ffmpeg.explain(code)
    }
}
