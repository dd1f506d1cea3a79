import CFFmpeg

/// Gives every frame a decoding time. Several audio frames in one PES packet share the first one's.
/// Containers that keep only presentation times (Matroska, AVI) leave the first frames of a reordered video
/// without one, until libavformat has seen enough to work it out.
///
/// A first frame is decoded as much before its presentation as the codec reorders; the ones after it follow
/// at the frame rate, never later than they are shown.
struct DecodeTimes {
    private let ffmpeg: FFmpeg
    /// The last decoding time of each track, and how long that frame lasts.
    private var last: [(time: Int64, span: Int64)?]

    /// Nothing seen of `trackCount` tracks.
    init(_ ffmpeg: FFmpeg, trackCount: Int) {
        self.ffmpeg = ffmpeg
        last = Array(repeating: nil, count: trackCount)
    }

    /// Completes the times of `packet`, a frame of `track`, which is number `index`.
    mutating func complete(_ packet: UnsafeMutablePointer<AVPacket>, _ index: Int, _ track: MediaTrack) {
        let span = span(of: packet, track)
        defer { last[index] = (packet.pointee.dts, span) }
        if packet.pointee.dts != unknownTimestamp { return }
        if let last = last[index] {
            packet.pointee.dts = last.time + max(1, last.span)
            if packet.pointee.pts != unknownTimestamp, packet.pointee.dts > packet.pointee.pts {
                packet.pointee.dts = max(last.time + 1, packet.pointee.pts)
            }
        } else {
            let shown = packet.pointee.pts == unknownTimestamp ? 0 : packet.pointee.pts
            packet.pointee.dts = shown - Int64(max(0, track.parameters.pointee.video_delay)) * span
        }
        if packet.pointee.pts == unknownTimestamp { packet.pointee.pts = packet.pointee.dts }
    }

    /// How long the frame lasts, in the track's ticks: as it says itself, or by its codec, or by the frame
    /// rate. Frames read before libavformat knew the codec's rate do not say.
    private func span(of packet: UnsafeMutablePointer<AVPacket>, _ track: MediaTrack) -> Int64 {
        if packet.pointee.duration > 0 { return packet.pointee.duration }
        let (rate, base) = (track.frameRate, track.timeBase)
        if track.kind == AVMEDIA_TYPE_AUDIO, track.parameters.pointee.sample_rate > 0 {
            let samples = ffmpeg.calls.av_get_audio_frame_duration2(track.parameters, packet.pointee.size)
            let sampleBase = AVRational(num: 1, den: track.parameters.pointee.sample_rate)
            let span = ffmpeg.calls.av_rescale_q(Int64(max(0, samples)), sampleBase, base)
            packet.pointee.duration = span
            return span
        }
        guard rate.num > 0, rate.den > 0, base.num > 0 else { return 0 }
        return Int64(rate.den) * Int64(base.den) / (Int64(rate.num) * Int64(base.num))
    }
}
