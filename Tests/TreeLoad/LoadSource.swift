import FreshetCore
import FreshetNet
import FreshetWire
import Glibc

/// What the source sends: RTP with seven packets of transport stream each, evenly.
struct LoadSource {
    static let payloadByteCount = 1316
    private var media: [UInt8]
    private var place = 0
    private var datagram: [UInt8]
    private(set) var sequence: Int64 = 70_000
    private let interval: Nanoseconds
    private var began = Instant.zero
    private var sentCount: Int64 = 0
    static let ssrc: UInt32 = 0x4652_5348 & ~1

    init(rate: Int, media path: String?) throws {
        interval = Nanoseconds(Int64(LoadSource.payloadByteCount * 8) * 1_000_000_000 / Int64(rate))
        datagram = [UInt8](repeating: 0, count: RTPHeader.fixedByteCount + LoadSource.payloadByteCount)
        media = []
        if let path {
            media = try LoadSource.bytes(of: path)
            media.removeLast(media.count % LoadSource.payloadByteCount)
        }
        if media.isEmpty {
            let null = [0x47, 0x1F, 0xFF, 0x10] + [UInt8](repeating: 0xFF, count: 184)
            for _ in 0..<7 { media += null }
        }
    }

    private static func bytes(of path: String) throws -> [UInt8] {
        guard let file = fopen(path, "r") else {
            throw LoadOptions.Failure(description: "cannot read \(path)")
        }
        defer { fclose(file) }
        fseek(file, 0, SEEK_END)
        let count = ftell(file)
        rewind(file)
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            filled = fread(buffer.baseAddress, 1, count, file)
        }
    }

    /// The stream begins.
    mutating func begin(at now: Instant) {
        began = now
        sentCount = 0
    }

    /// When the next packet is due.
    var due: Instant { began + interval * sentCount }

    /// Gives the next packet to `body`, with its number.
    mutating func next(_ body: (RawSpan, Int64) -> Void) {
        let number = sequence
        let timestamp = UInt32(truncatingIfNeeded: (interval * sentCount).count * 9 / 100_000)
        writeHeader(UInt16(truncatingIfNeeded: number), timestamp)
        datagram.replaceSubrange(
            RTPHeader.fixedByteCount..., with: media[place..<place + LoadSource.payloadByteCount])
        place += LoadSource.payloadByteCount
        if place == media.count { place = 0 }
        sequence += 1
        sentCount += 1
        body(datagram.span.bytes, number)
    }

    private mutating func writeHeader(_ number: UInt16, _ timestamp: UInt32) {
        var span = datagram.mutableSpan
        var bytes = span.mutableBytes
        RTPHeader.write(sequenceNumber: number, timestamp: timestamp, ssrc: LoadSource.ssrc, into: &bytes)
    }
}
