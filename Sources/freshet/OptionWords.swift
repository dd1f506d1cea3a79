import FreshetCore
import FreshetEngine
import FreshetNet

/// The words after the name of a command that is no pipeline: options, each with a value or without, and the rest.
struct OptionWords {
    private let command: String
    private var values: [(name: String, text: String)] = []
    /// Options without a value that were given.
    private(set) var flags: Set<String> = []
    /// What is no option, in order.
    private(set) var rest: [String] = []

    /// Sorts `words`: `valued` names the options that take a value, `flags` those that do not.
    init(
        _ words: [String], of command: String, valued: [String], flags known: [String]
    ) throws(PipelineError) {
        self.command = command
        var left = words[...]
        while let word = left.popFirst() {
            guard word.hasPrefix("--") else {
                rest.append(word)
                continue
            }
            var name = String(word.dropFirst(2))
            var text: String?
            if let sign = name.firstIndex(of: "=") {
                text = String(name[name.index(after: sign)...])
                name = String(name[..<sign])
            }
            if known.contains(name), text == nil {
                flags.insert(name)
            } else if valued.contains(name) {
                guard let value = text ?? left.popFirst() else {
                    throw .usage("\(command): --\(name) needs a value after it")
                }
                values.append((name, value))
            } else {
                let all = (valued + known).map { "--" + $0 }.joined(separator: ", ")
                throw .usage("\(command) has no option --\(name); it has \(all)")
            }
        }
    }

    /// All values of the option `name`, in order.
    func texts(_ name: String) -> [String] { values.filter { $0.name == name }.map(\.text) }

    /// The last value of the option `name`.
    func text(_ name: String) -> String? { texts(name).last }

    /// The option `name` as a whole number in `range`.
    func number(_ name: String, in range: ClosedRange<Int>) throws(PipelineError) -> Int? {
        guard let text = text(name) else { return nil }
        guard let number = Int(text), range.contains(number) else {
            throw .usage(
                "\(command): --\(name) must be a whole number from \(range.lowerBound) to \(range.upperBound), "
                    + "not '\(text)'")
        }
        return number
    }

    /// True when a person asks for the page of the command.
    static func wantsHelp(_ words: [String]) -> Bool { words.contains("--help") || words.contains("-h") }
}

extension PipelineError {
    /// An error of the control channel as one of the command line.
    init(_ error: ControlError) { self.init(error.isUsage ? .usage : .failure, error.message) }
}
