public import Foundation
import Synchronization

/// How a program ended.
public struct Outcome: Sendable, CustomStringConvertible {
    /// The exit status; 128 + the signal's number when a signal ended it.
    public let status: Int32
    /// What it wrote on standard output.
    public let output: String
    /// What it wrote on standard error.
    public let errors: String
    /// From start to end.
    public let seconds: Double
    /// The command line, for messages.
    public let command: String

    /// For a failed expectation.
    public var description: String {
        "\(command)\n  status \(status) after \((seconds * 100).rounded() / 100) s"
            + (errors.isEmpty ? "" : "\n  stderr: \(errors.prefix(2500))")
    }

    /// The lines of standard error.
    public var errorLines: [Substring] { errors.split(separator: "\n") }
}

/// A program at work as a process of its own. It is killed when the test lets go of it.
public final class Running: Sendable {
    /// The command line, for messages.
    public let command: String
    /// Where standard output and standard error go.
    public let outputPath: String
    /// Where standard error goes.
    public let errorPath: String
    /// The process.
    public let identifier: Int32
    private let scratch: Scratch
    private let began = ContinuousClock.now
    private let ended = Mutex<(status: Int32, at: ContinuousClock.Instant)?>(nil)

    /// Starts `program` (a path, or a name on the PATH) with `arguments`.
    /// - Parameters:
    ///   - input: a file for standard input; nothing by default.
    ///   - output: a file for standard output instead of one of its own.
    public init(
        _ program: String, _ arguments: [String], input: String? = nil, output: String? = nil,
        environment: [String: String] = [:]
    ) throws {
        command = ([program] + arguments).joined(separator: " ")
        scratch = try Scratch()
        outputPath = output ?? scratch.file("output")
        errorPath = scratch.file("errors")
        var variables = ProcessInfo.processInfo.environment
        for (name, value) in environment { variables[name] = value }
        identifier = try Spawn.start(
            [program] + arguments, variables: variables, input: input ?? "/dev/null", output: outputPath,
            errors: errorPath)
    }

    deinit {
        if !hasEnded {
            kill(identifier, SIGKILL)
            var status: Int32 = 0
            waitpid(identifier, &status, 0)
        }
    }

    /// True when the process is gone; reaps it.
    public var hasEnded: Bool {
        ended.withLock { ended in
            if ended != nil { return true }
            var status: Int32 = 0
            guard waitpid(identifier, &status, WNOHANG) == identifier else { return false }
            let code = status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + status & 0x7F
            ended = (code, ContinuousClock.now)
            return true
        }
    }

    /// What it has written on standard output so far.
    public var output: String { Running.text(outputPath) }
    /// What it has written on standard error so far.
    public var errors: String { Running.text(errorPath) }

    private static func text(_ path: String) -> String {
        String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
    }

    /// Sends it a signal.
    public func signal(_ number: Int32) { if !hasEnded { kill(identifier, number) } }

    /// Waits for its end; kills it and throws when that takes longer than `seconds`.
    @discardableResult
    public func end(within seconds: Double = 30) async throws -> Outcome {
        do {
            try await wait(for: "the end of \(command)", within: seconds) { hasEnded }
        } catch {
            let said = errors
            kill(identifier, SIGKILL)
            throw TimedOut("the end of \(command) (\(seconds) s); it said: \(said.suffix(2000))")
        }
        return outcome
    }

    /// Asks it to end with `signal`, and waits for that.
    @discardableResult
    public func stop(_ number: Int32 = SIGINT, within seconds: Double = 10) async throws -> Outcome {
        signal(number)
        return try await end(within: seconds)
    }

    private var outcome: Outcome {
        guard let (status, at) = ended.withLock({ $0 }) else { preconditionFailure("still running") }
        let span = at - began
        let seconds = Double(span.components.seconds) + Double(span.components.attoseconds) * 1e-18
        return Outcome(status: status, output: output, errors: errors, seconds: seconds, command: command)
    }
}

/// Runs a program to its end.
@discardableResult
public func run(
    _ program: String, _ arguments: [String], input: String? = nil, output: String? = nil,
    within seconds: Double = 30
) async throws -> Outcome {
    try await Running(program, arguments, input: input, output: output).end(within: seconds)
}
