import Foundation
import TestSupport
import Testing

/// Plain players at any point of a relay tree.
@Suite(.timeLimit(.minutes(15)), .judgedUndisturbed)
struct TreePeersTests {
    /// A program that plays, what it writes, and how much of it must be there.
    private struct Player {
        var running: Running
        var output: String
        /// Of all frames; `nil` where every byte must have come.
        var share: Double?
        var name: String

        /// A receiver of `place` in `network`, which is heard there.
        init(_ kind: String, at place: Place, in network: Namespace, _ scratch: Scratch) async throws {
            output = scratch.file("\(kind)-\(place.port).ts")
            name = "\(kind) at \(place.host):\(place.port)"
            switch kind {
            case "vlc":
                let words = Peers.vlcReceive(place, "rtp", output)
                running = try network.startAsUser(words[0], Array(words.dropFirst()))
                // VLC drops what it has not written when it is stopped.
                share = 0.6
            case "ffmpeg":
                let words = Peers.ffmpegReceive(place, "rtp", output)
                running = try network.start(words[0], Array(words.dropFirst()))
                share = 0.79
            default:
                let words = Peers.gstreamerReceive(place, "rtp", output)
                running = try network.start(words[0], Array(words.dropFirst()))
            }
            try await place.isHeard(by: running)
        }

        /// Expects that it got the frames of `input`, unchanged and in order.
        func expect(_ input: String, _ sent: [String]) async throws {
            guard let share else {
                let found = difference(input, output)
                #expect(found == nil, "\(name): \(found ?? "")")
                return
            }
            let got = try await Frames.decodedVideo(of: output).first?.hashes ?? []
            #expect(
                Double(got.count) >= share * Double(sent.count),
                "\(name): \(got.count) of \(sent.count) frames")
            // At the cut a frame may wait for one that never came.
            let stretch = Array(got.dropLast(4))
            let start = stretch.first.flatMap { sent.firstIndex(of: $0) } ?? sent.count
            #expect(
                Array(sent[start...].prefix(stretch.count)) == stretch,
                "\(name) has frames that were not sent, or not in this order")
        }
    }

    @Test("A tree feeds a multicast island and plain players, from its relays and its viewers")
    func players() async throws {
        try await Turnstile.shared.pass {
            let scratch = try Scratch()
            let network = try await Namespace()
            let input = try await TestMedia.generated("ten.ts")
            // The island is a group; the others are addresses of one player each.
            let (island, first, second, third) = (Place.group(), Place.local(), Place.local(), Place.local())
            var players: [Player] = []
            for (kind, place) in [
                ("gstreamer", island), ("ffmpeg", island), ("vlc", island), ("ffmpeg", first),
                ("vlc", second),
                ("ffmpeg", third),
            ] { players.append(try await Player(kind, at: place, in: network, scratch)) }
            let tree = try await TreeSource(
                input, ["--children", "1", "--wait-viewers", "4"], network: network)
            // A chain: every one of them is somebody's child, and all but the last have one in the tree too.
            let recorded = scratch.file("recorded.ts")
            let members = [
                try tree.start([
                    "relay", "URL", "--children", "1", "--to", island.url("rtp", "ttl=1"),
                ]),
                try tree.start([
                    "relay", "URL", "--children", "1", "--to", first.url(), "--to", second.url(),
                ]),
                try tree.start(["watch", "URL", "--children", "1", "--out", third.url()]),
                try tree.start(["record", "URL", recorded, "--children", "1"]),
            ]
            let sent = try await tree.process.end(within: 60)
            #expect(sent.status == 0, "\(sent)")
            for member in members {
                let ended = try await member.end(within: 15)
                #expect(ended.status == 0, "\(ended)")
            }
            let found = difference(input, recorded)
            #expect(found == nil, "the recorder: \(found ?? "")")
            let frames = try await Frames.decodedVideo(of: input)[0].hashes
            for player in players {
                // One that buffers may write its last bytes only when it is stopped: the comparison decides.
                try? await wait(for: "all bytes", within: 1) { fileSize(player.output) >= fileSize(input) }
                try await player.running.stop(SIGINT)
                try await player.expect(input, frames)
            }
        }
    }
}
