import Foundation

/// The clips of the repository and the generated streams.
public enum TestMedia {
    /// A committed clip, e.g. "clip.ts".
    public static func clip(_ name: String) -> String { Repository.path("media/" + name) }

    /// A generated stream, made now if it is not there; `scripts/make-test-media --list` names them.
    public static func generated(_ name: String) async throws -> String {
        let made = try await run(Repository.path("scripts/make-test-media"), [name], within: 180)
        guard made.status == 0 else { throw TimedOut("\(name): \(made)") }
        return made.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
