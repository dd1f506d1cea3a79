import Synchronization
public import Testing

/// A test in real time whose failure counts only when the machine was there: one that fails while the machine stood
/// still (``Standstills``) is run again, three times at most, and the last run counts whatever the machine did.
///
/// A failure without a standstill counts at once; those that do not count are printed as known issues.
public struct JudgedUndisturbed: SuiteTrait, TestTrait, TestScoping {
    private static let runs = 4

    private let standstills: @Sendable () -> Int

    /// A judge who asks `standstills` how many there have been.
    public init(standstills: @escaping @Sendable () -> Int = { Standstills.count }) {
        self.standstills = standstills
    }

    /// For every test of a suite.
    public var isRecursive: Bool { true }

    /// Runs `function` until it passes, fails undisturbed, or has had its runs.
    public func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        for _ in 1..<JudgedUndisturbed.runs {
            let before = standstills()
            let wasExcused = Atomic<Bool>(false)
            try await withKnownIssue(
                "the machine stood still meanwhile, so this run does not count", isIntermittent: true
            ) {
                try await function()
            } matching: { _ in
                guard standstills() > before else { return false }
                wasExcused.store(true, ordering: .relaxed)
                return true
            }
            if !wasExcused.load(ordering: .relaxed) { return }
        }
        try await function()
    }
}

extension Trait where Self == JudgedUndisturbed {
    /// A failure while the machine stood still does not count: the test is run again (``JudgedUndisturbed``).
    public static var judgedUndisturbed: Self { JudgedUndisturbed() }
}
