import Foundation
import TestSupport
import Testing

/// The command line as a person meets it.
@Suite(.timeLimit(.minutes(15)), .judgedUndisturbed)
struct CommandTests {
    @Test(
        "Every command has a page that shows how to use it",
        arguments: [
            "send", "watch", "record", "relay", "run", "check", "stages", "coordinate", "top", "emulate",
        ])
    func help(command: String) async throws {
        for words in [[command, "--help"], ["help", command]] {
            let shown = try await Running(Freshet.path, words).end(within: 10)
            #expect(shown.status == 0, "\(shown)")
            #expect(shown.output.contains("freshet \(command)"), "\(shown)")
            #expect(shown.errors.isEmpty, "\(shown)")
        }
        let overview = try await Freshet.run("--help")
        #expect(overview.status == 0)
        #expect(overview.output.contains("  \(command)"))
    }

    @Test("Every ready-made pipeline passes its check and is what its command shows")
    func pipelines() async throws {
        for path in Repository.files(below: "Pipelines", named: ".json5") {
            let checked = try await Freshet.run("check", Repository.path(path))
            #expect(checked.status == 0, "\(checked)")
            #expect(checked.output.contains("!") || checked.output.contains("→"), "\(checked)")
        }
        for command in ["send", "watch", "record", "relay"] {
            let shown = try await Freshet.run(command, "--show-pipeline")
            #expect(shown.status == 0, "\(shown)")
            #expect(
                shown.output.trimmingCharacters(in: .whitespacesAndNewlines)
                    == (try Repository.text("Pipelines/\(command).json5")).trimmingCharacters(
                        in: .whitespacesAndNewlines))
        }
    }

    @Test("The figures of a sender tell what has been sent, not what was read ahead")
    func senderFigures() async throws {
        try await Turnstile.shared.pass {
            let (input, scratch) = (try await TestMedia.generated("single.ts"), try Scratch())
            let sent = try await Freshet.run(
                "send", input, "--to", Place.group().url(), "--stats", scratch.file("stats"))
            #expect(sent.status == 0, "\(sent)")
            let text = try String(contentsOfFile: scratch.file("stats"), encoding: .utf8)
            let lines = try text.split(separator: "\n").map { line in
                let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
                return (object?["bytes"] as? NSNumber)?.intValue ?? -1
            }
            // Three seconds of media: after one of them about a third has gone.
            #expect(lines.count >= 3 && lines[0] > 0 && lines[0] * 2 < lines[lines.count - 1], "\(lines)")
            #expect(lines.last == fileSize(input), "\(lines)")
        }
    }

    @Test("Every stage is listed, has a page, and its example passes the check")
    func stages() async throws {
        let listed = try await Freshet.run("stages")
        #expect(listed.status == 0, "\(listed)")
        let names = [
            "demux", "packetize", "pace", "multicast-send", "udp-send", "multicast-receive", "udp-receive",
            "reorder",
            "jitter", "depacketize", "remux", "record", "file", "stdout", "impair", "stats", "tee", "exec",
        ]
        for name in names {
            #expect(listed.output.contains(name), "\(name) is not listed")
            let page = try await Freshet.run("stages", name)
            #expect(page.status == 0, "\(page)")
            let example = try #require(
                page.output.split(separator: "\n").last { $0.contains(" ! ") }, "\(page.output)")
            let text = example.trimmingCharacters(in: .whitespaces)
                .replacingOccurrences(of: "freshet run ", with: "")
                .trimmingCharacters(in: CharacterSet(charactersIn: "'"))
            let checked = try await Freshet.run("check", text)
            #expect(checked.status == 0, "\(checked)")
        }
    }

    @Test("The commands in the README and in CONTRIBUTING are commands")
    func pages() async throws {
        let known = [
            "send", "watch", "record", "relay", "coordinate", "top", "emulate", "simulate", "run", "check",
            "stages", "help", "--help", "--version",
        ]
        for page in ["README.md", "CONTRIBUTING.md"] {
            for line in try Repository.text(page).split(separator: "\n")
            where line.hasPrefix("freshet ") || line.hasPrefix("    freshet ") {
                let words = line.split(separator: " ")
                #expect(words.count > 1 && known.contains(String(words[1])), "\(page): \(line)")
            }
        }
    }

    @Test("A pipeline written as text does what the command does")
    func textPipeline() async throws {
        try await Turnstile.shared.pass {
            let input = try await TestMedia.generated("single.ts")
            let place = Place.group()
            let scratch = try Scratch()
            let recorder = try await Freshet.startReceiver(
                "run",
                "multicast-receive group=\(place.address):\(place.port) interface=lo ! reorder latency=200ms ! "
                    + "depacketize ! record output=\(scratch.file("out.ts"))", listeningOn: place)
            let sent = try await Freshet.run(
                "run",
                "demux input=\(input) ! packetize ! pace ! multicast-send group=\(place.address):\(place.port) interface=lo"
            )
            #expect(sent.status == 0, "\(sent)")
            let ended = try await recorder.end(within: 10)
            #expect(ended.status == 0, "\(ended)")
            #expect(difference(input, scratch.file("out.ts")) == nil)
        }
    }

    @Test("A description written by the sender opens in FFmpeg")
    func description() async throws {
        try await Turnstile.shared.pass {
            let input = try await TestMedia.generated("single.ts")
            let place = Place.group()
            let scratch = try Scratch()
            let sender = try Freshet.start(
                "send", input, "--loop", "--to", place.url(), "--sdp", scratch.file("show.sdp"))
            try await wait(for: "the description") { !scratch.bytes("show.sdp").isEmpty }
            let text = scratch.text("show.sdp")
            #expect(text.hasPrefix("v=0\r\n") || text.hasPrefix("v=0\n"))
            #expect(text.contains("m=video \(place.port) RTP/AVP 33"))
            #expect(text.contains("a=rtpmap:33 MP2T/90000"))
            #expect(text.contains("c=IN IP4 \(place.address)"))
            try await sender.stop()
        }
    }

    @Test("Engine threads change nothing in what is delivered", arguments: ["inline", "shared", "split"])
    func threads(mode: String) async throws {
        try await Turnstile.shared.pass {
            let input = try await TestMedia.generated("single.ts")
            let place = Place.group()
            let delivery = try await Delivery.run(
                input, to: place.url(), at: place, options: ["--threads", mode])
            delivery.expectExact(input)
        }
    }
}
