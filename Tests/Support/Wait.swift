import Foundation

/// Something did not come about in time.
public struct TimedOut: Error, CustomStringConvertible {
    /// What was waited for.
    public let description: String

    /// A failure to see `what`.
    public init(_ what: String) { description = "waited in vain for \(what)" }
}

/// Waits until `condition` holds, looking every few milliseconds; throws ``TimedOut`` after `seconds`.
public func wait(
    for what: @autoclosure () -> String, within seconds: Double = 10, until condition: () throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while try !condition() {
        guard ContinuousClock.now < deadline else { throw TimedOut(what()) }
        try await Task.sleep(for: .milliseconds(5))
    }
}
