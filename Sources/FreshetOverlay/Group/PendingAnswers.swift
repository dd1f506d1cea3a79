public import FreshetCore

/// The requests that a holder of packets has heard and may answer: one place a packet, so that a thousand
/// requests for it are one answer, and a time after each answer in which requests for it are taken as sent
/// before it was heard.
///
/// Places are by sequence number; two packets that want the same place at once are `capacity` apart, and the
/// newer one has to wait for the next request.
public struct PendingAnswers: ~Copyable {
    struct Entry {
        var sequence = Int64.min
        var heard = Instant.zero
        var due = Instant.zero
        var requestCount: UInt8 = 0
        var scope = RepairScope.segment
        // The only one who asked, when a repair to it alone would do.
        var onlyAsker: Peer?
        var isPending = false
        // In the queue of answers to send now; a repair that is heard still cancels it.
        var isReady = false
    }

    private var entries: FixedRing<Entry>
    private var ready: FixedRing<Int64>
    private let mask: Int64
    /// Not later than the next answer's instant; `nil` when none is pending.
    public private(set) var nextDue: Instant?

    /// A table of `capacity` places, rounded up to a power of two.
    public init(capacity: Int) {
        let size = capacity.roundedUpToPowerOfTwo()
        entries = FixedRing(capacity: size)
        for _ in 0..<size { entries.append(Entry()) }
        ready = FixedRing(capacity: size)
        mask = Int64(size &- 1)
    }

    private func place(_ sequence: Int64) -> Int { Int(sequence & mask) }

    /// Somebody asks for `sequence`: it will be answered at `due` unless somebody else does. False when that
    /// needs nothing new: it is pending already, was answered within `holdOff`, or the place is taken. With
    /// `onlyAsker` the repair goes to that peer alone unless another asks too before it leaves.
    public mutating func request(
        _ sequence: Int64, scope: RepairScope, onlyAsker: Peer? = nil, due: Instant, holdOff: Nanoseconds,
        now: Instant
    ) -> Bool {
        let index = place(sequence)
        if entries[index].sequence == sequence {
            if entries[index].isPending {
                if entries[index].requestCount < .max { entries[index].requestCount &+= 1 }
                if scope == .group { entries[index].scope = .group }
                if entries[index].onlyAsker != onlyAsker { entries[index].onlyAsker = nil }
                return false
            }
            if now - entries[index].due < holdOff { return false }
        } else if entries[index].isPending {
            return false
        }
        entries[index] = Entry(
            sequence: sequence, heard: now, due: due, requestCount: 1, scope: scope, onlyAsker: onlyAsker,
            isPending: true)
        nextDue = earliest(nextDue, due)
        return true
    }

    /// A request for `sequence` was heard that somebody better placed should answer: true when it is the
    /// second one and the first was `patience` ago without a repair, so that nobody seems to. Only a request
    /// shows that: a repair that is not heard may have been lost on the way to this holder alone.
    public mutating func isUnanswered(_ sequence: Int64, patience: Nanoseconds, now: Instant) -> Bool {
        let index = place(sequence)
        if entries[index].isPending { return entries[index].sequence == sequence }
        if entries[index].sequence == sequence, entries[index].requestCount > 0 {
            return now - entries[index].heard >= patience
        }
        if entries[index].sequence == sequence, now - entries[index].due < patience { return false }
        entries[index] = Entry(
            sequence: sequence, heard: now, due: Instant(nanoseconds: .min / 2), requestCount: 1)
        return false
    }

    /// True when the place of the packets whose numbers end in `sequence` has an answer pending.
    mutating func isPending(endingIn sequence: UInt16) -> Bool { entries[place(Int64(sequence))].isPending }

    /// A repair of `sequence` was heard: nothing is left to answer. Gives the time since the request when
    /// that was the only one, which tells how long answers take.
    public mutating func noteRepair(_ sequence: Int64, now: Instant) -> Nanoseconds? {
        let index = place(sequence)
        guard entries[index].sequence == sequence else {
            // A repair that nobody here was asked for: later requests for it are late all the same.
            if !entries[index].isPending {
                entries[index] = Entry(sequence: sequence, heard: now, due: now)
            }
            return nil
        }
        let requestCount = entries[index].requestCount
        entries[index].isPending = false
        entries[index].isReady = false
        entries[index].due = now
        entries[index].requestCount = 0
        return requestCount == 1 ? now - entries[index].heard : nil
    }

    /// Somebody announced to take care of `sequence`: a pending answer waits until `due`.
    public mutating func postpone(_ sequence: Int64, until due: Instant) {
        let index = place(sequence)
        guard entries[index].sequence == sequence, entries[index].isPending else { return }
        if due > entries[index].due { entries[index].due = due }
    }

    /// Moves what is due to the answers that are ready.
    public mutating func advance(to now: Instant) {
        guard let next = nextDue, next <= now else { return }
        nextDue = nil
        for index in 0..<entries.count where entries[index].isPending {
            if entries[index].due > now {
                nextDue = earliest(nextDue, entries[index].due)
            } else if !ready.isFull, !entries[index].isReady {
                ready.append(entries[index].sequence)
                entries[index].isReady = true
            }
        }
    }

    /// The next answer to give, and where it is to go.
    public mutating func next() -> (sequence: Int64, destination: Destination)? {
        while let sequence = ready.popFirst() {
            let entry = entries[place(sequence)]
            guard entry.sequence == sequence, entry.isPending, entry.isReady else { continue }
            if let peer = entry.onlyAsker { return (sequence, .peer(peer)) }
            return (sequence, entry.scope == .group ? .group : .segment)
        }
        return nil
    }

    /// Puts an answer back that cannot be given now.
    public mutating func putBack(_ sequence: Int64) { ready.prepend(sequence) }

    /// True when an answer is ready.
    public var hasReady: Bool { !ready.isEmpty }

    /// The answer `sequence` was given, or cannot be.
    public mutating func finish(_ sequence: Int64, now: Instant) {
        let index = place(sequence)
        guard entries[index].sequence == sequence else { return }
        entries[index].isPending = false
        entries[index].isReady = false
        entries[index].due = now
        entries[index].requestCount = 0
    }
}
