import Foundation
import TestSupport
import Testing

/// Rows and columns of parity (SMPTE ST 2022-1), made by one program and used by another, while the media
/// between them lose one packet in twenty.
@Suite(.timeLimit(.minutes(15)), .judgedUndisturbed)
struct ParityPeersTests {
    private let caps = "application/x-rtp,media=video,clock-rate=90000,encoding-name=MP2T,payload=33"

    /// A network in which datagrams to `entry` arrive at `place`: media with losses, parity whole. With this
    /// seed the losses are such that a matrix of five by five mends them all.
    private struct Lossy {
        let network: Namespace
        let place = Place.local()
        var entry: Int { place.port + 10 }
        private var proxies: [Running] = []

        init(loss: String = "loss=5%") async throws {
            network = try await Namespace()
            for (offset, count, link) in [(0, 1, loss), (2, 3, "loss=0")] {
                let proxy = try network.start(
                    Freshet.path,
                    [
                        "emulate", "--listen", "127.0.0.1:\(entry + offset)", "--to",
                        "127.0.0.1:\(place.port + offset)", "--ports", "\(count)", "--forward", link,
                        "--seed", "1",
                    ])
                proxies.append(proxy)
                try await proxy.listens(at: [entry + offset])
            }
        }

        /// Freshet's recorder, listening.
        func record(_ output: String, _ statistics: String) async throws -> Running {
            let recorder = try network.start(
                Freshet.path,
                [
                    "record", place.url(), output, "--fec", "on", "--latency", "1s", "--timeout", "8s",
                    "--stats",
                    statistics,
                ])
            try await recorder.listens(at: [place.port, place.port + 2, place.port + 4])
            return recorder
        }
    }

    /// A clip of whole datagrams, since the standard's other users refuse packets of unequal length.
    private func clip(_ scratch: Scratch) throws -> String {
        let whole = try Data(contentsOf: URL(fileURLWithPath: TestMedia.clip("clip.ts")))
        let path = scratch.file("in.ts")
        try whole.prefix(whole.count / 1316 * 1316).write(to: URL(fileURLWithPath: path))
        return path
    }

    private func expectMended(_ statistics: String, _ ended: Outcome) throws {
        #expect(ended.status == 0, "\(ended)")
        let figures = try Statistics(statistics)
        #expect(figures["lost"] == 0)
        let mended = figures["recoveredByFEC"]
        #expect(mended >= 20, "only \(mended) packets were mended")
    }

    @Test("What GStreamer protects, Freshet mends")
    func gstreamerToFreshet() async throws {
        try await Turnstile.shared.pass {
            let scratch = try Scratch()
            let input = try clip(scratch)
            let lossy = try await Lossy()
            let recorder = try await lossy.record(scratch.file("out.ts"), scratch.file("stats"))
            let inner = lossy.place.port + 20
            func sink(_ offset: Int) -> [String] {
                ["udpsink", "host=127.0.0.1", "port=\(lossy.entry + offset)", "sync=false", "async=false"]
            }
            let words: [String] =
                [
                    "-q", "udpsrc", "address=127.0.0.1", "port=\(inner)",
                    "caps=video/mpegts,systemstream=true,packetsize=188", "!", "rtpmp2tpay", "ssrc=0",
                    "mtu=1328", "!",
                    "rtpst2022-1-fecenc", "name=fec", "rows=5", "columns=5", "!",
                ] + sink(0) + ["fec.fec_0", "!"] + sink(2) + ["fec.fec_1", "!"] + sink(4)
            let protector = try lossy.network.start("gst-launch-1.0", words)
            try await protector.listens(at: [inner])
            let sender = try lossy.network.start(
                Freshet.path, ["send", input, "--to", "udp://127.0.0.1:\(inner)?control=off"])
            let sent = try await sender.end()
            #expect(sent.status == 0, "\(sent)")
            let ended = try await recorder.end(within: 15)
            try await protector.stop(SIGINT)
            try expectMended(scratch.file("stats"), ended)
            let found = difference(input, scratch.file("out.ts"))
            #expect(found == nil, "\(found ?? "")")
        }
    }

