import Foundation
import TestSupport
import Testing

/// Relay trees through the kernel's own NAT: who can forward does, who cannot is a leaf.
@Suite(.timeLimit(.minutes(10)), .judgedUndisturbed)
struct TreeNatTests {
    private let clip = TestMedia.clip("clip.ts")

    /// A tree with its source on `street1`.
    private struct Town {
        let network: NatNetwork
        let source: TreeSource
        let scratch: Scratch
        let clip: String

        init(_ clip: String, street: Int, homes: [(kind: NatNetwork.Kind, hosts: Int)], _ words: String...)
            async throws
        {
            scratch = try Scratch()
            self.clip = clip
            let network = try await NatNetwork(streetHosts: street, homes: homes)
            self.network = network
            source = try await TreeSource(clip, words, host: NatNetwork.street(1)) {
                try network.start("street1", Freshet.path, $0)
            }
        }

        func record(_ host: String, _ words: String...) throws -> (Running, file: String) {
            let file = scratch.file("\(host).ts")
            let all = ["record", source.url, file, "--latency", "800"] + words
            return (try network.start(host, Freshet.path, all), file)
        }

        /// Waits until the member whose address begins with `place` is as `condition` wants it.
        func waitFor(_ place: String, _ condition: @Sendable ([String: Any]) -> Bool) async throws {
            try await wait(for: "\(place) in the tree", within: 20) {
                member(place).map { condition($0) } ?? false
            }
        }

        /// What the coordinator says of the member whose address begins with `place`.
        func member(_ place: String) -> [String: Any]? {
            members().first { ($0["address"] as? String)?.hasPrefix(place + ":") == true }
        }

        func members() -> [[String: Any]] {
            guard let looking = try? network.start("street1", "top", source.url, "--once", "--json") else {
                return []
            }
            while !looking.hasEnded { usleep(2_000) }
            let page = try? JSONSerialization.jsonObject(with: Data(looking.output.utf8)) as? [String: Any]
            return page?["tree"] as? [[String: Any]] ?? []
        }

        func expectExact(_ recorders: [(Running, file: String)]) async throws {
            let sent = try await source.process.end(within: 60)
            #expect(sent.status == 0, "\(sent)")
            for (recorder, file) in recorders {
                let ended = try await recorder.end(within: 15)
                #expect(ended.status == 0, "\(ended)")
                let found = difference(clip, file)
                #expect(found == nil, "\(found ?? "")\n\(ended)")
            }
        }
    }

    @Test("A viewer behind a NAT forwards to one outside and to one behind another NAT")
    func parentInside() async throws {
        try await Turnstile.shared.pass {
            let town = try await Town(
                clip, street: 2, homes: [(.cone, 1), (.cone, 1)], "--children", "1", "--wait-viewers", "3",
                "--speed", "2")
            var recorders = [try town.record("home1-1", "--children", "4")]
            try await town.waitFor(NatNetwork.router(1)) { $0["reach"] as? String == "mapped" }
            recorders.append(try town.record("street2", "--no-forward"))
            recorders.append(try town.record("home2-1", "--no-forward"))
            // The source feeds one: the others are fed from within the first home, or by nobody.
            try await town.expectExact(recorders)
        }
    }

    @Test("A viewer behind a symmetric NAT is a leaf")
    func symmetric() async throws {
        try await Turnstile.shared.pass {
            let town = try await Town(
                clip, street: 2, homes: [(.symmetric, 1), (.cone, 1)], "--children", "2", "--wait-viewers",
                "3", "--speed", "2")
            var recorders = [try town.record("home1-1", "--children", "4")]
            try await town.waitFor(NatNetwork.router(1)) { $0["reach"] as? String == "closed" }
            recorders.append(try town.record("home2-1", "--no-forward"))
            recorders.append(try town.record("street2", "--children", "4"))
            try await town.waitFor(NatNetwork.router(2)) { ($0["places"] as? [Any])?.isEmpty == false }
            let leaf = try #require(town.member(NatNetwork.router(1)))
            #expect(leaf["slots"] as? Int == 0 && leaf["children"] as? Int == 0, "\(leaf)")
            try await town.expectExact(recorders)
        }
    }

    @Test("Two viewers behind one NAT find each other inside")
    func oneHome() async throws {
        try await Turnstile.shared.pass {
            let town = try await Town(
                clip, street: 1, homes: [(.cone, 2)], "--children", "1", "--wait-viewers", "2", "--speed",
                "2")
            var recorders = [try town.record("home1-1", "--children", "4")]
            try await town.waitFor(NatNetwork.router(1)) { $0["reach"] as? String == "mapped" }
            recorders.append(try town.record("home1-2", "--no-forward"))
            try await town.expectExact(recorders)
        }
    }

    @Test(
        "A relay behind a NAT that is killed is replaced by one behind another NAT before a packet is missed")
    func failure() async throws {
        try await Turnstile.shared.pass {
            let town = try await Town(
                clip, street: 1, homes: [(.cone, 1), (.cone, 1), (.cone, 1)], "--children", "2",
                "--wait-viewers", "3", "--speed", "2")
            let relays = try (1...2).map {
                try town.network.start("home\($0)-1", "relay", town.source.url, "--children", "4")
            }
            for home in 1...2 {
                try await town.waitFor(NatNetwork.router(home)) { $0["reach"] as? String == "mapped" }
            }
            let recorder = try town.record("home3-1", "--no-forward")
            let size = fileSize(clip)
            try await wait(for: "the stream", within: 30) { fileSize(recorder.file) > size / 4 }
            // Only the parent feeds anybody.
            let isFirst = (town.member(NatNetwork.router(1))?["children"] as? Int ?? 0) > 0
            relays[isFirst ? 0 : 1].signal(SIGKILL)
            try await town.expectExact([recorder])
            #expect(recorder.0.errors.contains("a parent fell silent"), "\(recorder.0.errors)")
            let other = try await relays[isFirst ? 1 : 0].end(within: 10)
            #expect(other.status == 0, "\(other)")
        }
    }

    @Test("A source behind a NAT, at a coordinator outside, reaches one outside and one behind another NAT")
    func sourceInside() async throws {
        try await Turnstile.shared.pass {
            let scratch = try Scratch()
            let network = try await NatNetwork(streetHosts: 2, homes: [(.cone, 1), (.cone, 1)])
            let listen = "\(NatNetwork.street(1)):7400"
            let coordinator = try network.start(
                "street1", "coordinate", "--listen", listen, "--stream", "show")
            try await wait(for: "the URLs") { coordinator.output.split(separator: "\n").count == 2 }
            let urls = coordinator.output.split(separator: "\n").map { String($0) }
            let source = try network.start(
                "home1-1", "send", clip, "--to", urls[1], "--children", "2", "--speed", "2")
            let viewers = try ["street2", "home2-1"].map { host in
                try network.start(
                    host, "record", urls[0], scratch.file("\(host).ts"), "--no-forward", "--latency", "800")
            }
            let sent = try await source.end(within: 60)
            #expect(sent.status == 0, "\(sent)")
            let whole = try Data(contentsOf: URL(fileURLWithPath: clip))
            for (viewer, host) in zip(viewers, ["street2", "home2-1"]) {
                let ended = try await viewer.end(within: 15)
                #expect(ended.status == 0, "\(ended)")
                let got = try Data(contentsOf: URL(fileURLWithPath: scratch.file("\(host).ts")))
                #expect(got.count > 188 && whole.suffix(got.count) == got, "\(host): \(got.count)")
            }
            try await coordinator.stop()
        }
    }
}
