internal import FreshetCore

/// How many bytes of repair a peer may cause: a share of the media bytes it is sent, saved up for a while.
struct RepairBudget: Sendable {
    private var tokens: Int
    private var mediaBytes: Int

    /// A full budget, `mediaBytes` having been sent so far.
    init(mediaBytes: Int, floor: Int) {
        tokens = floor
        self.mediaBytes = mediaBytes
    }

    /// Spends `byteCount`; false, and nothing is spent, when there is not that much. `percent` of what was
    /// sent since comes in, up to `limit` saved.
    mutating func spend(_ byteCount: Int, mediaBytes now: Int, percent: Int, limit: Int) -> Bool {
        tokens = min(tokens + (now - mediaBytes) * percent / 100, limit)
        mediaBytes = now
        if tokens < byteCount { return false }
        tokens -= byteCount
        return true
    }
}
