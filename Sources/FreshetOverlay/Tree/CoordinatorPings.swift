import FreshetCore
import FreshetWire

/// Asking members for a sign of life: a ping tells the dead from the deaf (figure 8, step 808).
extension Coordinator {
    /// Sends a small data echo: it measures at sign-up, and later tells whether somebody is there.
    mutating func ping(_ member: Int) {
        guard records[member].connection != nil, records[member].pingSent == nil else { return }
        serial &+= 1
        records[member].pingSerial = serial
        records[member].pingSent = now
        send(.probe(ProbeMessage(serial: serial)), to: member)
    }

    /// Pings a member that somebody complains of; silence means that it failed (step 808).
    mutating func pingUrgently(_ member: Int) {
        guard member != source, records[member].pingDeadline == nil else { return }
        records[member].pingSent = nil
        ping(member)
        records[member].pingDeadline = now + configuration.pingTimeout
        watch(member)
    }

    /// True when `member` was asked for a sign of life and should have given it by now.
    func isSilent(_ member: Int) -> Bool {
        guard let sent = records[member].pingSent, records[member].pingDeadline != nil else { return false }
        let trip = records[member].probeMicroseconds
        return now - sent > .microseconds(2 * Int64(trip == 0 ? 125_000 : trip)) + .milliseconds(50)
    }

    /// True when `member` or somebody above it is silent.
    func isBelowSilence(_ member: Int, _ stripe: Int) -> Bool {
        guard !watched.isEmpty else { return false }
        var current: Int? = member
        for _ in 0..<AncestorPath.countLimit {
            guard let index = current else { return false }
            if isSilent(index) { return true }
            current = forest.parent(index, stripe)
        }
        return false
    }

    mutating func noteProbe(_ member: Int, serial: UInt32) {
        guard let sent = records[member].pingSent, serial == records[member].pingSerial else {
            tally.ignoredCount += 1
            return
        }
        let took = Int32(clamping: max(1, (now - sent).count / 1_000))
        let old = records[member].probeMicroseconds
        records[member].probeMicroseconds = old == 0 ? took : old + (took - old) / 4
        records[member].pingSent = nil
        records[member].pingDeadline = nil
    }

    func watchDeadline(_ member: Int) -> Instant? {
        let record = records[member]
        if record.isRemoved { return now }
        let absence = record.goneSince.map { $0 + configuration.absenceLimit }
        return earliest(absence, record.pingDeadline)
    }

    mutating func checkWatched() {
        guard !watched.isEmpty else { return }
        var kept: [Int] = []
        var failed: [Int] = []
        for member in watched {
            let record = records[member]
            guard !record.isRemoved, let deadline = watchDeadline(member) else {
                records[member].isWatched = false
                continue
            }
            if deadline > now {
                kept.append(member)
                continue
            }
            records[member].pingDeadline = nil
            records[member].pingSent = nil
            records[member].isWatched = false
            tally.failedCount += 1
            failed.append(member)
        }
        watched = kept
        // All that are gone are known as such before the first orphan is given a parent.
        for member in failed { scheduleRemoval(member, after: .zero, isLast: false) }
        if !failed.isEmpty { checkRemovals() }
    }
}
