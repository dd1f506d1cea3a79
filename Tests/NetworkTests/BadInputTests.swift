import Foundation
import TestSupport
import Testing

/// What is wrong is said in one sentence, with the right exit status.
@Suite(.timeLimit(.minutes(15)), .judgedUndisturbed)
struct BadInputTests {
    /// Expects one sentence on standard error that has all of `words` in it.
    private func expect(_ status: Int32, _ words: [String], from arguments: [String]) async throws {
        let ended = try await Running(Freshet.path, arguments).end(within: 15)
        #expect(ended.status == status, "\(ended)")
        #expect(ended.errorLines.count == 1, "\(ended)")
        for word in words {
            #expect(ended.errors.lowercased().contains(word.lowercased()), "no '\(word)': \(ended)")
        }
    }

    private let group = "rtp://239.77.250.1:19000?interface=lo"

    @Test(
        "Missing, empty, damaged, encrypted and foreign files",
        arguments: ["empty.mp4", "text.mp4", "no-index.mp4", "encrypted.mp4"])
    func files(name: String) async throws {
        let input = try await TestMedia.generated(name)
        try await expect(1, [name], from: ["send", input, "--to", group])
    }

    @Test("A file that is not there")
    func missing() async throws {
        try await expect(1, ["no-such-file.ts"], from: ["send", "no-such-file.ts", "--to", group])
    }

    @Test("A transport stream cut off inside a packet is sent to its last byte")
    func halfPacket() async throws {
        let input = try await TestMedia.generated("half-packet.ts")
        let place = Place.group()
        let delivery = try await Delivery.run(input, to: place.url(), at: place)
        #expect(delivery.sender.status == 0, "\(delivery.sender)")
        let sent = try #require(FileManager.default.contents(atPath: input))
        let got = try #require(FileManager.default.contents(atPath: delivery.recording))
        #expect(got == sent)
    }

    @Test("No such interface")
    func interface() async throws {
        let clip = TestMedia.clip("clip.ts")
        try await expect(
            1, ["nosuch0"], from: ["send", clip, "--to", "rtp://239.77.250.2:19000?interface=nosuch0"])
        try await expect(
            1, ["nosuch0"], from: ["record", "rtp://239.77.250.2:19000?interface=nosuch0", "/dev/null"])
    }

    @Test("Without a route for IPv6 groups it says which to add, and with that one a stream arrives")
    func missingRoute() async throws {
        try await Turnstile.shared.pass {
            let network = try await Namespace()
            let remove = ["-6", "route", "del", "local", "ff00::/8", "dev", "lo", "table", "local"]
            #expect(try await network.start("ip", remove).end().status == 0)
            let (input, place) = (try await TestMedia.generated("single.ts"), Place.group6())
            let refused = try await network.start(Freshet.path, ["send", input, "--to", place.url()]).end()
            #expect(refused.status == 1 && refused.errorLines.count == 1, "\(refused)")
            let hint = try #require(refused.errors.components(separatedBy: "add a route: ip ").last)
            let add = hint.trimmingCharacters(in: .whitespacesAndNewlines).components(separatedBy: " ")
            #expect(try await network.start("ip", add).end().status == 0, "\(refused)")
            let delivery = try await Delivery.run(input, to: place.url(), at: place, network: network)
            delivery.expectExact(input)
        }
    }

    @Test("An address that is none, a port that is none, a group that is none")
    func addresses() async throws {
        let clip = TestMedia.clip("clip.ts")
        try await expect(2, ["239.77.1.300"], from: ["send", clip, "--to", "rtp://239.77.1.300:5004"])
        try await expect(2, ["99999"], from: ["send", clip, "--to", "rtp://239.77.1.1:99999"])
        try await expect(2, ["port"], from: ["send", clip, "--to", "rtp://239.77.1.1"])
        try await expect(
            2, ["192.0.2.1", "multicast"],
            from: ["run", "demux input=\(clip) ! packetize ! pace ! multicast-send group=192.0.2.1:5004"])
    }

    @Test("A port in use")
    func port() async throws {
        let place = Place.local()
        let first = try await Freshet.startReceiver(
            "relay", place.url("udp"), "--to", Place.local().url("udp"), listeningOn: place)
        try await expect(1, ["\(place.port)", "in use"], from: ["record", place.url("udp"), "/dev/null"])
        try await first.stop()
    }

    @Test("A place that cannot be written, and a full disk")
    func disks() async throws {
        try await expect(1, ["/no/such/folder"], from: ["record", group, "/no/such/folder/out.ts"])
        try await expect(1, ["/dev is a folder"], from: ["record", group, "/dev"])
        let place = Place.group()
        let recorder = try await Freshet.startReceiver(
            "record", place.url(), "/dev/full", "--format", "ts", listeningOn: place)
        let sender = try Freshet.start("send", TestMedia.clip("clip.ts"), "--to", place.url())
        let ended = try await recorder.end(within: 15)
        #expect(ended.status == 1, "\(ended)")
        // On a busy machine the sender takes more than a second to start, and the recorder says that nothing comes.
        let complaints = ended.errorLines.filter { !$0.contains("multicast-receive: ") }
        #expect(complaints.count == 1, "\(ended)")
        #expect(ended.errors.contains("/dev/full"), "\(ended)")
        try await sender.stop()
    }

    @Test("Wrong usage")
    func usage() async throws {
        try await expect(2, ["strem"], from: ["strem"])
        try await expect(2, ["--tow"], from: ["send", "a.ts", "--tow", "x"])
        try await expect(2, ["to"], from: ["send", "a.ts"])
        try await expect(2, ["nonsense"], from: ["run", "nonsense ! stdout"])
        try await expect(2, ["colour"], from: ["run", "demux input=a.ts colour=red ! packetize ! stdout"])
        try await expect(2, ["ttl"], from: ["send", "a.ts", "--to", group, "--ttl", "999"])
    }

    @Test("Ports that do not fit name both stages")
    func ports() async throws {
        try await expect(
            2, ["reorder gives rtp", "record takes", "depacketize"],
            from: ["check", "multicast-receive group=239.77.1.1:5004 ! reorder ! record output=b.ts"])
    }

    @Test("A malformed pipeline file is shown by file, line and column")
    func malformed() async throws {
        let scratch = try Scratch()
        let path = scratch.file("bad.json5")
        try Data("{\n  // a comment\n  stages: [ { stage: 'demux' ],\n}\n".utf8).write(
            to: URL(fileURLWithPath: path))
        for command in ["check", "run"] {
            let ended = try await Freshet.run(command, path)
            #expect(ended.status == 2, "\(ended)")
            #expect(ended.errorLines.count == 1, "\(ended)")
            #expect(ended.errors.contains("bad.json5:3:"), "\(ended)")
        }
    }
}
