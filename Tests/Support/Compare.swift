import Foundation

/// Where two files differ, as a sentence; `nil` when they are the same bytes.
public func difference(_ sent: String, _ got: String) -> String? {
    guard let left = FileManager.default.contents(atPath: sent) else { return "\(sent) is not there" }
    guard let right = FileManager.default.contents(atPath: got) else { return "\(got) is not there" }
    if left == right { return nil }
    let common = zip(left, right).prefix { $0 == $1 }.count
    return
        "sent \(left.count) bytes, got \(right.count); they part at byte \(common) (TS packet \(common / 188))"
}

/// The coded or decoded frames of a media file, told apart by hash.
public struct Frames: Sendable, Equatable {
    /// One stream: what FFmpeg calls its kind, and the hash of each frame in order.
    public struct Stream: Sendable, Equatable {
        /// "video", "audio", "subtitle" or "data".
        public var kind: String
        /// One hash a frame, in order.
        public var hashes: [String]
        /// Each frame's presentation time in seconds.
        public var times: [Double]
        /// Each frame's length in seconds, 0 where unknown.
        public var durations: [Double]
    }

    /// The streams in the file's order.
    public var streams: [Stream]

    /// The streams of a kind.
    public func of(_ kind: String) -> [Stream] { streams.filter { $0.kind == kind } }

    /// Decodes `path` with FFmpeg, or only unpacks it when `decoded` is false.
    public init(of path: String, decoded: Bool = true) async throws {
        var arguments = [
            "-hide_banner", "-nostdin", "-loglevel", "error", "-i", path, "-map", "0:v?", "-map", "0:a?",
        ]
        // Decoded timestamps as they are in the file: none invented, none dropped.
        arguments += decoded ? ["-vsync", "passthrough", "-copyts"] : ["-c", "copy", "-copyts"]
        let made = try await run("ffmpeg", arguments + ["-f", "framehash", "-"], within: 60)
        guard made.status == 0 else { throw TimedOut("frames of \(path): \(made)") }
        streams = Frames.parse(made.output)
    }

    /// Reads FFmpeg's `framehash` listing.
    static func parse(_ listing: String) -> [Stream] {
        var streams: [Int: Stream] = [:]
        var bases: [Int: Double] = [:]
        for line in listing.split(separator: "\n") {
            if line.hasPrefix("#") {
                // "#media_type 0: video", "#tb 0: 1/25"
                let words = line.dropFirst().split(separator: " ")
                guard words.count == 3, let index = Int(words[1].dropLast()) else { continue }
                if words[0] == "media_type" {
                    streams[index, default: empty].kind = String(words[2])
                } else if words[0] == "tb" {
                    let parts = words[2].split(separator: "/").compactMap { Double($0) }
                    if parts.count == 2 { bases[index] = parts[0] / parts[1] }
                }
                continue
            }
            let fields = line.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
            guard fields.count >= 6, let index = Int(fields[0]) else { continue }
            let base = bases[index] ?? 1
            streams[index, default: empty].hashes.append(fields[5])
            streams[index, default: empty].times.append((Double(fields[2]) ?? 0) * base)
            streams[index, default: empty].durations.append((Double(fields[3]) ?? 0) * base)
        }
        return streams.sorted { $0.key < $1.key }.map(\.value)
    }

    private static var empty: Stream { Stream(kind: "", hashes: [], times: [], durations: []) }
}
