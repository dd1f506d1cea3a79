import Foundation
import TestSupport
import Testing

/// What others send, Freshet receives.
@Suite(.timeLimit(.minutes(15)), .judgedUndisturbed)
struct PeersSendTests {
    /// A program that sends a file, and how.
    enum Sender: String, CaseIterable, Sendable {
        case gstreamerRTP, gstreamerUDP, multicatRTP, multicatUDP, ffmpegRTP, ffmpegUDP, vlcRTP, vlcUDP

        var scheme: String { rawValue.hasSuffix("UDP") ? "udp" : "rtp" }

        /// True when the program sends the very bytes of the file.
        var keepsBytes: Bool {
            switch self {
            case .gstreamerRTP, .gstreamerUDP, .multicatRTP, .multicatUDP: true
            default: false
            }
        }

        func command(_ input: String, _ place: Place) -> [String] {
            switch self {
            case .gstreamerRTP, .gstreamerUDP:
                Peers.gstreamerSend(input, place, scheme, bytesPerSecond: 1_000_000)
            case .multicatRTP, .multicatUDP: Peers.multicatSend(input, place, scheme)
            case .ffmpegRTP, .ffmpegUDP: Peers.ffmpegSend(input, place, scheme)
            case .vlcRTP, .vlcUDP: Peers.vlcSend(input, place, scheme)
            }
        }
    }

    @Test("What any program sends is recorded bit by bit", arguments: Sender.allCases)
    func recorded(sender: Sender) async throws {
        try await Turnstile.shared.pass {
            let scratch = try Scratch()
            let network = try await Namespace()
            let input = try await WholeDatagrams.file("cbr-8.ts", in: scratch)
            if sender.rawValue.hasPrefix("multicat") {
                // multicat sends by the times that this writes beside the file.
                let listed = try await run("ingests", ["-p", "256", input])
                #expect(listed.status == 0, "\(listed)")
            }
            let place = Place.group()
            let output = scratch.file("out.ts")
            let recorder = try network.start(
                Freshet.path,
                [
                    "record", place.url(sender.scheme), output, "--timeout", "5s", "--stats",
                    scratch.file("stats"),
                ])
            try await place.isHeard(by: recorder)
            // Where the sender muxes anew, GStreamer beside us writes down what really was on the wire.
            let witnessed = scratch.file("witness.ts")
            let command = Peers.gstreamerReceive(place, sender.scheme, witnessed)
            let witness =
                sender.keepsBytes ? nil : try network.start(command[0], Array(command.dropFirst()))
            if let witness { try await place.isHeard(by: witness) }

            let words = sender.command(input, place)
            let sending =
                words[0] == "cvlc"
                ? try network.startAsUser(words[0], Array(words.dropFirst()))
                : try network.start(words[0], Array(words.dropFirst()))
            let sent = try await sending.end(within: 30)
            #expect(sent.status == 0, "\(sent.command) status \(sent.status)")
            let ended = try await recorder.end(within: 15)
            #expect(ended.status == 0, "\(ended)")
            try await witness?.stop(SIGINT)
            let found = difference(sender.keepsBytes ? input : witnessed, output)
            #expect(found == nil, "\(sender): \(found ?? "") \(ended)")
            #expect(fileSize(output) > 100_000)
            #expect(try Statistics(scratch.file("stats"))["lost"] == 0)
        }
    }

    @Test("A relay hands another program's stream to a third one bit by bit")
    func relayed() async throws {
        try await Turnstile.shared.pass {
            let scratch = try Scratch()
            let network = try await Namespace()
            let input = try await WholeDatagrams.file("cbr-8.ts", in: scratch)
            try await run("ingests", ["-p", "256", input])
            let (first, second) = (Place.group(), Place.group())
            let command = Peers.gstreamerReceive(second, "rtp", scratch.file("out.ts"))
            let receiver = try network.start(command[0], Array(command.dropFirst()))
            try await second.isHeard(by: receiver)
            let relay = try network.start(
                Freshet.path, ["relay", first.url(), "--to", second.url(), "--timeout", "5s"])
            try await first.isHeard(by: relay)
            let words = Peers.multicatSend(input, first, "rtp")
            let sent = try await network.start(words[0], Array(words.dropFirst())).end()
            #expect(sent.status == 0)
            let ended = try await relay.end(within: 10)
            #expect(ended.status == 0, "\(ended)")
            try await receiver.stop()
            let found = difference(input, scratch.file("out.ts"))
            #expect(found == nil, "\(found ?? "")")
        }
    }
}
