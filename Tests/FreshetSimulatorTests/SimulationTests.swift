import FreshetCore
import FreshetStages
import Testing

@testable import FreshetSimulator

struct SimulationTests {
    private func scenario(_ text: String) throws -> Scenario {
        try Scenario(text, name: "test", file: "test.json5")
    }

    /// One receiver behind a bad line.
    private func unicast(_ more: String = "", host: String = "") throws -> Scenario {
        try scenario(
            """
            { duration: 5, latency: 120, \(more)
              segments: [{ name: "a" }, { name: "b", both: "delay=20ms loss=5%" }],
              hosts: [{ name: "source", role: "source", on: "a" }, { name: "viewer", on: "b", drift: 80 \(host) }] }
            """)
    }

    /// Many receivers on two segments.
    private func multicast(collapse: Bool, mode: String) throws -> Scenario {
        try scenario(
            """
            { duration: 8, latency: 120, collapse: \(collapse), repair: { mode: "\(mode)" },
              segments: [{ name: "a" }, { name: "b", count: 2, up: "delay=20ms", down: "delay=20ms loss=0.5%" }],
              hosts: [{ name: "source", role: "source", on: "a" },
                      { name: "viewer", count: 40, on: "b", down: "delay=1ms loss=0.1% burst=3", drift: 50,
                        "joins-within": "2s" }],
              faults: [{ do: "crash", to: ["viewer"], at: "3s", every: "100ms", times: 10, for: "1s" },
                       { do: "cut", to: ["viewer"], at: "4s", for: "200ms" }],
              limits: { "asks-per-packet": 1000, "asks-per-loss": 1000, repair: "1000%", hopeless: "100%" } }
            """)
    }

    @Test("The same seed gives the same digest, another seed another")
    func digest() throws {
        let first = Simulation.run(try unicast(), seed: 7)
        let second = Simulation.run(try unicast(), seed: 7)
        let other = Simulation.run(try unicast(), seed: 8)
        #expect(first.violation == nil)
        #expect(first.digest == second.digest)
        #expect(first.digest != other.digest)
        #expect(first.totals.recoveredCount > 50)
    }

    @Test("The digest of a seed is the same on every machine and in every build")
    func recordedDigest() throws {
        let result = Simulation.run(try unicast("repair: { mode: \"naive\" },"), seed: 7)
        #expect(result.digest.description == "89c2724447cb4234")
    }

    @Test("Twenty seeds of a lossy line hold every invariant")
    func sweep() throws {
        var scenario = try unicast()
        scenario.duration = .seconds(3)
        for seed in 100..<120 {
            let result = Simulation.run(scenario, seed: UInt64(seed))
            #expect(result.violation == nil, "seed \(seed)")
        }
    }

    @Test(
        "Telling receivers of whole runs of packets at once changes nothing", arguments: ["naive", "group"])
    func collapse(mode: String) throws {
        let collapsed = Simulation.run(try multicast(collapse: true, mode: mode), seed: 3)
        let single = Simulation.run(try multicast(collapse: false, mode: mode), seed: 3)
        #expect(collapsed.violation == nil, "\(collapsed.report.table)")
        #expect(single.violation == nil)
        #expect(collapsed.digest == single.digest)
        #expect(collapsed.totals.deliveredCount == single.totals.deliveredCount)
        #expect(collapsed.totals.recoveredCount == single.totals.recoveredCount)
        #expect(collapsed.totals.recoveredCount > 100)
        #expect(collapsed.totals.surplusCount == single.totals.surplusCount)
        #expect(collapsed.totals.peakHeldCount == single.totals.peakHeldCount)
        #expect(collapsed.totals.longestWait == single.totals.longestWait)
    }

    @Test("A planted mistake is found by its checker", arguments: [HostPlan.Flaw.order, .deadline, .storm])
    func flaws(flaw: HostPlan.Flaw) throws {
        let result = Simulation.run(try unicast(host: ", flaw: \"\(flaw.rawValue)\""), seed: 2)
        #expect(result.violation?.invariant.rawValue == flaw.rawValue)
    }

    @Test("More loss than the limit allows is told at the end")
    func residual() throws {
        let result = Simulation.run(
            try unicast("repair: { mode: \"off\" }, limits: { residual: \"1%\" },"), seed: 2)
        #expect(result.violation?.invariant == .residual)
    }

    @Test("A receiver that stays cut off after the last fault is found")
    func healing() throws {
        let result = Simulation.run(
            try unicast("faults: [{ do: \"cut\", to: \"b\", at: \"1s\", way: \"down\" }],"), seed: 2)
        #expect(result.violation?.invariant == .healing)
    }

    @Test("Either of two paths may die at any moment, and nothing is lost or comes twice")
    func twoPaths() throws {
        var paths = try Scenario(
            #require(BuiltInScenarios.text(of: "two-paths")), name: "two-paths", file: "two-paths")
        paths.duration = .seconds(20)
        paths.faults[0].times = 30
        let result = Simulation.run(paths, seed: 4)
        #expect(result.violation == nil)
        #expect(result.totals.residualCount == 0)
        #expect(result.totals.deliveredCount == result.totals.packetCount)
        #expect(result.totals.lossCount > 1000)
    }

    @Test("Every built-in scenario can be read, and says what it is")
    func builtIn() throws {
        for (name, text) in BuiltInScenarios.all where !name.hasPrefix("tree-") {
            let scenario = try Scenario(text, name: name, file: name)
            #expect(!scenario.summary.isEmpty)
        }
    }
}
