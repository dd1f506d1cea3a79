import CLinux

/// The entries that stages leave in the program's image (SE-0492), gathered by the linker.
public enum StageSection {
    /// Calls each entry with `list`; see `StageRegistration` in FreshetCore.
    public static func visit(_ list: UnsafeMutableRawPointer) {
        typealias Entry = @convention(c) (UnsafeMutableRawPointer) -> Void
        let section = clinux_stage_section()
        guard let begin = section.begin, let end = section.end else { return }
        for index in 0..<(end - begin) {
            guard let entry = begin[index] else { continue }
            unsafeBitCast(entry, to: Entry.self)(list)
        }
    }
}
