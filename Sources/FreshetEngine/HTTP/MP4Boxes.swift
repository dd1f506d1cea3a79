internal import FreshetWire

/// Takes a fragmented MP4 apart as it is written (ISO/IEC 14496-12): the header (ftyp, moov), then pieces of
/// moof and mdat.
///
/// Holds one piece at a time, up to ``pieceByteLimit``; a longer one is no live medium, and ends it.
final class MP4Boxes {
    /// What was completed.
    enum Piece {
        /// Everything in front of the first fragment.
        case header([UInt8])
        /// A fragment, and whether a player can start with it.
        case fragment([UInt8], isStart: Bool)
    }

    /// The most bytes of a piece.
    let pieceByteLimit: Int
    private var bytes: [UInt8] = []
    private var boxStart = 0
    private var hasHeader = false
    private var videoTrack: UInt32?

    /// A splitter for pieces of up to `pieceByteLimit` bytes.
    init(pieceByteLimit: Int) { self.pieceByteLimit = pieceByteLimit }

    /// Adds bytes, and calls `body` with each piece that they complete; false when a piece is too long.
    func append(_ more: UnsafeRawBufferPointer, _ body: (Piece) -> Void) -> Bool {
        guard bytes.count + more.count <= pieceByteLimit else { return false }
        bytes.append(contentsOf: more)
        while bytes.count - boxStart >= 8 {
            let (size, kind) = bytes.withUnsafeBytes { all in
                let span = RawSpan(_unsafeBytes: all)
                return (Int(span.uint32(at: boxStart)), span.uint32(at: boxStart + 4))
            }
            // Sizes of 64 bits, or "to the end", are not written into fragments.
            guard size >= 8, size <= pieceByteLimit else { return false }
            guard bytes.count - boxStart >= size else { break }
            boxStart += size
            if !hasHeader, kind == MP4Boxes.moov {
                hasHeader = true
                bytes.withUnsafeBytes { videoTrack = MP4Boxes.videoTrack(in: RawSpan(_unsafeBytes: $0)) }
                body(.header(take()))
            } else if hasHeader, kind == MP4Boxes.mdat {
                let piece = take()
                let isStart = piece.withUnsafeBytes { isKeyframe(RawSpan(_unsafeBytes: $0)) }
                body(.fragment(piece, isStart: isStart))
            }
        }
        return true
    }

    private func take() -> [UInt8] {
        let piece = Array(bytes[..<boxStart])
        bytes.removeFirst(boxStart)
        boxStart = 0
        return piece
    }

    // MARK: Inside

    private static let moov = code("moov")
    private static let mdat = code("mdat")
    private static let moof = code("moof")
    private static let traf = code("traf")
    private static let trak = code("trak")

    private static func code(_ name: StaticString) -> UInt32 {
        name.withUTF8Buffer { $0.reduce(0) { $0 << 8 | UInt32($1) } }
    }

    /// The range of the content of each box of `kind` in `range`.
    private static func boxes(_ kind: UInt32, _ span: RawSpan, _ range: Range<Int>) -> [Range<Int>] {
        var found: [Range<Int>] = []
        var place = range.lowerBound
        while place + 8 <= range.upperBound {
            let size = Int(span.uint32(at: place))
            guard size >= 8, place + size <= range.upperBound else { break }
            if span.uint32(at: place + 4) == kind { found.append(place + 8..<place + size) }
            place += size
        }
        return found
    }

    /// The number of the first video track (tkhd §8.3.2, hdlr §8.4.3).
    private static func videoTrack(in span: RawSpan) -> UInt32? {
        for movie in boxes(moov, span, 0..<span.byteCount) {
            for track in boxes(trak, span, movie) {
                guard let header = boxes(code("tkhd"), span, track).first, header.count >= 24,
                    let media = boxes(code("mdia"), span, track).first,
                    let handler = boxes(code("hdlr"), span, media).first, handler.count >= 12,
                    span.uint32(at: handler.lowerBound + 8) == code("vide")
                else { continue }
                let isLong = span.uint8(at: header.lowerBound) == 1
                return span.uint32(at: header.lowerBound + (isLong ? 20 : 12))
            }
        }
        return nil
    }

    /// True when the fragment begins with a sample of video that all others follow from, or there is no video track
    /// (tfhd §8.8.7, trun §8.8.8).
    private func isKeyframe(_ span: RawSpan) -> Bool {
        guard let videoTrack else { return true }
        for fragment in MP4Boxes.boxes(MP4Boxes.moof, span, 0..<span.byteCount) {
            for track in MP4Boxes.boxes(MP4Boxes.traf, span, fragment) {
                guard let header = MP4Boxes.boxes(MP4Boxes.code("tfhd"), span, track).first,
                    header.count >= 8, span.uint32(at: header.lowerBound + 4) == videoTrack,
                    let run = MP4Boxes.boxes(MP4Boxes.code("trun"), span, track).first, run.count >= 8
                else { continue }
                guard let flags = MP4Boxes.firstFlags(span, header, run) else { return true }
                // sample_is_non_sync_sample
                return flags & 0x10000 == 0
            }
        }
        return false
    }

    /// The flags of a run's first sample; `nil` when they are the track's own defaults.
    private static func firstFlags(_ span: RawSpan, _ header: Range<Int>, _ run: Range<Int>) -> UInt32? {
        let marks = span.uint32(at: run.lowerBound)
        var place = run.lowerBound + 8 + (marks & 0x1 != 0 ? 4 : 0)
        if marks & 0x4 != 0 { return place + 4 <= run.upperBound ? span.uint32(at: place) : nil }
        if marks & 0x400 != 0 {
            place += (marks & 0x100 != 0 ? 4 : 0) + (marks & 0x200 != 0 ? 4 : 0)
            return place + 4 <= run.upperBound ? span.uint32(at: place) : nil
        }
        let defaults = span.uint32(at: header.lowerBound)
        guard defaults & 0x20 != 0 else { return nil }
        place = header.lowerBound + 8 + (defaults & 0x1 != 0 ? 8 : 0)
        for mark: UInt32 in [0x2, 0x8, 0x10] where defaults & mark != 0 { place += 4 }
        return place + 4 <= header.upperBound ? span.uint32(at: place) : nil
    }
}
