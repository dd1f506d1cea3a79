import Foundation
import TestSupport
import Testing

/// What members measure of their lines, over real sockets and a link of a known rate.
@Suite(.timeLimit(.minutes(10)), .judgedUndisturbed)
struct TreeUplinkTests {
    @Test("A viewer that says nothing of its uplink measures it, and forwards no more than it carries")
    func measured() async throws {
        try await Turnstile.shared.pass {
            // Eight packets cross the faster line in two milliseconds: who is called one too late measures another line.
            var found: [[Int]] = []
            repeat { found.append(try await measuredOfTwo()) } while !isRight(found.last!) && found.count < 5
            #expect(isRight(found.last!), "\(found)")
        }
    }

    private func isRight(_ kilobits: [Int]) -> Bool {
        (6_800...9_200).contains(kilobits[0]) && (32_000...48_000).contains(kilobits[1])
    }

    /// What two viewers measure, in kilobits a second: one behind a line of 8 Mbit/s, one behind one of 40.
    private func measuredOfTwo() async throws -> [Int] {
        let scratch = try Scratch()
        let input = try await TestMedia.generated("ten.ts")
        let network = try await EmulatedNetwork(hosts: 3) { host, _ in
            host == 0 ? .init() : .init(up: host == 1 ? "rate=8M" : "rate=40M")
        }
        let source = try await TreeSource(
            input, ["--wait-viewers", "2"], host: EmulatedNetwork.address(0)
        ) { try network.start(0, Freshet.path, $0) }
        let recorders = try (1...2).map {
            try network.start(
                $0, "record", source.url, scratch.file("\($0).ts"), "--latency", "800")
        }
        func measured(_ host: Int) throws -> Int {
            let looking = try network.start(0, "top", source.url, "--once", "--json")
            while !looking.hasEnded { usleep(2_000) }
            let page = try JSONSerialization.jsonObject(with: Data(looking.output.utf8)) as? [String: Any]
            let member = (page?["tree"] as? [[String: Any]])?.first {
                ($0["address"] as? String)?.hasPrefix(EmulatedNetwork.address(host) + ":") == true
            }
            return member?["measured"] as? Int ?? 0
        }
        try await wait(for: "both uplinks", within: 20) {
            guard let first = try? measured(1), let second = try? measured(2) else { return false }
            return first > 0 && second > 0
        }
        let found = [try measured(1), try measured(2)]
        for recorder in recorders { try await recorder.stop() }
        try await source.process.stop()
        return found
    }
}
