public import FreshetCore
internal import FreshetNet

/// The kinds of stages that pipelines can name.
///
/// Those of the program's own image are found by the linker section their files leave behind
/// (``StageRegistration``); a program that builds on Freshet links its own stages in and they are there, or
/// adds them with ``add(_:)``.
public struct StageRegistry: Sendable {
    private var kindsByName: [String: StageKind] = [:]

    /// A registry of the stages linked into this program.
    public init() {
        let list = StageKindList()
        StageSection.visit(Unmanaged.passUnretained(list).toOpaque())
        for kind in list.kinds { kindsByName[kind.descriptor.name] = kind }
    }

    /// Adds a kind of stage, or replaces the one of the same name.
    public mutating func add(_ kind: StageKind) { kindsByName[kind.descriptor.name] = kind }

    /// Every kind, by name.
    public var kinds: [StageKind] { kindsByName.values.sorted { $0.descriptor.name < $1.descriptor.name } }

    /// The kind called `name`.
    public subscript(name: String) -> StageKind? { kindsByName[name] }

    /// The name most like `name`, for "did you mean"; `nil` when none is near.
    public func nearest(to name: String) -> String? {
        StageRegistry.nearest(to: name, among: kinds.map(\.descriptor.name))
    }

    /// The word of `words` that needs the fewest changes to become `word`; `nil` beyond a third of its
    /// letters.
    static func nearest(to word: String, among words: [String]) -> String? {
        let scored = words.map { (word: $0, distance: editDistance(Array(word), Array($0))) }
        guard let best = scored.min(by: { $0.distance < $1.distance }) else { return nil }
        return best.distance <= max(2, word.count / 3) ? best.word : nil
    }

    /// Levenshtein's distance.
    private static func editDistance(_ a: [Character], _ b: [Character]) -> Int {
        var row = Array(0...b.count)
        for i in a.indices {
            var diagonal = row[0]
            row[0] = i + 1
            for j in b.indices {
                let above = row[j + 1]
                row[j + 1] = min(min(above, row[j]) + 1, diagonal + (a[i] == b[j] ? 0 : 1))
                diagonal = above
            }
        }
        return row[b.count]
    }
}
