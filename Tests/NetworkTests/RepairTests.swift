import Foundation
import TestSupport
import Testing

/// Streams over links that lose, with real processes at both ends: what is lost comes again in time.
@Suite(.timeLimit(.minutes(15)), .judgedUndisturbed)
struct RepairTests {
    /// A link of 50 ms there and back that loses alike both ways, and what repair may cost there.
    struct Point: Sendable, CustomTestStringConvertible {
        var loss: String
        /// Bytes sent per byte of media, headers (2.1 %) and reports among them.
        var bytes: Double

        var testDescription: String { "\(loss) lost" }
    }

    // The latency leaves room for machines that are late: scripts/bench repair measures the short ones.
    @Test(
        "What a link loses is asked for again and comes in time, at no more than it may cost",
        arguments: [
            Point(loss: "1%", bytes: 1.08), Point(loss: "5%", bytes: 1.2), Point(loss: "10%", bytes: 1.5),
            Point(loss: "20%", bytes: 1.7),
        ])
    func repaired(point: Point) async throws {
        try await Turnstile.shared.pass {
            let input = try await TestMedia.generated("cbr-8.ts")
            let scratch = try Scratch()
            let place = Place.local()
            let path = try await EmulatedPath(to: place, both: "delay=25 loss=\(point.loss)", seed: 11)
            let recorder = try await Freshet.startReceiver(
                "record", place.url("rist"), scratch.file("out.ts"), "--latency", "500",
                "--timeout", "8", "--stats", scratch.file("stats"), listeningOn: place)
            let sent = try await Freshet.run("send", input, "--to", path.entrance.url("rist"))
            #expect(sent.status == 0, "\(sent)")
            try await recorder.end(within: 15)
            let forward = try await path.figures().forward
            let counted = try Statistics(scratch.file("stats"))
            // Without repair it would be from 20 to 450.
            #expect(counted["lost"] <= 2, "\(scratch.text("stats").suffix(800))")
            #expect(counted["recovered"] >= Double(forward["lost.random"]) / 3)
            let cost = Double(forward["bytesIn"]) / Double(scratch.bytes("out.ts").count)
            #expect(cost <= point.bytes, "\(cost) bytes sent per byte of media")
        }
    }

    @Test("Where the latency fits itself, it is short at first and long enough when the way becomes longer")
    func latency() async throws {
        try await Turnstile.shared.pass {
            let input = try await TestMedia.generated("cbr-8.ts")
            let scratch = try Scratch()
            let place = Place.local()
            let link = "delay=10 loss=5% detour=60 detour-every=2s"
            let path = try await EmulatedPath(to: place, both: link, seed: 12)
            let recorder = try await Freshet.startReceiver(
                "watch", place.url("rist"), "--latency", "auto", "--out", scratch.file("out.ts"),
                "--timeout", "8", "--stats", scratch.file("stats"), listeningOn: place)
            let sent = try await Freshet.run("send", input, "--to", path.entrance.url("rist"))
            #expect(sent.status == 0, "\(sent)")
            try await recorder.end(within: 20)
            let told = scratch.text("stats").split(separator: "\n").compactMap { line -> Double? in
                guard let data = line.data(using: .utf8),
                    let fields = try? JSONSerialization.jsonObject(with: data) as? [String: Any]
                else { return nil }
                return fields["latencyMs"] as? Double
            }.filter { $0 > 0 }
            let least = try #require(told.min()), most = try #require(told.max())
            #expect(least < 199.5, "\(told)")
            // Two round trips and a half of 140 ms; without it much would be lost.
            #expect(most > 280, "\(told)")
            let counted = try Statistics(scratch.file("stats"))
            #expect(counted["lost"] < counted["recovered"] / 4, "\(scratch.text("stats").suffix(600))")
        }
    }

    @Test("Of two paths either may be cut at any time: nothing is lost and nothing comes twice")
    func paths() async throws {
        try await Turnstile.shared.pass {
            let input = try await TestMedia.generated("cbr-8.ts")
            let scratch = try Scratch()
            let cuts = "cut-every=80ms cut-for=40ms cut-apart=30ms cut-among=paths"
            let network = try await EmulatedNetwork(hosts: 2, segments: 2, seed: 4) { host, segment in
                host == 0 ? .init(up: "delay=\(segment == 0 ? 5 : 15) \(cuts)") : .init()
            }
            let place = Place.local()
            let urls = (0..<2).map { "rtp://\(EmulatedNetwork.address(1, $0)):\(place.port)" }
            let output = scratch.file("out.ts")
            let recorder = try network.start(
                1, "record", urls.joined(separator: ","), output, "--repair", "off", "--fec", "off",
                "--timeout", "8", "--stats", scratch.file("stats"))
            try await place.isHeard(by: recorder, sockets: 2)
            let sent = try await network.start(0, "send", input, "--to", urls.joined(separator: ",")).end()
            #expect(sent.status == 0, "\(sent)")
            try await recorder.end(within: 15)
            let found = difference(input, output)
            let figures = try await network.figures()
            let stats = "\(scratch.text("stats").suffix(800)) \(figures.ports[0]) \(figures.ports[1])"
            #expect(found == nil, "\(found ?? "") \(stats)")
            #expect(figures.ports[0].up["lost.cut"] > 50 && figures.ports[1].up["lost.cut"] > 50, "\(stats)")
            #expect(try Statistics(scratch.file("stats"))["recoveredByPath"] > 0, "\(stats)")
            #expect(figures.ports[0].up["cuts"] + figures.ports[1].up["cuts"] >= 15, "\(stats)")
        }
    }

