/// Lets only so many scenarios with real processes run at once, so that a small machine keeps up with real time.
public actor Turnstile {
    /// The one that the suites with processes share.
    public static let shared = Turnstile(places: 4)

    private var free: Int
    private var waiting: [CheckedContinuation<Void, Never>] = []

    /// A turnstile for `places` at once.
    public init(places: Int) { free = places }

    private func enter() async {
        if free > 0 {
            free -= 1
        } else {
            await withCheckedContinuation { waiting.append($0) }
        }
    }

    private func leave() {
        if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() }
    }

    /// Runs `body` when there is a place.
    nonisolated public func pass<Result: Sendable>(
        _ body: @Sendable () async throws -> Result
    ) async throws -> Result {
        await enter()
        do {
            let result = try await body()
            await leave()
            return result
        } catch {
            await leave()
            throw error
        }
    }
}
