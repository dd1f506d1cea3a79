public import Foundation

/// A folder of a test's own, gone when the test lets go of it.
public final class Scratch: Sendable {
    /// Its absolute path.
    public let path: String

    /// A new, empty folder.
    public init() throws {
        path =
            FileManager.default.temporaryDirectory
            .appendingPathComponent("freshet-test-" + UUID().uuidString.prefix(8)).path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// The path of a file in it.
    public func file(_ name: String) -> String { path + "/" + name }

    /// The bytes of a file in it; empty when there is none.
    public func bytes(_ name: String) -> Data { FileManager.default.contents(atPath: file(name)) ?? Data() }

    /// The text of a file in it; empty when there is none.
    public func text(_ name: String) -> String { String(decoding: bytes(name), as: UTF8.self) }
}
