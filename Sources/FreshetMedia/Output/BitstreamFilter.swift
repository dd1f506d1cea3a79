import CFFmpeg
import FreshetCore

/// One of libavcodec's bit stream filters, of the kind that gives one packet for each it takes.
final class BitstreamFilter {
    private let ffmpeg: FFmpeg
    private var context: UnsafeMutablePointer<AVBSFContext>?

    /// The filter called `name` for a stream of `parameters`.
    init(
        _ ffmpeg: FFmpeg, _ name: String, _ parameters: UnsafePointer<AVCodecParameters>,
        _ timeBase: AVRational
    ) throws(StageError) {
        self.ffmpeg = ffmpeg
        guard let filter = ffmpeg.calls.av_bsf_get_by_name(name),
            ffmpeg.calls.av_bsf_alloc(filter, &context) >= 0, let context,
            ffmpeg.calls.avcodec_parameters_copy(context.pointee.par_in, parameters) >= 0
        else { throw .failure("FFmpeg has no bit stream filter \(name)") }
        context.pointee.time_base_in = timeBase
        let code = ffmpeg.calls.av_bsf_init(context)
        if code < 0 { throw .failure("FFmpeg's filter \(name) cannot be used: \(ffmpeg.explain(code))") }
    }

    deinit { ffmpeg.calls.av_bsf_free(&context) }

    /// Converts `packet` in place; 0 or an error code.
    func apply(to packet: UnsafeMutablePointer<AVPacket>) -> Int32 {
        var code = ffmpeg.calls.av_bsf_send_packet(context, packet)
        if code >= 0 { code = ffmpeg.calls.av_bsf_receive_packet(context, packet) }
        // The filter tells the decoder's configuration with the first packet; the container has it already,
        // and Matroska's muxer would write it a second time, into a place that is too small.
        if code >= 0 { ffmpeg.calls.av_packet_free_side_data(packet) }
        return code
    }
}
