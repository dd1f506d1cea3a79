import FreshetCore
import Testing

@testable import FreshetEngine

@Suite struct FECPlanTests {
    @Test func `a plan is read as it is written`() throws {
        #expect(try FECPlan("") == .none && FECPlan("off") == .none)
        #expect(
            try FECPlan("rlc") == .slidingWindow(floor: 100_000, cap: 100_000, window: .milliseconds(60)))
        #expect(
            try FECPlan("rlc:5%-1/4:100")
                == .slidingWindow(floor: 50_000, cap: 250_000, window: .milliseconds(100)))
        #expect(try FECPlan("2022-1:10x5") == .matrix(columns: 10, rows: 5, hasRows: true))
        #expect(try FECPlan("2022-1:20x5:columns") == .matrix(columns: 20, rows: 5, hasRows: false))
    }

    @Test(arguments: [
        "x", "rlc:", "rlc:0", "rlc:110%", "rlc:20%-10%", "rlc:10%:", "rlc:10%:3s", "rlc:10%:60ms:1", "2022-1",
        "2022-1:10", "2022-1:10x3", "2022-1:21x4", "2022-1:10x11", "2022-1:5x5:rows", "2022-1:-5x5",
    ])
    func `what is none is refused`(_ text: String) {
        #expect(throws: StageError.self) { try FECPlan(text) }
    }
}
