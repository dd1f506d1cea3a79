/// The start of a PES packet (ISO/IEC 13818-1 §2.4.3.6): one coded frame, or some of them, with their times.
public struct PESHeader: Equatable, Sendable {
    /// What kind of stream, and which of its kind (§2.4.3.7 table 2-22).
    public let streamID: UInt8
    /// Bytes after the length field; 0 means "until the next one starts" (video only).
    public let packetLength: Int
    /// When to present, in ticks of 90 kHz, 33 bits; `nil` when not said.
    public let presentationTime: Int64?
    /// When to decode, in ticks of 90 kHz, 33 bits; `nil` when not said, and then it is the presentation time.
    public let decodingTime: Int64?
    /// Bytes from the start code to the elementary stream's first byte.
    public let headerByteCount: Int

    /// True for a video stream's.
    public var isVideo: Bool { streamID & 0xF0 == 0xE0 }
    /// True for an MPEG audio stream's; others travel as private stream 1.
    public var isAudio: Bool { streamID & 0xE0 == 0xC0 }

    /// The PES packet that starts at the front of `payload`.
    ///
    /// `nil` when none does, or when the bytes end inside its fixed part or its times (a sender is free to put few bytes in
    /// the first packet). A time whose marker bits are wrong is not taken for one.
    public init?(parsing payload: RawSpan) {
        guard payload.byteCount >= 6, payload.uint32(at: 0) >> 8 == 1 else { return nil }
        streamID = payload.uint8(at: 3)
        packetLength = Int(payload.uint16(at: 4))
        guard PESHeader.hasOptionalHeader(streamID) else {
            presentationTime = nil
            decodingTime = nil
            headerByteCount = 6
            return
        }
        guard payload.byteCount >= 9, payload.uint8(at: 6) & 0xC0 == 0x80 else { return nil }
        let stamps = payload.uint8(at: 7) >> 6
        let length = Int(payload.uint8(at: 8))
        headerByteCount = 9 &+ length
        let needed = stamps == 3 ? 10 : stamps == 2 ? 5 : 0
        guard length >= needed, payload.byteCount >= 9 &+ needed else { return nil }
        presentationTime = stamps >= 2 ? PESHeader.time(payload, at: 9, mark: stamps) : nil
        decodingTime = stamps == 3 ? PESHeader.time(payload, at: 14, mark: 1) : nil
    }

    /// Program stream map and directory, padding, private stream 2, ECM, EMM, DSM-CC and H.222.1 type E carry no header.
    private static func hasOptionalHeader(_ streamID: UInt8) -> Bool {
        switch streamID {
        case 0xBC, 0xBE, 0xBF, 0xF0, 0xF1, 0xF2, 0xF8, 0xFF: false
        default: streamID >= 0xBC
        }
    }

    /// The 33 bits of a time at `offset`; `nil` unless its four mark bits are `mark` and its three marker bits are set.
    private static func time(_ bytes: RawSpan, at offset: Int, mark: UInt8) -> Int64? {
        let high = bytes.uint8(at: offset)
        let low = bytes.uint32(at: offset &+ 1)
        guard high >> 4 == mark, high & 1 == 1, low & 0x0001_0001 == 0x0001_0001 else { return nil }
        return Int64(high >> 1 & 7) << 30 | Int64(low >> 17) << 15 | Int64(low >> 1 & 0x7FFF)
    }

    /// Writes `ticks90k` as a PTS or DTS to the five bytes at `offset`: `mark` is 2 for a PTS alone, 3 for one with a DTS,
    /// 1 for that DTS. Traps outside `bytes`.
    public static func writeTime(
        _ ticks90k: Int64, mark: UInt8, into bytes: inout MutableRawSpan, at offset: Int
    ) {
        bytes.write(mark << 4 | UInt8(truncatingIfNeeded: ticks90k >> 29) & 0x0E | 1, at: offset)
        bytes.write(UInt16(truncatingIfNeeded: ticks90k >> 14) | 1, at: offset &+ 1)
        bytes.write(UInt16(truncatingIfNeeded: ticks90k << 1) | 1, at: offset &+ 3)
    }
}
