import Foundation

/// The frames of one stream of a media file, told apart by hash.
public struct Frames: Sendable, Equatable {
    /// What FFmpeg calls the codec.
    public var codec = ""
    /// One hash a frame, in order.
    public var hashes: [String] = []
    /// Each frame's presentation time in seconds.
    public var times: [Double] = []
    /// Each frame's length in seconds; 0 where unknown.
    public var durations: [Double] = []

    /// The decoded frames of each video stream.
    public static func decodedVideo(of path: String) async throws -> [Frames] {
        let codecs = try await codecs(of: path, kind: "v")
        // In the stream's own time base: the default one, a frame's length, would round each time to whole frames.
        let words = ["-map", "0:v?", "-vsync", "passthrough", "-copyts", "-enc_time_base", "-1"]
        return try await listing(path, words, codecs)
    }

    /// The coded frames of each audio stream, without the framing that only transport streams have.
    public static func codedAudio(of path: String) async throws -> [Frames] {
        let codecs = try await codecs(of: path, kind: "a")
        var words = ["-map", "0:a?", "-c", "copy", "-copyts"]
        for (index, codec) in codecs.enumerated() where codec == "aac" && path.hasSuffix(".ts") {
            words += ["-bsf:a:\(index)", "aac_adtstoasc"]
        }
        return try await listing(path, words, codecs)
    }

    /// The decoding times of all packets, stream by stream, in the file's order.
    public static func decodingTimes(of path: String) async throws -> [[Double]] {
        let shown = try await run(
            "ffprobe",
            ["-v", "error", "-show_entries", "packet=stream_index,dts_time", "-of", "csv=p=0", path],
            within: 60)
        guard shown.status == 0 else { throw TimedOut("packets of \(path): \(shown)") }
        var times: [Int: [Double]] = [:]
        for line in shown.output.split(separator: "\n") {
            let fields = line.split(separator: ",")
            guard fields.count >= 2, let index = Int(fields[0]), let time = Double(fields[1]) else {
                continue
            }
            times[index, default: []].append(time)
        }
        return times.sorted { $0.key < $1.key }.map(\.value)
    }

    /// The names of the codecs of the streams of a kind: "v", "a" or "s".
    public static func codecs(of path: String, kind: String) async throws -> [String] {
        let shown = try await run(
            "ffprobe",
            [
                "-v", "error", "-select_streams", kind, "-show_entries", "stream=codec_name,index", "-of",
                "csv=p=0", path,
            ])
        guard shown.status == 0 else { throw TimedOut("streams of \(path): \(shown)") }
        // A stream of a programme is listed twice.
        var seen: Set<Substring> = []
        return shown.output.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: ",")
            return fields.count >= 2 && seen.insert(fields[0]).inserted ? String(fields[1]) : nil
        }
    }

    private static func listing(_ path: String, _ words: [String], _ codecs: [String]) async throws
        -> [Frames]
    {
        if codecs.isEmpty { return [] }
        let made = try await run(
            "ffmpeg",
            ["-hide_banner", "-nostdin", "-loglevel", "error", "-i", path] + words + [
                "-f", "framehash", "-",
            ],
            within: 60)
        guard made.status == 0 else { throw TimedOut("frames of \(path): \(made)") }
        var frames = codecs.map { Frames(codec: $0) }
        var bases = [Double](repeating: 1, count: codecs.count)
        for line in made.output.split(separator: "\n") {
            if line.hasPrefix("#tb ") {
                // "#tb 0: 1/25"
                let words = line.split(separator: " ")
                let parts = words.last?.split(separator: "/").compactMap { Double($0) } ?? []
                if let index = Int(words[1].dropLast()), parts.count == 2 {
                    bases[index] = parts[0] / parts[1]
                }
                continue
            }
            let fields = line.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
            guard !line.hasPrefix("#"), fields.count >= 6, let index = Int(fields[0]) else { continue }
            frames[index].hashes.append(fields[5])
            frames[index].times.append((Double(fields[2]) ?? 0) * bases[index])
            frames[index].durations.append((Double(fields[3]) ?? 0) * bases[index])
        }
        return frames
    }
}