    @Test("What Freshet protects, GStreamer mends")
    func freshetToGStreamer() async throws {
        try await Turnstile.shared.pass {
            let scratch = try Scratch()
            let input = try clip(scratch)
            let output = scratch.file("out.ts")
            let lossy = try await Lossy()
            let port = lossy.place.port
            func source(_ offset: Int, _ caps: String) -> [String] {
                ["udpsrc", "address=127.0.0.1", "port=\(port + offset)", "caps=\(caps)", "!"]
            }
            let words =
                ["-q", "-e"] + source(0, caps) + [
                    "rtpst2022-1-fecdec", "name=fec", "size-time=2000000000", "!", "rtpjitterbuffer",
                    "latency=1500",
                    "!", "rtpmp2tdepay", "!", "filesink", "location=\(output)", "buffer-mode=unbuffered",
                ] + source(2, "application/x-rtp,payload=96") + ["fec.fec_0"]
                + source(4, "application/x-rtp,payload=96") + ["fec.fec_1"]
            let receiver = try lossy.network.start("gst-launch-1.0", words)
            try await receiver.listens(at: [port, port + 2, port + 4])
            let sender = try lossy.network.start(
                Freshet.path,
                [
                    "send", input, "--to", "rtp://127.0.0.1:\(lossy.entry)?control=off", "--fec",
                    "2022-1:5x5",
                ])
            let sent = try await sender.end()
            #expect(sent.status == 0, "\(sent)")
            try await wait(for: "GStreamer to write \(fileSize(input)) bytes", within: 15) {
                fileSize(output) >= fileSize(input)
            }
            try await receiver.stop(SIGINT)
            let found = difference(input, output)
            #expect(found == nil, "\(found ?? "")")
        }
    }

    @Test("What FFmpeg protects, Freshet mends")
    func ffmpegToFreshet() async throws {
        try await Turnstile.shared.pass {
            let scratch = try Scratch()
            let input = try clip(scratch)
            // FFmpeg muxes anew; without losses it is seen what.
            for (name, loss) in [("whole", "loss=0"), ("mended", "loss=5%")] {
                let lossy = try await Lossy(loss: loss)
                let recorder = try await lossy.record(scratch.file(name), scratch.file(name + ".stats"))
                let sender = try lossy.network.start(
                    "ffmpeg",
                    [
                        "-hide_banner", "-nostdin", "-loglevel", "error", "-re", "-i", input, "-map", "0",
                        "-c",
                        "copy", "-f", "rtp_mpegts", "-fec", "prompeg=l=5:d=5",
                        "rtp://127.0.0.1:\(lossy.entry)?pkt_size=1328",
                    ])
                let sent = try await sender.end()
                #expect(sent.status == 0, "\(sent)")
                let ended = try await recorder.end(within: 15)
                if name == "mended" { try expectMended(scratch.file(name + ".stats"), ended) }
            }
            let found = difference(scratch.file("whole"), scratch.file("mended"))
            #expect(found == nil, "\(found ?? "")")
            #expect(fileSize(scratch.file("whole")) > 800_000)
        }
    }
}

extension Running {
    /// Waits until the program's network has sockets at all of `ports`.
    fileprivate func listens(at ports: [Int]) async throws {
        try await wait(for: "\(command) to listen at \(ports)", within: 15) {
            if hasEnded { throw TimedOut("\(command) to listen; it ended: \(errors.suffix(1000))") }
            let table = (try? String(contentsOfFile: "/proc/\(identifier)/net/udp", encoding: .utf8)) ?? ""
            return ports.allSatisfy { table.contains(":" + String(format: "%04X", $0) + " ") }
        }
    }
}
