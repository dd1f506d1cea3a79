import CFFmpeg
public import FreshetCore

/// An opened medium: whatever FFmpeg opens, from a path, standard input ("-"), a server or a device.
///
/// A transport stream of 188-byte packets, if all of it is wanted, is given as it is, bit for bit; from a
/// local file or standard input without even loading FFmpeg. Everything else is taken apart into coded frames
/// (see ``MediaFormat`` for what travels).
public struct MediaInput: ~Copyable {
    /// What to open and how.
    public struct Options: Sendable {
        /// A path, "-" for standard input, or a URL.
        public var location: String
        /// The container or device format where it must not be guessed; "" to guess. "mpegts" takes a
        /// transport stream apart instead of passing it through.
        public var formatName = ""
        /// Which streams, by FFmpeg's stream specifiers joined by ","; "" or "all" for all.
        public var streams = ""
        /// How many times to play it; `nil` for ever.
        public var rounds: Int? = 1
        /// Where to start, counted from the medium's start. Only media that can be sought in.
        public var start = Nanoseconds.zero
        /// How long a server may be silent; zero is for ever.
        public var timeout = Nanoseconds.seconds(10)
        /// Options for FFmpeg's protocol and container.
        public var settings: [(name: String, value: String)] = []

        /// Options for what is at `location`; everything else as it is by default.
        public init(location: String) { self.location = location }
    }

    /// True when the packets are a transport stream; false when they are coded frames.
    public var isTransportStream: Bool { stream != nil }
    /// True when the last read gave nothing because nothing came within its short wait: read again.
    public var isIdle: Bool { stream?.isIdle ?? false }
    private let stream: TransportStreamSource?
    private let frames: FrameSource?

    /// Opens what `options` say; waits for a server. Interrupted (``MediaInterrupt``), it is a medium at its
    /// end.
    public init(_ options: Options) throws(StageError) {
        do throws(StageError) {
            (stream, frames) = try MediaOpener(options).open()
        } catch {
            guard MediaInterrupt.isRequested else { throw error }
            (stream, frames) = (nil, nil)
        }
    }

    /// Puts packets in `output` as far as there is room, waiting for the first one if the medium comes from
    /// elsewhere (a transport stream on a pipe: for 50 ms at most); false at the end.
    public mutating func read(
        into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) -> Bool {
        if let stream { return try stream.read(into: &output, context: &context) }
        if let frames { return try frames.read(into: &output, context: &context) }
        return false
    }
}

/// Finds out what a location is, and opens it the right way.
struct MediaOpener {
    let options: MediaInput.Options

    init(_ options: MediaInput.Options) { self.options = options }

    /// One of the two kinds of source.
    func open() throws(StageError) -> (stream: TransportStreamSource?, frames: FrameSource?) {
        let location = options.location
        if location.isEmpty { throw .usage("no input given; name a file, - or a URL") }
        let rounds = options.rounds
        if let rounds, rounds < 1 { throw .usage("an input is played at least once, not \(rounds) times") }
        let scheme = MediaOpener.scheme(of: location)
        let isLocal = location == "-" || scheme == nil || scheme == "file" || scheme == "pipe"
        if !options.formatName.isEmpty {
            let path = isLocal && location != "-" && MediaOpener.exists(location)
            return (
                nil,
                try frames(FFmpeg.load(), bytes: location == "-" ? FileBytes(path: "-") : nil, isLocal: path)
            )
        }
        if isLocal && scheme != "pipe" { return try openLocal() }
        return try openRemote(FFmpeg.load(), scheme: scheme ?? "")
    }

    private func openLocal() throws(StageError) -> (stream: TransportStreamSource?, frames: FrameSource?) {
        var path = options.location
        if path.hasPrefix("file:") { path.removeFirst(5) }
        let file = try FileBytes(path: path)
        if !file.canSeek && options.rounds != 1 {
            throw .usage("\(path == "-" ? "standard input" : path) cannot be played more than once")
        }
        let (head, isWhole) = try MediaOpener.head(of: file)
        if head.isEmpty {
            throw .failure(
                "\(path == "-" ? "standard input" : path) is empty"
            )
        }
        if TransportStreamProbe.firstPacket(in: head, isWhole: isWhole) != nil, passesWhole {
            return (try stream(file, head: head), nil)
        }
        let ffmpeg = try FFmpeg.load()
        if file.canSeek { return (nil, try frames(ffmpeg, bytes: nil, isLocal: true)) }
        return (nil, try frames(ffmpeg, bytes: ReplayedBytes(head, then: file), isLocal: false))
    }

