/// Texts that wait, first in, first out, bounded by their bytes. One text of any length fits when the queue is empty.
struct TextQueue {
    /// Bytes that may wait.
    let byteCountLimit: Int
    /// Bytes that wait.
    private(set) var byteCount = 0
    private var texts: [[UInt8]] = []
    private var head = 0
    /// Bytes of the first text that were taken already.
    private var taken = 0

    init(byteCountLimit: Int) { self.byteCountLimit = byteCountLimit }

    var isEmpty: Bool { head == texts.count }
    /// Texts that wait.
    var count: Int { texts.count - head }

    /// Adds `text`; false, and nothing is added, when there is no room.
    mutating func append(_ text: [UInt8]) -> Bool {
        guard isEmpty || byteCount + text.count <= byteCountLimit else { return false }
        texts.append(text)
        byteCount += text.count
        return true
    }

    /// The first text, whole.
    mutating func popFirst() -> [UInt8]? {
        guard head < texts.count else { return nil }
        let text = texts[head]
        drop(text.count)
        return text
    }

    private mutating func drop(_ count: Int) {
        byteCount -= count
        texts[head] = []
        head += 1
        taken = 0
        if head == texts.count {
            texts.removeAll(keepingCapacity: count < 4_096)
            head = 0
        } else if head >= 64, head * 2 >= texts.count {
            texts.removeSubrange(..<head)
            head = 0
        }
    }

    /// Copies the next piece of the first text to `buffer`; `isLast` when that was its end, `nil` when nothing waits.
    mutating func read(into buffer: UnsafeMutableRawBufferPointer) -> (count: Int, isLast: Bool)? {
        guard head < texts.count else { return nil }
        let whole = texts[head].count
        let count = min(buffer.count, whole - taken)
        texts[head].withUnsafeBytes { bytes in
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[taken..<taken + count]))
        }
        taken += count
        guard taken == whole else { return (count, false) }
        drop(whole)
        return (count, true)
    }
}
