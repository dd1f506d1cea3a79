import FreshetCore
import Testing

@testable import FreshetSimulator

struct TreeSimulationTests {
    private func scenario(_ tree: String, duration: Int = 20, latency: Int = 800) throws -> TreeScenario {
        let text = """
            { duration: \(duration), latency: \(latency),
              tree: { nodes: 60, "joins-within": "3s", "measure-from": "8s", children: 6, "source-children": 6,
                      \(tree) } }
            """
        return try #require(try TreeScenario(text, name: "test", file: "test.json5"))
    }

    @Test("The same seed gives the same digest, another seed another")
    func digest() throws {
        let plan = try scenario("loss: \"2%\", churn: 2000, \"churn-from\": \"5s\"", duration: 14)
        let first = TreeResult(running: plan, seed: 4)
        let second = TreeResult(running: plan, seed: 4)
        #expect(first.violation == nil)
        #expect(first.digest == second.digest)
        #expect(first.digest != TreeResult(running: plan, seed: 5).digest)
        #expect(first.totals.changeCount > 5)
    }

    @Test("Without loss nothing is late, whoever comes and goes")
    func churn() throws {
        let plan = try scenario("churn: 3000, \"churn-from\": \"6s\"", duration: 25)
        for seed in 2...4 as ClosedRange<UInt64> {
            let result = TreeResult(running: plan, seed: seed)
            #expect(result.violation == nil, "seed \(seed)")
            #expect(
                result.totals.inTimeCount == result.totals.dueCount, "seed \(seed)\n\(result.report.table)")
            #expect(result.totals.dueCount > 20_000)
        }
    }

    @Test(
        "Members change places, and nobody misses anything, even where one in twenty does not reach the next")
    func exchanges() throws {
        var plan = try scenario("\"uplinks\": \"equal\"", duration: 50)
        plan.children = 3
        plan.sourceChildren = 3
        for share in [0, 50_000] {
            plan.strangerShare = share
            let result = TreeResult(running: plan, seed: 3)
            #expect(result.violation == nil)
            #expect(result.totals.exchangeCount > 5)
            #expect(result.totals.inTimeCount == result.totals.dueCount, "\(result.report.table)")
        }
    }

    /// A hundred with four places each. Below fan-outs of 4 they fit into four levels; one more is granted.
    private func hundred(_ more: String, duration: Int) throws -> TreeScenario {
        var plan = try scenario(
            "\"uplinks\": \"equal\", at: \"8s\", lasting: \"400ms\", \(more)", duration: duration)
        plan.nodeCount = 99
        plan.children = 4
        plan.sourceChildren = 4
        plan.roundTrip = .milliseconds(2)
        plan.limits.depth = 5
        return plan
    }

    @Test("Relays that stop hearing for a moment do not leave a small tree deeper than need be")
    func flatness() throws {
        let plan = try hundred("strike: \"deaf\", every: \"1500ms\"", duration: 40)
        for seed in [4, 9] as [UInt64] {
            #expect(TreeResult(running: plan, seed: seed).violation == nil, "seed \(seed)")
        }
    }

    @Test("A machine that holds a small tree up for a moment leaves it whole, one level deeper at most")
    func heldUp() throws {
        var plan = try hundred("packets: 200, strike: \"stall\", every: \"30s\"", duration: 12)
        plan.limits.depth = 6
        for seed in 1...4 as ClosedRange<UInt64> {
            let result = TreeResult(running: plan, seed: seed)
            #expect(result.violation == nil, "seed \(seed)")
            #expect(result.totals.moveCount > 0)
        }
    }

    @Test("What is lost on every hop is repaired on it, at less than a tenth more")
    func repair() throws {
        let result = TreeResult(running: try scenario("loss: \"1%\", \"loss-to\": \"5%\""), seed: 2)
        #expect(result.violation == nil)
        #expect(result.totals.repairCount > 200)
        #expect(result.totals.inTimeCount * 1000 >= result.totals.dueCount * 998, "\(result.report.table)")
        #expect(result.totals.overheadPerMillion(packetByteCount: 12_500) < 100_000)
    }

    @Test(
        "A tree is whole again whatever breaks",
        arguments: ["crash", "region", "relays", "deaf", "primary", "coordinator"])
    func strikes(strike: String) throws {
        let plan = try scenario(
            "strike: \"\(strike)\", at: \"10s\", every: \"2s\", lasting: \"2s\"", duration: 24)
        for seed in 1...2 as ClosedRange<UInt64> {
            let result = TreeResult(running: plan, seed: seed)
            #expect(result.violation == nil, "seed \(seed)")
            #expect(result.totals.loopCount == 0)
        }
    }

    @Test("Four stripes lose everybody who forwards one of them, and are whole again")
    func stripes() throws {
        let plan = try scenario("packets: 100, stripes: 4, strike: \"stripe\", at: \"10s\"", duration: 18)
        let result = TreeResult(running: plan, seed: 3)
        #expect(result.violation == nil, "\(result.report.table)")
        #expect(result.totals.crashCount > 0)
    }

    @Test("Randomized forwarding and triggered requests bring most of what is lost")
    func randomForwarding() throws {
        var plan = try scenario(
            "scheme: \"prm\", loss: \"1%\", churn: 1000, \"churn-from\": \"6s\", crashes: \"100%\"")
        plan.limits.split = .seconds(60)
        let result = TreeResult(running: plan, seed: 1)
        #expect(result.violation == nil)
        #expect(result.totals.inTimeCount * 100 >= result.totals.dueCount * 80, "\(result.report.table)")
        #expect(result.totals.inTimeCount < result.totals.dueCount)
    }

    @Test("A planted mistake is found by its checker", arguments: ["cycle", "slots", "split"])
    func flaws(flaw: String) throws {
        let strike = flaw == "split" ? "strike: \"relays\", every: \"1s\", at: \"9s\"," : "at: \"9s\","
        let result = TreeResult(running: try scenario("\(strike) flaw: \"\(flaw)\""), seed: 2)
        #expect(result.violation?.invariant.rawValue == flaw)
    }

    @Test("A limit that is broken is told")
    func limits() throws {
        var plan = try scenario("strike: \"crash\", at: \"10s\", share: \"40%\"", latency: 5)
        plan.limits.whole = 1_000_000
        #expect(TreeResult(running: plan, seed: 1).violation?.invariant == .whole)
        plan = try scenario("loss: \"10%\"", latency: 1)
        plan.limits.inTime = 999_999
        #expect(TreeResult(running: plan, seed: 1).violation?.invariant == .timely)
    }

    @Test("A tree scenario is told from one of links, and a word it does not know is refused")
    func reading() throws {
        #expect(try TreeScenario("{ hosts: [] }", name: "x", file: "x") == nil)
        #expect(throws: TextError.self) { try TreeScenario("{ tree: { nods: 3 } }", name: "x", file: "x") }
        for (name, text) in BuiltInScenarios.all where name.hasPrefix("tree-") {
            let tree = try #require(try TreeScenario(text, name: name, file: name))
            #expect(!tree.summary.isEmpty)
        }
    }
}
