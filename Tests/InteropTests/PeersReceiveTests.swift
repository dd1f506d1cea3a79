import Foundation
import TestSupport
import Testing

/// What Freshet sends, others receive.
@Suite(.timeLimit(.minutes(15)), .judgedUndisturbed)
struct PeersReceiveTests {
    /// A program that writes the very bytes it gets.
    enum ExactPeer: String, CaseIterable, Sendable {
        case gstreamer, multicat, ffmpeg, vlc

        func command(_ place: Place, _ scheme: String, _ output: String) -> [String] {
            switch self {
            case .gstreamer: Peers.gstreamerReceive(place, scheme, output)
            case .multicat: Peers.multicatReceive(place, scheme, output)
            case .ffmpeg: Peers.ffmpegReceive(place, scheme, output)
            case .vlc: Peers.vlcReceive(place, scheme, output)
            }
        }
    }

    @Test(
        "Programs that keep the bytes get a transport stream bit by bit",
        arguments: [
            (ExactPeer.gstreamer, "rtp"), (.gstreamer, "udp"), (.multicat, "rtp"), (.multicat, "udp"),
            (.ffmpeg, "udp"),
            (.vlc, "udp"),
        ])
    func exact(peer: ExactPeer, scheme: String) async throws {
        try await Turnstile.shared.pass {
            let scratch = try Scratch()
            let input = try await WholeDatagrams.file("cbr-8.ts", in: scratch)
            let output = scratch.file("out.ts")
            try await receive(peer, scheme, input, output)
            let found = difference(input, output)
            #expect(found == nil, "\(peer) over \(scheme): \(found ?? "")")
        }
    }

    /// Runs `peer` as the receiver of `input`, until it has as many bytes as were sent or stops getting more.
    private func receive(
        _ peer: ExactPeer, _ scheme: String, _ input: String, _ output: String
    ) async throws {
        let network = try await Namespace()
        let place = Place.group()
        let command = peer.command(place, scheme, output)
        let receiver =
            peer == .vlc
            ? try network.startAsUser(command[0], Array(command.dropFirst()))
            : try network.start(command[0], Array(command.dropFirst()))
        try await place.isHeard(by: receiver)
        // FFmpeg empties its sockets some time after it has opened them, and nothing tells when it is done.
        if peer == .ffmpeg { try await Task.sleep(for: .seconds(1)) }
        let sent = try await network.start(Freshet.path, ["send", input, "--to", place.url(scheme)]).end()
        #expect(sent.status == 0, "\(sent)")
        let size = FileManager.default.contents(atPath: input)?.count ?? 0
        // A receiver that buffers may write its last bytes only when it is stopped: the comparison decides.
        try? await wait(for: "all bytes", within: 2) { fileSize(output) >= size }
        try await receiver.stop(SIGINT)
    }

    @Test(
        "Programs that take RTP apart get the frames, unchanged and in order",
        arguments: [ExactPeer.ffmpeg, .vlc])
    func frames(peer: ExactPeer) async throws {
        try await Turnstile.shared.pass {
            let scratch = try Scratch()
            let input = try await TestMedia.generated("ten.ts")
            let output = scratch.file("out.ts")
            try await receive(peer, "rtp", input, output)
            let sent = try await Frames.decodedVideo(of: input)[0].hashes
            let got = try await Frames.decodedVideo(of: output)[0].hashes
            // Both begin with a keyframe, the first or the second; VLC drops what it has not written when it is stopped.
            let share = peer == .ffmpeg ? 0.79 : 0.6
            #expect(
                Double(got.count) >= share * Double(sent.count),
                "\(peer): \(got.count) of \(sent.count) frames")
            // At the cut a frame may wait for one that never came.
            #expect(
                isStretch(got.dropLast(4), of: sent),
                "\(peer) has frames that were not sent, or not in this order")
        }
    }

    /// True when `part` is one unbroken stretch of `whole`.
    private func isStretch(_ part: [String], of whole: [String]) -> Bool {
        guard let first = part.first, let start = whole.firstIndex(of: first) else { return false }
        return Array(whole[start...].prefix(part.count)) == part
    }

    @Test("FFmpeg opens the description that the sender wrote")
    func description() async throws {
        try await Turnstile.shared.pass {
            let scratch = try Scratch()
            let network = try await Namespace()
            let input = try await TestMedia.generated("ten.ts")
            let place = Place.group()
            let sender = try network.start(
                Freshet.path,
                ["send", input, "--loop", "--to", place.url(), "--sdp", scratch.file("show.sdp")])
            try await wait(for: "the description") { fileSize(scratch.file("show.sdp")) > 0 }
            let copied = try await network.start(
                "ffmpeg",
                [
                    "-v", "error", "-nostdin", "-protocol_whitelist", "file,rtp,udp", "-i",
                    scratch.file("show.sdp"), "-t", "1",
                    "-map", "0:v", "-c", "copy", "-f", "framehash", "-",
                ]
            ).end(within: 20)
            #expect(copied.status == 0, "\(copied)")
            #expect(copied.output.contains("#codec_id 0: h264"), "\(copied)")
            try await sender.stop()
        }
    }
}

/// The size of a file; 0 when there is none.
func fileSize(_ path: String) -> Int {
    let attributes = try? FileManager.default.attributesOfItem(atPath: path)
    return (attributes?[.size] as? NSNumber)?.intValue ?? 0
}

/// Streams cut to whole datagrams of seven packets: GStreamer's payloader keeps a shorter last one to itself, and
/// multicat writes every one in full.
enum WholeDatagrams {
    /// A generated stream, cut, in `scratch`.
    static func file(_ name: String, in scratch: Scratch) async throws -> String {
        let whole = try Data(contentsOf: URL(fileURLWithPath: try await TestMedia.generated(name)))
        let path = scratch.file("whole.ts")
        try whole.prefix(whole.count / 1316 * 1316).write(to: URL(fileURLWithPath: path))
        return path
    }
}
