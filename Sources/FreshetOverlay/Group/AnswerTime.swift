public import FreshetCore

/// How long an answer takes: from the moment that a request went out, or was heard, to the moment that the
/// repair came.
///
/// Smoothed mean and mean deviation as TCP keeps them (RFC 6298 §2). It serves two ends: when to ask again,
/// and how long to leave an answer to somebody better placed before giving it oneself.
public struct AnswerTime: Sendable {
    /// The smoothed time; the first guess until something was measured.
    public private(set) var smoothed: Nanoseconds
    private var deviation: Nanoseconds
    private var hasSample = false
    private let limit: Nanoseconds

    /// Nothing measured: `guess` holds. No time above `limit` is believed.
    public init(guess: Nanoseconds, limit: Nanoseconds = .seconds(2)) {
        smoothed = guess
        deviation = guess / 2
        self.limit = limit
    }

    /// One measured time. Only for requests that were sent once: otherwise nobody knows which of them was answered.
    public mutating func note(_ sample: Nanoseconds) {
        guard sample >= .zero, sample <= limit else { return }
        if !hasSample {
            hasSample = true
            smoothed = sample
            deviation = sample / 2
            return
        }
        let error = sample - smoothed
        smoothed = smoothed + error / 8
        let size = error < .zero ? .zero - error : error
        deviation = deviation + (size - deviation) / 4
    }

    /// After this time an answer is no longer to be expected.
    public var timeout: Nanoseconds {
        let spread = deviation * 4
        let least = smoothed / 4 + .microseconds(100)
        return smoothed + (spread < least ? least : spread)
    }
}
