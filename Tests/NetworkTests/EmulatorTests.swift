import Foundation
import TestSupport
import Testing

/// Bad networks made by `freshet emulate`, with real processes at both ends.
@Suite(.timeLimit(.minutes(15)), .judgedUndisturbed)
struct EmulatorTests {
    /// Sends a stream through a lossy proxy and records it; gives the recording and the link's figures.
    private func record(
        seed: Int, to place: Place = .local()
    ) async throws -> (recording: Data, lost: Double, forward: EmulationFigures.Link) {
        let input = try await TestMedia.generated("cbr-8.ts")
        let scratch = try Scratch()
        let path = try await EmulatedPath(to: place, forward: "loss=3% delay=20", seed: seed)
        let recorder = try await Freshet.startReceiver(
            "record", place.url(), scratch.file("out.ts"), "--latency", "60", "--timeout", "8", "--stats",
            scratch.file("stats"),
            listeningOn: place)
        let sent = try await Freshet.run("send", input, "--to", path.entrance.url("rtp", "control=off"))
        #expect(sent.status == 0, "\(sent)")
        try await recorder.end(within: 15)
        let figures = try await path.figures()
        return (scratch.bytes("out.ts"), try Statistics(scratch.file("stats"))["lost"], figures.forward)
    }

    @Test("The same seed loses the same packets of a stream, another seed others, and all are counted")
    func sameFate() async throws {
        try await Turnstile.shared.pass {
            let first = try await record(seed: 5)
            let again = try await record(seed: 5)
            let other = try await record(seed: 6)
            #expect(first.recording == again.recording)
            #expect(first.recording != other.recording)
            #expect(first.forward["lost.random"] > 20)
            for run in [first, again, other] {
                #expect(
                    run.forward["in"] == run.forward["out"] + run.forward["lost.random"], "\(run.forward)")
                // The last packets may be among the lost, and nobody knows of them.
                #expect(abs(run.lost - Double(run.forward["lost.random"])) <= 2)
            }
        }
    }

    @Test("A proxy in front of a group serves those who have joined")
    func group() async throws {
        try await Turnstile.shared.pass {
            let run = try await record(seed: 5, to: .group())
            #expect(run.recording.count > 500_000)
            #expect(run.forward["lost.random"] > 20)
        }
    }

    @Test("A group's stream floods a switch, and each host loses by its own link")
    func flood() async throws {
        try await Turnstile.shared.pass {
            let losses = ["", "", "loss=2%", "loss=10% delay=30"]
            let network = try await EmulatedNetwork(hosts: 4, seed: 9) { host, _ in .init(down: losses[host])
            }
            let place = Place.group()
            let scratch = try Scratch()
            let input = try await TestMedia.generated("cbr-8.ts")
            let url = "rtp://\(place.host):\(place.port)?interface=t0"
            var recorders: [Running] = []
            for host in 1..<4 {
                recorders.append(
                    try network.start(
                        host, "record", url, scratch.file("\(host).ts"), "--latency", "60", "--repair", "off",
                        "--stats", scratch.file("\(host)")))
            }
            for recorder in recorders { try await place.isHeard(by: recorder) }
            let sent = try await network.start(0, "send", input, "--to", url).end()
            #expect(sent.status == 0, "\(sent)")
            for recorder in recorders { try await recorder.end(within: 15) }
            #expect(difference(input, scratch.file("1.ts")) == nil)
            let figures = try await network.figures()
            #expect(figures.ports[0].up["lost.random"] == 0)
            let lost = try (1..<4).map { try Statistics(scratch.file("\($0)"))["lost"] }
            #expect(lost[0] == 0 && lost[1] > 0 && lost[2] > 3 * lost[1], "\(lost)")
            for host in 1..<4 {
                #expect(figures.ports[host].down["in"] == figures.ports[0].up["out"])
            }
        }
    }

    @Test("A link that is cut one way carries the other way")
    func oneWayCut() async throws {
        try await Turnstile.shared.pass {
            let network = try await EmulatedNetwork(hosts: 2) { host, _ in
                host == 0 ? .init(up: "delay=5", down: "cuts=0+600s") : .init()
            }
            let scratch = try Scratch()
            let input = try await TestMedia.generated("cbr-8.ts")
            var recorders: [Running] = []
            var senders: [Running] = []
            for host in 0..<2 {
                let place = Place.group()
                let url = "rtp://\(place.host):\(place.port)?interface=t0"
                let recorder = try network.start(host, "record", url, scratch.file("\(host).ts"))
                try await place.isHeard(by: recorder)
                recorders.append(recorder)
                senders.append(try network.start(1 - host, "send", input, "--to", url))
            }
            for sender in senders {
                let sent = try await sender.end()
                #expect(sent.status == 0, "\(sent)")
            }
            try await recorders[1].end(within: 15)
            try await recorders[0].stop()
            #expect(difference(input, scratch.file("1.ts")) == nil)
            #expect(scratch.bytes("0.ts").isEmpty)
            let figures = try await network.figures()
            #expect(figures.ports[0].down["lost.cut"] == figures.ports[0].down["in"])
            #expect(figures.ports[0].down["in"] > 500)
        }
    }
}
