import CFFmpeg
public import FreshetCore

/// The two ends of a ``LiveRemuxer``; a subclass says where bytes come from and go to.
open class LiveRemuxerEnds {
    /// Ends that give and take nothing.
    public init() {}

    /// Puts the next bytes of a transport stream in `buffer`, waiting for them; how many, 0 at the end.
    open func read(into buffer: UnsafeMutableRawBufferPointer) -> Int { 0 }

    /// Takes bytes of the new container, cut anywhere; false when no more are wanted.
    open func write(_ bytes: UnsafeRawBufferPointer) -> Bool { false }
}

/// Turns a transport stream that goes on for ever into fragmented MP4, which browsers play, without coding anew.
///
/// A fragment begins at each keyframe and at least every quarter of a second; the first one at what comes
/// first. Runs on the
/// caller's thread, which FFmpeg holds until the end.
public enum LiveRemuxer {
    /// How long a fragment is, in microseconds.
    private static let fragmentMicroseconds = 250_000

    /// Runs until `ends` have no more to give or want no more. Throws what FFmpeg cannot read or MP4 cannot carry.
    public static func run(_ ends: LiveRemuxerEnds) throws(StageError) {
        let ffmpeg = try FFmpeg.load()
        var reading = Demuxer.Options(url: "the stream")
        reading.formatName = "mpegts"
        // Nothing but its own end interrupts it.
        reading.isLocal = true
        reading.analyzeMicroseconds = 2_000_000
        var demuxer = try Demuxer(ffmpeg, reading, bytes: EndsInput(ends))
        var writing = MediaMuxer.Options(container: .fragmentedMP4)
        writing.settings = [
            ("movflags", "+delay_moov+default_base_moof+frag_keyframe+skip_trailer"),
            ("frag_duration", "\(fragmentMicroseconds)"),
        ]
        writing.zeroMicroseconds = demuxer.format.startMicroseconds
        let output = EndsOutput(ends)
        let muxer = try MediaMuxer(ffmpeg, demuxer.format, into: output, writing)
        while !output.isUnwanted, let sample = try demuxer.next() {
            do throws(StageError) { try muxer.write(sample) } catch {
                if output.isUnwanted { return }
                throw error
            }
            muxer.flush()
        }
        if !output.isUnwanted { try muxer.finish() }
    }

    private final class EndsInput: MediaBytes {
        private let ends: LiveRemuxerEnds
        init(_ ends: LiveRemuxerEnds) { self.ends = ends }

        override func read(into buffer: UnsafeMutableRawBufferPointer) throws(StageError) -> Int {
            ends.read(into: buffer)
        }
    }

    private final class EndsOutput: MuxedBytes {
        private let ends: LiveRemuxerEnds
        private(set) var isUnwanted = false
        init(_ ends: LiveRemuxerEnds) { self.ends = ends }

        override func write(_ bytes: UnsafeRawBufferPointer) -> Int32 {
            if !ends.write(bytes) { isUnwanted = true }
            return isUnwanted ? Int32(CFFMPEG_EXIT) : 0
        }
    }
}
