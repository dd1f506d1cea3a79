import Foundation
import TestSupport
import Testing

/// RIST Simple Profile with the programs that people have, over a link that loses 5 % each way.
@Suite(.serialized, .timeLimit(.minutes(15)), .judgedUndisturbed)
struct RISTTests {
    private static let link = "loss=5% delay=10"
    private static let ffmpeg = ["ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "error", "-y"]

    /// A program that sends what it gets as bare UDP on a port of this host.
    enum Sender: String, CaseIterable, Sendable {
        case ristsender, gstreamer, ffmpeg

        func command(from input: Place, to target: Place) -> [String] {
            let address = "rist://\(target.host):\(target.port)"
            switch self {
            case .ristsender:
                return [
                    "ristsender", "-p", "0", "-v", "3", "-S", "0", "-i", "udp://@\(input.host):\(input.port)",
                    "-o",
                    "\(address)?buffer=1000",
                ]
            case .gstreamer:
                return [
                    "gst-launch-1.0", "-q", "udpsrc", "address=\(input.host)", "port=\(input.port)",
                    "caps=video/mpegts,systemstream=true,packetsize=188", "!", "rtpmp2tpay", "!", "ristsink",
                    "address=\(target.host)", "port=\(target.port)", "sender-buffer=4000",
                ]
            case .ffmpeg:
                return RISTTests.ffmpeg + [
                    "-f", "data", "-raw_packet_size", "1316", "-i",
                    "udp://\(input.host):\(input.port)?timeout=3000000", "-map", "0",
                    "-c",
                    "copy", "-rist_profile", "simple", "-pkt_size", "1316", "-f", "data", address,
                ]
            }
        }
    }

    /// A program that writes what it receives to a file.
    enum Receiver: String, CaseIterable, Sendable {
        case ristreceiver, gstreamer, ffmpeg

        /// The command; ristreceiver can only pass on, to `next`.
        func command(at place: Place, next: Place, output: String) -> [String] {
            let address = "rist://@\(place.host):\(place.port)"
            switch self {
            case .ristreceiver:
                return [
                    "ristreceiver", "-p", "0", "-v", "3", "-S", "0", "-i", "\(address)?buffer=1000", "-o",
                    "udp://\(next.host):\(next.port)",
                ]
            case .gstreamer:
                return [
                    "gst-launch-1.0", "-q", "ristsrc", "address=\(place.host)", "port=\(place.port)",
                    // In the first two seconds it asks about once a second, since it takes a stream for 64 kbit/s
                    // until it has measured it: there must be time for a second request.
                    "receiver-buffer=4000", "max-rtx-retries=100", "!", "rtpmp2tdepay", "!", "filesink",
                    "location=\(output)",
                    "buffer-mode=unbuffered",
                ]
            case .ffmpeg:
                return RISTTests.ffmpeg + [
                    "-rist_profile", "simple", "-buffer_size", "1000", "-pkt_size", "1316", "-f", "data",
                    "-i",
                    address, "-map", "0", "-c", "copy", "-f", "data", "-flush_packets", "1", output,
                ]
            }
        }
    }

    /// What is wrong with what arrived of what another program sent; `nil` when it is the stream without a hole. The
    /// other programs swallow the first datagrams until both ends know each other, and do not say when a stream has
    /// ended, so that nobody misses a lost last one.
    private func fault(_ input: String, _ output: String) throws -> String? {
        let sent = try Data(contentsOf: URL(fileURLWithPath: input))
        let got = FileManager.default.contents(atPath: output) ?? Data()
        guard !got.isEmpty, let start = sent.range(of: got.prefix(1316))?.lowerBound else {
            return "nothing of it came"
        }
        let tail = sent.count - start - got.count
        if start > sent.count / 4 { return "\(start) bytes are missing at the beginning" }
        if tail > 3 * 1316 { return "\(tail) bytes are missing" }
        return got.elementsEqual(sent[start...].prefix(got.count)) ? nil : "there is a hole"
    }

    /// None of these programs can help it when the machine lets them wait for longer than their latency, so each
    /// has three tries, on three links.
    private func inThreeTries(_ body: (_ seed: Int) async throws -> String?) async throws {
        var faults: [String] = []
        for seed in 3..<6 {
            guard let fault = try await body(seed) else { return }
            faults.append(fault)
        }
        Issue.record("\(faults)")
    }

    @Test("What others send over a lossy link is recorded whole", arguments: Sender.allCases)
    func received(sender: Sender) async throws {
        try await Turnstile.shared.pass {
            try await inThreeTries { seed in
                let scratch = try Scratch()
                let input = try await WholeDatagrams.file("cbr-8.ts", in: scratch)
                let (feed, place) = (Place.local(), Place.local())
                let path = try await EmulatedPath(to: place, both: RISTTests.link, seed: seed)
                let output = scratch.file("out.ts")
                let recorder = try await Freshet.startReceiver(
                    "record", place.url("rist"), output, "--latency", "1000", "--timeout", "5", "--stats",
                    scratch.file("stats"), listeningOn: place)
                let command = sender.command(from: feed, to: path.entrance)
                let peer = try Running(command[0], Array(command.dropFirst()))
                try await feed.isHeard(by: peer)
                let sent = try await Freshet.run("send", input, "--to", feed.url("udp", "control=off"))
                #expect(sent.status == 0, "\(sent)")
                try await recorder.end(within: 20)
                peer.signal(SIGTERM)
                let figures = try await path.figures()
                #expect(figures.forward["lost.random"] > 20)
                return try fault(input, output).map { "\($0) \(scratch.text("stats").suffix(700))" }
            }
        }
    }

    @Test(
        "What is sent over a lossy link others receive bit for bit, from the first packet to the last",
        arguments: Receiver.allCases)
    func sent(receiver: Receiver) async throws {
        try await Turnstile.shared.pass {
            try await inThreeTries { seed in
                let scratch = try Scratch()
                let input = try await WholeDatagrams.file("cbr-8.ts", in: scratch)
                let (place, next) = (Place.local(), Place.local())
                let path = try await EmulatedPath(to: place, both: RISTTests.link, seed: seed)
                let output = scratch.file("out.ts")
                var recorder: Running?
                if receiver == .ristreceiver {
                    recorder = try await Freshet.startReceiver(
                        "record", next.url("udp", "control=off"), output, "--timeout", "5", listeningOn: next)
                }
                let command = receiver.command(at: place, next: next, output: output)
                let peer = try Running(command[0], Array(command.dropFirst()))
                try await place.isHeard(by: peer)
                let sent = try await Freshet.run(
                    "send", input, "--to", path.entrance.url("rist"), "--history", "5s", "--stats",
                    scratch.file("stats"))
                #expect(sent.status == 0, "\(sent)")
                if let recorder { try await recorder.end(within: 20) } else { try await settle(output) }
                // FFmpeg waits for the next packet before it looks at other signals.
                try await peer.stop(SIGKILL)
                let figures = try await path.figures()
                #expect(figures.forward["lost.random"] > 20)
                return difference(input, output).map { "\($0) \(scratch.text("stats").suffix(700))" }
            }
        }
    }

    /// Waits until the file no longer grows: the other program's buffer has emptied by itself.
    private func settle(_ output: String) async throws {
        var (size, since) = (-1, ContinuousClock.now)
        try await wait(for: "the end of the output, \(size) bytes", within: 20) {
            if fileSize(output) != size { (size, since) = (fileSize(output), ContinuousClock.now) }
            return size > 0 && ContinuousClock.now - since > .seconds(1.5)
        }
    }
}
