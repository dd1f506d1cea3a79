import CFFmpeg
public import FreshetCore

/// Turns a line of samples into the bytes of a container, in memory.
///
/// The first packet it takes must be the line's format; a later format begins the container anew. Bytes are
/// taken away with ``unread`` and ``removeFirst(_:)`` before more samples are given, or the buffer grows.
public final class SampleMuxer {
    /// What to make.
    public struct Options: Sendable {
        /// The container, as `format=` names it ("ts" is MPEG-TS).
        public var formatName = "ts"
        /// Bits per second of a constant-rate transport stream, null packets included; 0 for as many as the
        /// media take.
        public var muxRate = 0
        /// The programme's name; "" keeps the medium's own.
        public var programName = ""
        /// Longest span between two clock references of a transport stream.
        public var clockInterval = Nanoseconds.milliseconds(40)
        /// How far a transport stream's clock runs ahead of decoding: how long a receiver must hold a frame
        /// at least.
        public var delay = Nanoseconds.milliseconds(100)

        /// The defaults.
        public init() {}
    }

    /// Things worth telling a person, until they are taken.
    public var notices: [String] = []
    private let options: Options
    private let container: MediaContainer
    private let buffer = MuxedBuffer()
    private let sink: MuxedBytes
    private var muxer: MediaMuxer?
    private var firstTime: MediaTime?
    private var hasToldOfRate = false
    private var ffmpeg: FFmpeg?

    /// A muxer that has taken nothing.
    public convenience init(_ options: Options) throws(StageError) { try self.init(options, sink: nil) }

    /// A muxer into `sink` in place of its own buffer.
    init(_ options: Options, sink: MuxedBytes?) throws(StageError) {
        self.options = options
        self.sink = sink ?? buffer
        guard var container = MediaContainer.named(options.formatName) else {
            throw .usage(
                "no container is called '\(options.formatName)'; there are "
                    + MediaContainer.names.joined(separator: ", ")
            )
        }
        // What goes down a line cannot be gone back to.
        if container.name == "mp4" || container.name == "mov" { container = .fragmentedMP4 }
        self.container = container
    }

    /// The bytes not yet taken away; valid until the next call.
    public var unread: UnsafeRawBufferPointer { buffer.unread }

    /// Takes the first `byteCount` unread bytes away.
    public func removeFirst(_ byteCount: Int) { buffer.removeFirst(byteCount) }

    /// Takes a format or a sample.
    public func take(_ packet: consuming Packet) throws(StageError) {
        var packet = packet
        if let format = MediaFormat.attached(to: packet) {
            try begin(format)
            return
        }
        guard let ffmpeg else { throw .failure("samples came before their format") }
        let time = packet.info.mediaTime
        guard let sample = Sample.take(from: &packet, ffmpeg) else { return }
        try write(sample)
        checkRate(at: time)
    }

    /// Begins the container, anew if there was one.
    func begin(_ format: MediaFormat) throws(StageError) {
        let ffmpeg = try FFmpeg.load()
        self.ffmpeg = ffmpeg
        try muxer?.finish()
        let muxer = try MediaMuxer(
            ffmpeg, format, into: container.muxerName == "mpegts" ? transportSink() : sink, muxing(format))
        collectNotices(of: muxer)
        self.muxer = muxer
    }

    /// Writes one sample.
    func write(_ sample: consuming Sample) throws(StageError) {
        guard let muxer else { return }
        try muxer.write(sample)
        collectNotices(of: muxer)
    }

    private func collectNotices(of muxer: MediaMuxer) {
        if muxer.notices.isEmpty { return }
        notices += muxer.notices
        muxer.notices.removeAll()
    }

    /// At a constant rate that is too low, the clock falls behind the media without end.
    private func checkRate(at time: MediaTime) {
        guard options.muxRate > 0, !hasToldOfRate else { return }
        let first = firstTime ?? time
        firstTime = first
        let elapsed = Int64(Int128(buffer.writtenByteCount) * 8_000_000_000 / Int128(options.muxRate))
        if elapsed > time.since(first).count + options.delay.count {
            hasToldOfRate = true
            notices.append(
                "mux-rate \(options.muxRate) is too low for this input: "
                    + "its frames leave later than they are shown"
            )
        }
    }

    /// Hands out what is complete.
    public func flush() { muxer?.flush() }

    /// Ends the container; its last bytes are in ``unread`` then.
    public func finish() throws(StageError) {
        try muxer?.finish()
        muxer = nil
    }

    private func transportSink() -> MuxedBytes {
        if options.muxRate > 0 { return sink }
        let filler = ClockFiller(
            intervalMicroseconds: options.clockInterval.count / 1000,
            delayMicroseconds: options.delay.count / 1000)
        return FilledBytes(filler, sink)
    }

    private func muxing(_ format: MediaFormat) -> MediaMuxer.Options {
        var muxing = MediaMuxer.Options(container: container)
        guard container.muxerName == "mpegts" else {
            muxing.zeroMicroseconds = format.pictureMicroseconds
            return muxing
        }
        muxing.delayMicroseconds = Int32(clamping: options.delay.count / 1000)
        // One audio frame to a PES packet: no frame waits for the next ones.
        muxing.settings = [("pes_payload_size", "0"), ("pcr_period", "20")]
        if options.muxRate > 0 { muxing.settings.append(("muxrate", String(options.muxRate))) }
        muxing.metadata = [("service_provider", "Freshet")]
        if !options.programName.isEmpty { muxing.metadata.append(("service_name", options.programName)) }
        return muxing
    }
}

/// A muxer's bytes on their way through a ``ClockFiller``.
private final class FilledBytes: MuxedBytes {
    private var filler: ClockFiller
    private let rest: MuxedBytes

    init(_ filler: ClockFiller, _ rest: MuxedBytes) {
        self.filler = filler
        self.rest = rest
    }

    override func write(_ bytes: UnsafeRawBufferPointer) -> Int32 { filler.pass(bytes, to: rest) }
}
