import Synchronization
import TestSupport
import Testing

/// Which failures of tests in real time count.
@Suite struct JudgedUndisturbedTests {
    /// What a test does in its runs, and how often the machine stands still in each.
    private final class Runs: Sendable {
        let count = Atomic<Int>(0)
        let standstills = Atomic<Int>(0)

        func judge(_ body: @Sendable (_ run: Int) -> Void) async throws {
            let trait = JudgedUndisturbed { self.standstills.load(ordering: .relaxed) }
            let test = try #require(Test.current)
            try await trait.provideScope(for: test, testCase: nil) {
                body(self.count.add(1, ordering: .relaxed).newValue)
            }
        }
    }

    @Test("A test that passes is run once, whatever the machine does")
    func passes() async throws {
        let runs = Runs()
        try await runs.judge { _ in runs.standstills.add(1, ordering: .relaxed) }
        #expect(runs.count.load(ordering: .relaxed) == 1)
    }

    @Test("A failure while the machine stood still does not count, and the test is run again")
    func excused() async throws {
        let runs = Runs()
        try await runs.judge { run in
            if run < 3 { runs.standstills.add(1, ordering: .relaxed) }
            #expect(run >= 3)
        }
        #expect(runs.count.load(ordering: .relaxed) == 3)
    }

    @Test("A failure on a machine that was there counts at once")
    func counts() async throws {
        let runs = Runs()
        await withKnownIssue { try await runs.judge { _ in Issue.record("wrong") } }
        #expect(runs.count.load(ordering: .relaxed) == 1)
    }

    @Test("Who fails in every run fails, though the machine stood still in each")
    func last() async throws {
        let runs = Runs()
        await withKnownIssue {
            try await runs.judge { _ in
                runs.standstills.add(1, ordering: .relaxed)
                Issue.record("wrong")
            }
        }
        #expect(runs.count.load(ordering: .relaxed) == 4)
    }
}
