import CFFmpeg
import FreshetCore

/// A container format that media is written in, and what it can carry.
struct MediaContainer {
    /// What `format=` calls it.
    let name: String
    /// libavformat's muxer.
    let muxerName: String
    /// Options for the muxer.
    let settings: [(name: String, value: String)]
    /// True when the muxer goes back in the file to complete what it wrote.
    let needsSeeking: Bool

    /// The containers that `format=` names, with the file name extensions that choose them.
    private static let table: [(container: MediaContainer, extensions: [String])] = [
        (.transportStream, ["ts", "mts", "m2t", "mpegts"]),
        (
            MediaContainer(
                name: "mkv", muxerName: "matroska", settings: [("cluster_time_limit", "500")],
                needsSeeking: true),
            ["mkv", "mka", "mks"]
        ),
        (
            MediaContainer(
                name: "webm", muxerName: "webm", settings: [("cluster_time_limit", "500")], needsSeeking: true
            ),
            ["webm"]
        ),
        (.fragmentedMP4, ["mp4", "m4v", "m4a"]),
        (MediaContainer(name: "mp4", muxerName: "mp4", settings: [], needsSeeking: true), []),
        (MediaContainer(name: "mov", muxerName: "mov", settings: [], needsSeeking: true), ["mov"]),
        (MediaContainer(name: "mp3", muxerName: "mp3", settings: [], needsSeeking: true), ["mp3"]),
        (MediaContainer(name: "mp2", muxerName: "mp2", settings: [], needsSeeking: false), ["mp2", "m2a"]),
        (MediaContainer(name: "aac", muxerName: "adts", settings: [], needsSeeking: false), ["aac", "adts"]),
        (MediaContainer(name: "ac3", muxerName: "ac3", settings: [], needsSeeking: false), ["ac3"]),
        (
            MediaContainer(name: "ogg", muxerName: "ogg", settings: [], needsSeeking: false),
            ["ogg", "opus", "oga"]
        ),
    ]

    /// MPEG-TS.
    static let transportStream = MediaContainer(
        name: "ts", muxerName: "mpegts", settings: [], needsSeeking: false)
    /// MP4 in fragments of half a second, each complete when it is written: readable up to there whatever
    /// happens.
    static let fragmentedMP4 = MediaContainer(
        name: "fragmented-mp4", muxerName: "mp4",
        settings: [("movflags", "+delay_moov+default_base_moof"), ("frag_duration", "500000")],
        needsSeeking: false)

    /// The names that `format=` takes.
    static var names: [String] { table.map(\.container.name) }

    /// The container called `name`; `nil` when there is none.
    static func named(_ name: String) -> MediaContainer? {
        let name = name == "fmp4" ? "fragmented-mp4" : name
        return table.first { $0.container.name == name }?.container
    }

    /// The container that a file's name asks for by its extension; `nil` when it does not.
    static func ofFile(_ path: String) -> MediaContainer? {
        guard let dot = path.lastIndex(of: "."), !path[dot...].contains("/") else { return nil }
        let wanted = path[path.index(after: dot)...].lowercased()
        return table.first { $0.extensions.contains(wanted) }?.container
    }

    /// True when the container can carry `codec`.
    func carries(_ codec: AVCodecID, _ ffmpeg: FFmpeg) -> Bool {
        if muxerName == "mpegts" { return MediaContainer.transportStreamCodecs.contains(codec.rawValue) }
        let muxer = ffmpeg.calls.av_guess_format(muxerName, nil, nil)
        return ffmpeg.calls.avformat_query_codec(muxer, codec, -1) == 1
    }

    /// What libavformat writes to a transport stream with a stream type of its own. (It writes anything else
    /// too, as private data that nobody can play; AV1 and VP9 have no settled mapping.)
    private static let transportStreamCodecs: Set<UInt32> = Set(
        [
            AV_CODEC_ID_MPEG1VIDEO, AV_CODEC_ID_MPEG2VIDEO, AV_CODEC_ID_MPEG4, AV_CODEC_ID_H264,
            AV_CODEC_ID_HEVC,
            AV_CODEC_ID_CAVS, AV_CODEC_ID_DIRAC, AV_CODEC_ID_VC1, AV_CODEC_ID_MP2, AV_CODEC_ID_MP3,
            AV_CODEC_ID_AAC,
            AV_CODEC_ID_AAC_LATM, AV_CODEC_ID_AC3, AV_CODEC_ID_EAC3, AV_CODEC_ID_DTS, AV_CODEC_ID_TRUEHD,
            AV_CODEC_ID_OPUS, AV_CODEC_ID_S302M, AV_CODEC_ID_DVB_SUBTITLE, AV_CODEC_ID_DVB_TELETEXT,
            AV_CODEC_ID_ARIB_CAPTION, AV_CODEC_ID_SMPTE_KLV, AV_CODEC_ID_TIMED_ID3,
        ].map(\.rawValue))
}
