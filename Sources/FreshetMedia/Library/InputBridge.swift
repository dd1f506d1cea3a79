import CFFmpeg
import FreshetCore
import Glibc

/// Lets FFmpeg read from ``MediaBytes``: an AVIOContext whose callbacks lead back here.
final class InputBridge {
    /// The context, for AVFormatContext's `pb`; owned by this object.
    private(set) var context: UnsafeMutablePointer<AVIOContext>?
    /// Why the bytes broke off, where they did.
    private(set) var failure: StageError?
    private let ffmpeg: FFmpeg
    private let bytes: MediaBytes
    private var position: Int64 = 0

    /// True when the bytes can be sought in.
    var canSeek: Bool { bytes.canSeek }

    /// A bridge to `bytes`.
    init(_ ffmpeg: FFmpeg, _ bytes: MediaBytes) {
        self.ffmpeg = ffmpeg
        self.bytes = bytes
        let byteCount = 32 * 1024
        let buffer = ffmpeg.calls.av_malloc(byteCount)?.assumingMemoryBound(to: UInt8.self)
        context = ffmpeg.calls.avio_alloc_context(
            buffer, Int32(byteCount), 0, Unmanaged.passUnretained(self).toOpaque(),
            { opaque, buffer, count in InputBridge.from(opaque).read(buffer, Int(count)) }, nil,
            { opaque, offset, origin in InputBridge.from(opaque).seek(offset, origin) })
        context?.pointee.seekable = bytes.canSeek ? AVIO_SEEKABLE_NORMAL : 0
    }

    deinit {
        // FFmpeg may have put a larger buffer in the place of the one it was given.
        if let buffer = context?.pointee.buffer { ffmpeg.calls.av_free(buffer) }
        ffmpeg.calls.avio_context_free(&context)
    }

    private static func from(_ opaque: UnsafeMutableRawPointer?) -> InputBridge {
        guard let opaque else { preconditionFailure("a bridge without its object") }
        return Unmanaged<InputBridge>.fromOpaque(opaque).takeUnretainedValue()
    }

    private func read(_ buffer: UnsafeMutablePointer<UInt8>?, _ count: Int) -> Int32 {
        do throws(StageError) {
            let count = try bytes.read(into: UnsafeMutableRawBufferPointer(start: buffer, count: count))
            position += Int64(count)
            return count == 0 ? Int32(CFFMPEG_EOF) : Int32(count)
        } catch {
            failure = error
            return Int32(CFFMPEG_EXIT)
        }
    }

    private func seek(_ offset: Int64, _ origin: Int32) -> Int64 {
        let byteCount = bytes.byteCount
        let target: Int64
        switch origin & ~AVSEEK_FORCE {
        case AVSEEK_SIZE: return byteCount ?? -1
        case SEEK_SET: target = offset
        case SEEK_CUR: target = position + offset
        case SEEK_END: target = (byteCount ?? 0) + offset
        default: return -1
        }
        guard bytes.seek(to: target) else { return -1 }
        position = target
        return target
    }
}
