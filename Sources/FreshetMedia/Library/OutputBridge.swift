import CFFmpeg
import FreshetCore
import Glibc

/// Where a muxer's bytes go.
class MuxedBytes {
    /// Takes `bytes`; 0, or a negative FFmpeg error code.
    func write(_ bytes: UnsafeRawBufferPointer) -> Int32 { 0 }
    /// Goes to byte `position`, to complete a header; false where that cannot be done.
    func seek(to position: Int64) -> Bool { false }
    /// True when ``seek(to:)`` works.
    var canSeek: Bool { false }
    /// How many bytes there are.
    var byteCount: Int64 { 0 }
}

/// Lets FFmpeg write to ``MuxedBytes``.
final class OutputBridge {
    /// The context, for AVFormatContext's `pb`; owned by this object.
    private(set) var context: UnsafeMutablePointer<AVIOContext>?
    private let ffmpeg: FFmpeg
    private let bytes: MuxedBytes
    private var position: Int64 = 0

    /// A bridge to `bytes`.
    init(_ ffmpeg: FFmpeg, _ bytes: MuxedBytes) {
        self.ffmpeg = ffmpeg
        self.bytes = bytes
        let byteCount = 64 * 1024
        let buffer = ffmpeg.calls.av_malloc(byteCount)?.assumingMemoryBound(to: UInt8.self)
        context = ffmpeg.calls.avio_alloc_context(
            buffer, Int32(byteCount), 1, Unmanaged.passUnretained(self).toOpaque(), nil,
            { opaque, buffer, count in OutputBridge.from(opaque).write(buffer, Int(count)) },
            { opaque, offset, origin in OutputBridge.from(opaque).seek(offset, origin) })
        context?.pointee.seekable = bytes.canSeek ? AVIO_SEEKABLE_NORMAL : 0
    }

    deinit {
        if let buffer = context?.pointee.buffer { ffmpeg.calls.av_free(buffer) }
        ffmpeg.calls.avio_context_free(&context)
    }

    private static func from(_ opaque: UnsafeMutableRawPointer?) -> OutputBridge {
        guard let opaque else { preconditionFailure("a bridge without its object") }
        return Unmanaged<OutputBridge>.fromOpaque(opaque).takeUnretainedValue()
    }

    private func write(_ buffer: UnsafeMutablePointer<UInt8>?, _ count: Int) -> Int32 {
        let code = bytes.write(UnsafeRawBufferPointer(start: buffer, count: count))
        if code < 0 { return code }
        position += Int64(count)
        return Int32(count)
    }

    private func seek(_ offset: Int64, _ origin: Int32) -> Int64 {
        let target: Int64
        switch origin & ~AVSEEK_FORCE {
        case AVSEEK_SIZE: return bytes.byteCount
        case SEEK_SET: target = offset
        case SEEK_CUR: target = position + offset
        case SEEK_END: target = bytes.byteCount + offset
        default: return -1
        }
        guard bytes.seek(to: target) else { return -1 }
        position = target
        return target
    }
}
