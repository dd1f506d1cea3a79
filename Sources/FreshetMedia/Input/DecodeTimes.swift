import CFFmpeg

/// Gives every frame a decoding time. Containers that keep only presentation times (Matroska, AVI) leave the
/// first frames of a reordered video without one, until libavformat has seen enough to work it out.
///
/// A first frame is decoded as much before its presentation as the codec reorders; the ones after it follow
/// at the frame rate, never later than they are shown.
struct DecodeTimes {
    private var last: [Int64?]

    /// Nothing seen of `trackCount` tracks.
    init(trackCount: Int) { last = Array(repeating: nil, count: trackCount) }

    /// Completes the times of `packet`, a frame of `track`, which is number `index`.
    mutating func complete(_ packet: UnsafeMutablePointer<AVPacket>, _ index: Int, _ track: MediaTrack) {
        defer { last[index] = packet.pointee.dts }
        if packet.pointee.dts != unknownTimestamp { return }
        let span = DecodeTimes.span(packet, track)
        if let last = last[index] {
            packet.pointee.dts = last + max(1, span)
            if packet.pointee.pts != unknownTimestamp, packet.pointee.dts > packet.pointee.pts {
                packet.pointee.dts = max(last + 1, packet.pointee.pts)
            }
        } else {
            let shown = packet.pointee.pts == unknownTimestamp ? 0 : packet.pointee.pts
            packet.pointee.dts = shown - Int64(max(0, track.parameters.pointee.video_delay)) * span
        }
        if packet.pointee.pts == unknownTimestamp { packet.pointee.pts = packet.pointee.dts }
    }

    private static func span(_ packet: UnsafeMutablePointer<AVPacket>, _ track: MediaTrack) -> Int64 {
        if packet.pointee.duration > 0 { return packet.pointee.duration }
        let (rate, base) = (track.frameRate, track.timeBase)
        guard rate.num > 0, rate.den > 0, base.num > 0 else { return 0 }
        return Int64(rate.den) * Int64(base.den) / (Int64(rate.num) * Int64(base.num))
    }
}
