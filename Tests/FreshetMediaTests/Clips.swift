import Foundation
import FreshetCore
import Testing

@testable import FreshetMedia

/// A folder for one test's clips, made by the ffmpeg program and gone afterwards.
final class Clips {
    let folder: String

    init() throws {
        var template = Array("\(FileManager.default.temporaryDirectory.path)/freshet-XXXXXX".utf8CString)
        folder = try #require(mkdtemp(&template)).withMemoryRebound(to: CChar.self, capacity: 1) {
            String(cString: $0)
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func path(_ name: String) -> String { "\(folder)/\(name)" }

    /// Makes a clip: `arguments` are ffmpeg's, its output the file `name`.
    func make(_ name: String, _ arguments: String) throws -> String {
        let output = path(name)
        try Clips.run("ffmpeg", "-v error -y \(arguments)".split(separator: " ").map(String.init) + [output])
        return output
    }

    /// Runs a program, and gives what it printed; fails with what it complained of.
    @discardableResult
    static func run(_ program: String, _ arguments: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [program] + arguments
        let output = Pipe()
        let errors = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try Data().write(to: errors)
        defer { try? FileManager.default.removeItem(at: errors) }
        process.standardOutput = output
        process.standardError = try FileHandle(forWritingTo: errors)
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            let complaint = (try? String(contentsOf: errors, encoding: .utf8)) ?? ""
            throw ToolFailure(text: "\(program) \(arguments.joined(separator: " ")): \(complaint)")
        }
        return String(decoding: data, as: UTF8.self)
    }

    struct ToolFailure: Error { var text: String }

    /// Writes a file.
    func write(_ name: String, _ contents: [UInt8]) throws -> String {
        try Data(contents).write(to: URL(fileURLWithPath: path(name)))
        return path(name)
    }

    /// Reads a file.
    static func read(_ path: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    }

    static let video = "-f lavfi -i testsrc2=s=160x120:r=25:d=1.2"
    static let audio = "-f lavfi -i sine=f=440:r=48000:d=1.2"
    static let h264 = "-c:v libx264 -preset ultrafast -bf 2 -g 12 -pix_fmt yuv420p"
}

/// What is in a file, by FFmpeg's own account.
struct Contents: Equatable {
    /// MD5 of each decoded picture, and nothing else (times are compared apart).
    var pictures: [String]
    /// MD5 of each decoded audio frame, per stream; those that an edit list hides included.
    var audio: [[String]]

    init(_ path: String) throws {
        let kinds = try Contents.kinds(path)
        pictures =
            kinds.contains("video")
            ? try Contents.hashes(
                ["-i", path, "-map", "0:v:0", "-vsync", "passthrough", "-f", "framemd5", "-"]) : []
        audio = try (0..<kinds.filter { $0 == "audio" }.count).map { stream in
            try Contents.hashes([
                "-flags2", "+skip_manual", "-i", path, "-map", "0:a:\(stream)", "-f", "framemd5", "-",
            ])
        }
    }

    /// The kind of each stream: "video", "audio", …
    static func kinds(_ path: String) throws -> [String] {
        try Clips.run("ffprobe", ["-v", "error", "-show_entries", "stream=codec_type", "-of", "flat", path])
            .split(whereSeparator: \.isNewline).filter { $0.hasPrefix("streams.") }
            .compactMap { $0.split(separator: "\"").last.map(String.init) }
    }

    private static func hashes(_ arguments: [String]) throws -> [String] {
        try Clips.run("ffmpeg", ["-v", "error"] + arguments)
            .split(whereSeparator: \.isNewline).filter { !$0.hasPrefix("#") }
            .compactMap { $0.split(separator: ",").last?.trimmingCharacters(in: .whitespaces) }
    }

    /// The times of all coded frames of a stream, in the order of decoding, in seconds.
    static func times(_ path: String, _ stream: Int) throws -> [(presentation: Double, decoding: Double?)] {
        let output = try Clips.run(
            "ffprobe",
            [
                "-v", "error", "-select_streams", "\(stream)", "-show_entries", "packet=pts_time,dts_time",
                "-of", "flat",
                path,
            ])
        var times: [(presentation: Double, decoding: Double?)] = []
        for line in output.split(whereSeparator: \.isNewline) where line.hasPrefix("packets.") {
            let value = line.split(separator: "\"").last.flatMap { Double($0) }
            if line.contains(".pts_time=") {
                times.append((try #require(value), nil))
            } else if !times.isEmpty {
                times[times.count - 1].decoding = value
            }
        }
        return times
    }
}

/// Runs a medium through the room's own steps, without an engine.
final class Bench {
    /// What muxers told of.
    private(set) var muxerNotices: [String] = []
    var context = StageContext(pool: PacketPool(slotCount: 512), random: PRNG(seed: 1))

    /// Everything that a medium gives as a transport stream: as it is, or muxed.
    func transportStream(
        _ options: MediaInput.Options, _ muxing: SampleMuxer.Options = SampleMuxer.Options()
    ) throws -> [UInt8] {
        var input = try MediaInput(options)
        let muxer = try SampleMuxer(muxing)
        var bytes: [UInt8] = []
        var batch = PacketBatch(capacity: 64)
        var hasMore = true
        while hasMore {
            hasMore = try input.read(into: &batch, context: &context)
            while let packet = batch.popFirst() {
                if packet.unsafeAttachment == nil {
                    bytes.append(contentsOf: packet.unsafeBytes)
                    continue
                }
                try muxer.take(packet)
                bytes.append(contentsOf: muxer.unread)
                muxer.removeFirst(muxer.unread.count)
            }
        }
        try muxer.finish()
        muxerNotices += muxer.notices
        bytes.append(contentsOf: muxer.unread)
        return bytes
    }

    /// Records `bytes` as a line of seven-packet pieces.
    func record(_ bytes: [UInt8], _ options: Recorder.Options) throws {
        let recorder = try Recorder(options)
        var batch = PacketBatch(capacity: 64)
        var place = 0
        while place < bytes.count || !batch.isEmpty {
            while !batch.isFull, place < bytes.count, var packet = context.allocate() {
                let end = min(bytes.count, place + 1316)
                packet.append(bytes.span.bytes.extracting(place..<end))
                batch.append(packet)
                place = end
            }
            try recorder.take(&batch, context: &context)
        }
        while try !recorder.finish(context: &context) {}
    }

    /// Records a medium's frames as they come from it.
    func recordFrames(_ options: MediaInput.Options, _ recording: Recorder.Options) throws {
        var input = try MediaInput(options)
        let recorder = try Recorder(recording)
        var batch = PacketBatch(capacity: 64)
        var hasMore = true
        while hasMore {
            hasMore = try input.read(into: &batch, context: &context)
            try recorder.take(&batch, context: &context)
        }
        while try !recorder.finish(context: &context) {}
    }

    /// The message of the failure that opening and reading `options` ends with; "" when it does not fail.
    func failure(_ options: MediaInput.Options) -> String {
        do {
            _ = try transportStream(options)
            return ""
        } catch {
            let failure = error as? StageError
            #expect(failure?.kind == .failure)
            return failure?.message ?? "\(error)"
        }
    }

    func notices() -> [String] {
        var notices: [String] = []
        while let event = context.events.popFirst() {
            if case .notice(let text) = event { notices.append(text) }
        }
        return notices
    }
}
