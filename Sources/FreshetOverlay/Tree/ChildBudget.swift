import FreshetCore

/// Whether a child keeps up: of what is sent to it, how much its queue or its own reports say is lost. Judged
/// every second; a child that does not is thinned first (its parity stripe), then reported as slow, so that
/// no sibling waits for it.
struct ChildBudget {
    enum Verdict: Equatable { case fits, thin, move }
    /// More than this of a thousand packets dropped on the way to it is too many.
    static let dropLimitPerMille = 50
    private var sentCount = 0
    private var droppedCount = 0
    private var started: Instant?
    private var badSeconds = 0

    mutating func noteSent(_ count: Int) { sentCount += count }
    mutating func noteDropped(_ count: Int) { droppedCount += count }

    /// The verdict on the second that is over; `nil` while it lasts or when nothing was sent.
    mutating func judge(now: Instant) -> Verdict? {
        guard let began = started else {
            started = now
            return nil
        }
        guard now - began >= .milliseconds(900) else { return nil }
        started = now
        let total = max(sentCount, droppedCount)
        let isBad = droppedCount * 1000 > ChildBudget.dropLimitPerMille * total
        sentCount = 0
        droppedCount = 0
        if total == 0 { return nil }
        badSeconds = isBad ? badSeconds + 1 : 0
        if badSeconds == 0 { return .fits }
        return badSeconds == 1 ? .thin : .move
    }
}
