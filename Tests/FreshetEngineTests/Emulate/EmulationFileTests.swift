import FreshetCore
import FreshetEngine
import FreshetStages
import Testing

@Suite struct EmulationFileTests {
    private func read(_ text: String) throws -> EmulationPlan {
        try EmulationFile.read(text, file: "net.json5")
    }

    private func error(_ text: String) -> String {
        do {
            _ = try read(text)
            return "no error"
        } catch { return "\(error)" }
    }

    @Test func `links are named, written out, or text, and "both" lies below each direction`() throws {
        let plan = try read(
            """
            { seed: 7, packets: 500, links: { bad: { delay: 25, loss: "5%" } },
              ports: [
                { tap: "t0", in: "host", up: "bad" },
                { tap: "t1", segment: "b", both: "delay=10 loss=1%", down: { loss: "2%", rate: "5M" } },
              ],
              proxies: [{ listen: "127.0.0.1:7000", to: "127.0.0.1:5004", ports: 4, both: "bad" }] }
            """)
        #expect(plan.seed == 7 && plan.packetLimit == 500)
        #expect(plan.ports.map(\.device) == ["t0", "t1"] && plan.ports.map(\.segment) == ["", "b"])
        #expect(plan.ports[0].network == "host" && plan.ports[1].network == nil)
        #expect(plan.ports[0].up.loss == 50_000 && plan.ports[0].down.loss == 0)
        #expect(plan.ports[1].up.loss == 10_000 && plan.ports[1].down.loss == 20_000)
        #expect(plan.ports[1].down.delay == .milliseconds(10) && plan.ports[1].down.rate == 5_000_000)
        #expect(plan.proxies[0].portCount == 4)
        #expect(plan.proxies[0].forward.delay == .milliseconds(25))
        #expect(plan.proxies[0].back.loss == 50_000)
    }

    @Test func `cuts are a list or text, and links that take turns know each other`() throws {
        let plan = try read(
            """
            { ports: [
                { tap: "a", up: { "cut-every": "2s", "cut-for": "100ms", "cut-among": "paths" } },
                { tap: "b", up: { "cut-every": "2s", "cut-for": "100ms", "cut-among": "paths" },
                  down: { cuts: [{ at: "1s", for: 300 }, { at: 5000, for: "1s" }] } } ] }
            """)
        let first = plan.ports[0].up
        let second = plan.ports[1].up
        #expect(first.randomCuts.memberCount == 2 && second.randomCuts.memberCount == 2)
        #expect(first.randomCuts.member == 0 && second.randomCuts.member == 1)
        #expect(first.cutSeed != nil && first.cutSeed == second.cutSeed)
        #expect(plan.ports[1].down.cuts.map(\.start) == [.seconds(1), .seconds(5)])
        #expect(plan.ports[1].down.cutSeed == nil)
    }

    @Test(arguments: [
        ("{ ports: [{ tap: 't0', up: { los: '5%' } }] }", "net.json5:1:35: link has no parameter 'los'"),
        ("{ ports: [{ tap: 't0', up: { loss: 'x' } }] }", "loss must be a share"),
        ("{ ports: [{ tap: 't0', up: 'worse' }] }", "or the name of one in links, not 'worse'"),
        ("{ ports: [{ up: 'loss=5%' }] }", "this has no 'tap'"),
        ("{ ports: [{ tap: 't0', speed: 1 }] }", "'speed' is not part of a port; it has tap, in"),
        ("{ proxies: [{ listen: '127.0.0.1:1', to: 'x:2', ports: 65 }] }", "a whole number from 1 to 64"),
        ("{ ports: [{ tap: 't0', up: { cuts: [{ at: 1 }] } }] }", "this has no 'for'"),
        ("{ seed: 1 }", "there are neither ports nor proxies"),
        ("[]", "must be an object"),
    ])
    func `a mistake is told, with its place`(text: String, message: String) {
        #expect(error(text).contains(message), "\(error(text))")
    }
}