    private func openRemote(_ ffmpeg: FFmpeg, scheme: String) throws(StageError) -> (
        stream: TransportStreamSource?, frames: FrameSource?
    ) {
        if options.rounds != 1 { throw .usage("only a local file can be played more than once") }
        // These protocols are containers at the same time: there are no bytes to look at.
        let whole = ["rtsp", "rtsps", "rtmp", "rtmps", "rtmpt", "rtp", "sdp", "sap", "mms", "hls", "dash"]
        if whole.contains(scheme) { return (nil, try frames(ffmpeg, bytes: nil, isLocal: false)) }
        let bytes = try ProtocolBytes(
            ffmpeg, url: options.location, options: options.settings, timeout: options.timeout)
        let (head, isWhole) = try MediaOpener.head(of: bytes)
        if head.isEmpty { throw .failure("\(options.location) is empty") }
        if TransportStreamProbe.firstPacket(in: head, isWhole: isWhole) != nil, passesWhole {
            return (try stream(bytes, head: head), nil)
        }
        // A playlist's own address matters to what it names, so FFmpeg opens it itself.
        if head.starts(with: Array("#EXTM3U".utf8)) || head.starts(with: Array("<?xml".utf8)) {
            return (nil, try frames(ffmpeg, bytes: nil, isLocal: false))
        }
        return (nil, try frames(ffmpeg, bytes: ReplayedBytes(head, then: bytes), isLocal: false))
    }

    /// True when all of a transport stream is wanted; else it is taken apart like anything else.
    private var passesWhole: Bool { options.start.count == 0 && ["", "all"].contains(options.streams) }

    private func stream(_ bytes: MediaBytes, head: [UInt8]) throws(StageError) -> TransportStreamSource {
        let isRewound = bytes.canSeek && bytes.seek(to: 0)
        return TransportStreamSource(
            name: options.location == "-" ? "standard input" : options.location,
            bytes: isRewound ? bytes : ReplayedBytes(head, then: bytes), rounds: options.rounds)
    }

    private func frames(_ ffmpeg: FFmpeg, bytes: MediaBytes?, isLocal: Bool) throws(StageError) -> FrameSource
    {
        var demuxing = Demuxer.Options(url: options.location == "-" ? "standard input" : options.location)
        demuxing.formatName = options.formatName.isEmpty ? nil : options.formatName
        demuxing.settings = options.settings
        demuxing.selection = StreamSelection(options.streams)
        demuxing.timeout = isLocal ? .zero : options.timeout
        demuxing.isLocal = isLocal
        return try FrameSource(
            ffmpeg, demuxing, bytes: bytes, rounds: options.rounds,
            startMicroseconds: options.start.count / 1000)
    }

    /// The first bytes: as few as tell, because a live source gives them slowly.
    private static func head(of bytes: MediaBytes) throws(StageError) -> (head: [UInt8], isWhole: Bool) {
        var head: [UInt8] = []
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 16)
        defer { piece.deallocate() }
        while head.count < TransportStreamProbe.fullByteCount {
            if head.count >= TransportStreamProbe.quickByteCount,
                TransportStreamProbe.firstPacket(in: head, isWhole: false) == 0
            {
                break
            }
            let count = try bytes.read(into: piece)
            if count == 0 { return (head, true) }
            head.append(contentsOf: piece[..<count])
        }
        return (head, false)
    }

    /// The scheme of a URL; `nil` for a path.
    private static func scheme(of location: String) -> String? {
        guard let colon = location.firstIndex(of: ":") else { return nil }
        let scheme = location[..<colon]
        let isScheme = scheme.utf8.allSatisfy {
            ($0 | 0x20 >= 0x61 && $0 | 0x20 <= 0x7A) || ($0 >= 0x30 && $0 <= 0x39) || $0 == 0x2B
        }
        // A name with a colon in a path is a path when it is there.
        guard isScheme, !scheme.isEmpty, !location.hasPrefix("/"), !exists(location) else { return nil }
        return scheme.lowercased()
    }

    private static func exists(_ path: String) -> Bool { FileBytes.exists(path) }
}
