import Foundation
import TestSupport
import Testing

/// What members measure of their lines, over real sockets and a link of a known rate.
@Suite(.timeLimit(.minutes(10)))
struct TreeUplinkTests {
    @Test("A viewer that says nothing of its uplink measures it, and forwards no more than it carries")
    func measured() async throws {
        try await Turnstile.shared.pass {
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
            #expect((6_800...9_200).contains(found[0]) && (32_000...48_000).contains(found[1]), "\(found)")
            for recorder in recorders { try await recorder.stop() }
            try await source.process.stop()
        }
    }
}
