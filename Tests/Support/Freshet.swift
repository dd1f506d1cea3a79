import Foundation

/// The built program under test.
public enum Freshet {
    /// Its path: `FRESHET_PROGRAM`, or else beside the test bundle.
    public static let path: String = {
        if let given = ProcessInfo.processInfo.environment["FRESHET_PROGRAM"] { return given }
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return URL(fileURLWithPath: own).deletingLastPathComponent().appendingPathComponent("freshet").path
    }()

    /// Starts it.
    public static func start(_ arguments: String..., input: String? = nil, output: String? = nil) throws
        -> Running
    {
        try Running(path, arguments, input: input, output: output)
    }

    /// Runs it to its end.
    @discardableResult
    public static func run(
        _ arguments: String..., input: String? = nil, output: String? = nil, within seconds: Double = 30
    ) async throws -> Outcome {
        try await Running(path, arguments, input: input, output: output).end(within: seconds)
    }

    /// Starts a receiver and returns when it is bound and has joined `place`.
    public static func startReceiver(
        _ arguments: String..., listeningOn place: Place, output: String? = nil
    ) async throws -> Running {
        let running = try Running(path, arguments, output: output)
        try await place.isHeard(by: running)
        return running
    }
}
