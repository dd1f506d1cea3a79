import CFFmpeg
import FreshetCore

/// Writes a line of bytes to a file as they come: a transport stream stays what it is, bit for bit.
final class StreamRecording {
    /// What to record to.
    struct Options {
        var path: String
        var segmentMicroseconds: Int64 = 0
        var durationNanoseconds: Int64 = 0
        var indexPath = ""
    }

    /// True once `durationNanoseconds` have passed since the first packet.
    // Unchecked exclusivity here and below: touched by the stage's own thread only.
    @exclusivity(unchecked) private(set) var isComplete = false
    private let options: Options
    private var path: RecordingPath
    private let index: RecordingIndex?
    private let writer = GatheredWriter()
    @exclusivity(unchecked) private var file: FileOutput
    @exclusivity(unchecked) private var cutter: StreamCutter?
    @exclusivity(unchecked) private var begun: Instant?
    @exclusivity(unchecked) private var fileBegun: Instant?
    @exclusivity(unchecked) private var latest = Instant.zero
    /// Where the file stands in the recording.
    private var startMicroseconds: Int64 = 0

    /// Makes the first file.
    init(_ options: Options) throws(StageError) {
        self.options = options
        path = RecordingPath(options.path, isSegmented: options.segmentMicroseconds > 0)
        index = options.indexPath.isEmpty ? nil : try RecordingIndex(path: options.indexPath)
        file = try FileOutput(path: path.next(at: wallClockSeconds()))
        if options.segmentMicroseconds > 0 {
            cutter = StreamCutter(lengthMicroseconds: options.segmentMicroseconds)
        }
    }

    /// When ``flush()`` is due; `nil` when nothing waits to be written.
    var deadline: Instant? { writer.deadline }

    /// Writes the bytes of one packet.
    func write(_ packet: borrowing Packet, now: Instant) throws(StageError) {
        let beginning = begun ?? now
        begun = beginning
        if fileBegun == nil { fileBegun = now }
        latest = now
        if options.durationNanoseconds > 0, (now - beginning).count >= options.durationNanoseconds {
            isComplete = true
            return
        }
        let bytes = packet.unsafeBytes
        guard cutter != nil, bytes.count % TransportStreamProbe.packetByteCount == 0 else {
            if !writer.add(bytes, now: now) { try writer.append(bytes, to: file, now: now) }
            return
        }
        var written = 0
        for place in stride(from: 0, to: bytes.count, by: TransportStreamProbe.packetByteCount) {
            let one = UnsafeRawBufferPointer(
                rebasing: bytes[place..<place + TransportStreamProbe.packetByteCount])
            guard cutter?.cutsBefore(one) == true else { continue }
            try writer.append(UnsafeRawBufferPointer(rebasing: bytes[written..<place]), to: file, now: now)
            written = place
            try beginNextFile(now: now)
        }
        try writer.append(UnsafeRawBufferPointer(rebasing: bytes[written...]), to: file, now: now)
    }

    /// Hands what waits to the system.
    func flush() throws(StageError) { try writer.flush(to: file) }

    /// Completes the file.
    func finish() throws(StageError) {
        try flush()
        try complete(isLast: true)
    }

    private func beginNextFile(now: Instant) throws(StageError) {
        try flush()
        try complete(isLast: false)
        file = try FileOutput(path: path.next(at: wallClockSeconds()))
        fileBegun = now
        // Each file is playable alone: it begins with the tables that say what is in it.
        if let tables = cutter?.tables { try writer.append(tables, to: file, now: now) }
    }

    /// Lists the file: in the stream's own time where it was cut, by arrival at the end, where no cut tells it.
    private func complete(isLast: Bool) throws(StageError) {
        let arrivals = (latest - (fileBegun ?? latest)).count / 1000
        let span = isLast ? arrivals : cutter?.completedMicroseconds ?? arrivals
        try index?.add(
            path: file.path, startMicroseconds: startMicroseconds, durationMicroseconds: span,
            byteCount: file.byteCount)
        startMicroseconds += span
    }
}
