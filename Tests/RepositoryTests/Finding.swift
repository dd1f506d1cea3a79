/// Something that a rule of the house does not allow, and where.
struct Finding: CustomStringConvertible, Equatable {
    var path: String
    /// From 1; 0 for the file as a whole.
    var line: Int
    var message: String

    var description: String { line == 0 ? "\(path): \(message)" : "\(path):\(line): \(message)" }
}