    @Test("Members of a group who lose different packets heal each other, and the source heals the rest")
    func group() async throws {
        try await Turnstile.shared.pass {
            let input = try await TestMedia.generated("cbr-8.ts")
            let scratch = try Scratch()
            let network = try await EmulatedNetwork(hosts: 4, seed: 6) { host, _ in
                host == 0 ? .init(up: "delay=5") : .init(up: "delay=5 loss=3%", down: "delay=5 loss=3%")
            }
            let place = Place.group()
            let members = try (1...3).map { member in
                try network.start(
                    member, "record", "rtp://\(place.host):\(place.port)", scratch.file("\(member).ts"),
                    "--latency", "800", "--timeout", "8", "--fec", "off", "--stats",
                    scratch.file("stats\(member)"))
            }
            for member in members { try await place.isHeard(by: member) }
            let sent = try await network.start(0, "send", input, "--to", "rtp://\(place.host):\(place.port)")
                .end()
            #expect(sent.status == 0, "\(sent)")
            var byNeighbours = 0.0
            for (index, member) in members.enumerated() {
                try await member.end(within: 15)
                let counted = try Statistics(scratch.file("stats\(index + 1)"))
                // Without repair it would be about 70.
                #expect(counted["lost"] <= 2, "\(scratch.text("stats\(index + 1)").suffix(800))")
                #expect(counted["recovered"] > 20)
                byNeighbours += counted["recoveredByNeighbour"]
            }
            #expect(byNeighbours > 0)
        }
    }

    // A source's ear at its own group is deaf to its own host, so that the stream is not copied back to it for nobody.
    @Test("A member on the source's own host is heard by it")
    func neighbourOfTheSource() async throws {
        try await Turnstile.shared.pass {
            let input = try await TestMedia.generated("cbr-8.ts")
            let scratch = try Scratch()
            let network = try await Namespace(hasBroadcast: true)
            let place = Place.group()
            let url = "rtp://\(place.host):\(place.port)?interface=v0"
            // What comes while the member is stopped, its buffer has no room for.
            let chain = """
                multicast-receive url=\(url) buffer=100000 timeout=8s latency=800ms ! reorder latency=800ms ! \
                depacketize ! file path=\(scratch.file("out.ts"))
                """
            let member = try network.start(Freshet.path, ["run", chain, "--stats", scratch.file("stats")])
            try await place.isHeard(by: member)
            let sender = try network.start(
                Freshet.path, ["send", input, "--to", url, "--stats", scratch.file("sent")])
            for round in 1...3 {
                let size = scratch.bytes("out.ts").count
                try await wait(for: "the stream at the member, round \(round)") {
                    scratch.bytes("out.ts").count > size + 100_000
                }
                member.signal(SIGSTOP)
                try await Task.sleep(for: .milliseconds(200))
                member.signal(SIGCONT)
            }
            try await sender.end()
            try await member.end(within: 15)
            let counted = try Statistics(scratch.file("stats"))
            #expect(try Statistics(scratch.file("sent"))["requestsIn"] > 0)
            #expect(counted["recovered"] > 20, "\(scratch.text("stats").suffix(800))")
        }
    }

    @Test("Where nobody is to ask aloud, digests tell the designated receiver what is missing")
    func digests() async throws {
        try await Turnstile.shared.pass {
            let input = try await TestMedia.generated("cbr-8.ts")
            let scratch = try Scratch()
            let network = try await EmulatedNetwork(hosts: 4, seed: 8) { host, _ in
                host < 2 ? .init(up: "delay=5") : .init(up: "delay=5", down: "delay=5 loss=3%")
            }
            let place = Place.group()
            let members = try (1...3).map { member in
                try network.start(
                    member, "record", "rtp://\(place.host):\(place.port)", scratch.file("\(member).ts"),
                    "--repair", member == 1 ? "designated" : "digest", "--latency", "800", "--timeout", "8",
                    "--fec", "off", "--stats", scratch.file("stats\(member)"))
            }
            for member in members { try await place.isHeard(by: member) }
            let sent = try await network.start(
                0, "send", input, "--to", "rtp://\(place.host):\(place.port)", "--stats", scratch.file("sent")
            ).end()
            #expect(sent.status == 0, "\(sent)")
            for (index, member) in members.enumerated() {
                try await member.end(within: 15)
                let counted = try Statistics(scratch.file("stats\(index + 1)"))
                #expect(counted["lost"] <= 2, "\(scratch.text("stats\(index + 1)").suffix(800))")
                if index > 0 { #expect(counted["recovered"] > 20) }
            }
            // Until the designated receiver is known, the source answers; on a busy machine that is half of this stream.
            let source = try Statistics(scratch.file("sent"))
            let designated = try Statistics(scratch.file("stats1"))
            #expect(designated["repairsOut"] > 40, "\(scratch.text("stats1").suffix(800))")
            #expect(
                source["repairsOut"] < 3 * designated["repairsOut"], "\(scratch.text("sent").suffix(800))")
        }
    }
}
