internal import FreshetCore
internal import FreshetStages

/// What has happened on one emulated link.
struct LinkTally {
    /// Packets that entered, and their bytes, lost ones too.
    var packetsIn = 0
    var bytesIn = 0
    /// Packets that left, copies too.
    var packetsOut = 0
    var bytesOut = 0
    var lostRandom = 0
    var lostQueue = 0
    var lostTooLong = 0
    var lostCut = 0
    /// More were under way than the plan allows.
    var lostRoom = 0
    /// Runs of losses in a row.
    var lossRuns = 0
    var copies = 0
    var corrupted = 0
    /// Frames that the network itself needs, passed without dice.
    var spared = 0
    /// What the kernel did not take.
    var errors = 0
    /// How much later than decided packets left, in steps of 20 µs; the last is for all beyond.
    var lateness = [Int](repeating: 0, count: 256)
    var mostLate = Nanoseconds.zero
    fileprivate var isLosing = false

    mutating func noteLateness(_ span: Nanoseconds) {
        mostLate = max(mostLate, span)
        lateness[min(lateness.count - 1, max(0, Int(span.count / 20_000)))] += 1
    }

    /// The microseconds that `part` of `whole` packets were not later than.
    func lateness(_ part: Int, of whole: Int) -> Int {
        let count = lateness.reduce(0, +)
        var sum = 0
        for (step, number) in lateness.enumerated() {
            sum += number
            if sum * whole >= count * part && sum > 0 {
                return min((step + 1) * 20, Int(mostLate.count / 1000))
            }
        }
        return 0
    }
}

/// All links of an emulator: packets enter, and come out when it is time, each with the place where it goes.
///
/// At most `limit` packets are under way; one more is lost, and counted as such.
final class EmulatedLinks {
    private struct Link {
        var model: LinkModel
        var tally = LinkTally()
        var lastEntry = Instant.zero
    }

    /// A packet that has come out.
    struct Exit {
        var link: Int
        var place: Int
        var departure: Instant
    }

    let pool: PacketPool
    private var queue: DepartureQueue
    private var links: [Link] = []
    private let seeds: PRNG
    private let beginning: Instant

    init(limit: Int, seed: UInt64, beginning: Instant) {
        // Readers hold some that are yet to be filled.
        pool = PacketPool(slotCount: limit + 256, headroomByteCount: 0)
        queue = DepartureQueue(capacity: limit)
        seeds = PRNG(seed: seed)
        self.beginning = beginning
    }

    deinit {
        while queue.popFirst() != nil {}
    }

    /// A new link; its chance follows from the seed and its number.
    func add(_ configuration: LinkModel.Configuration) -> Int {
        var own = seeds.split(by: UInt64(links.count))
        var configuration = configuration
        if let common = configuration.cutSeed {
            var turns = seeds.split(by: common)
            configuration.cutSeed = turns.next()
        }
        links.append(Link(model: LinkModel(configuration, seed: own.next(), beginning: beginning)))
        return links.count - 1
    }

    func tally(_ link: Int) -> LinkTally { links[link].tally }
    func cutCount(_ link: Int) -> Int { links[link].model.cutCount }

    /// Puts `packet`, which counts as `byteCount` bytes, on a link; it comes out for `place`.
    func enter(_ packet: consuming Packet, _ link: Int, byteCount: Int, place: Int, at instant: Instant) {
        // The kernel's stamps of two sockets may be a little out of order.
        let entry = max(instant, links[link].lastEntry)
        links[link].lastEntry = entry
        links[link].tally.packetsIn += 1
        links[link].tally.bytesIn += byteCount
        switch links[link].model.decide(now: entry, byteCount: byteCount) {
        case .lost(let reason):
            if !links[link].tally.isLosing { links[link].tally.lossRuns += 1 }
            links[link].tally.isLosing = true
            switch reason {
            case .random: links[link].tally.lostRandom += 1
            case .queueFull: links[link].tally.lostQueue += 1
            case .tooLong: links[link].tally.lostTooLong += 1
            case .cut: links[link].tally.lostCut += 1
            }
        case .delivered(let departure, let copyDeparture, let corruption):
            links[link].tally.isLosing = false
            if queue.freeCount < 2 {
                links[link].tally.lostRoom += 1
                return
            }
            let tag = UInt64(link) << 32 | UInt64(place)
            if let copyDeparture {
                links[link].tally.copies += 1
                queue.insert(packet.share(), departure: copyDeparture, tag: tag)
            }
            if let corruption, let damaged = damaged(packet, at: corruption) {
                links[link].tally.corrupted += 1
                queue.insert(damaged, departure: departure, tag: tag)
            } else {
                queue.insert(packet, departure: departure, tag: tag)
            }
        }
    }

    /// Counts a packet that a link lets pass at once.
    func spare(_ link: Int) { links[link].tally.spared += 1 }

    /// When the next packet comes out; `nil` when none is under way.
    var nextDeparture: Instant? { queue.nextDeparture }

    /// Where the packet goes that comes out next, if one does by `now`; take it with ``takePacket()``.
    func nextExit(by now: Instant) -> Exit? {
        guard let departure = queue.nextDeparture, departure <= now, let tag = queue.nextTag else {
            return nil
        }
        return Exit(link: Int(tag >> 32), place: Int(tag & 0xFFFF_FFFF), departure: departure)
    }

    /// The packet of ``nextExit(by:)``.
    func takePacket() -> Packet {
        guard let packet = queue.popFirst() else { preconditionFailure("no packet is under way") }
        return packet
    }

    /// Counts a packet that has been passed on, or with an error that has not.
    func noteExit(_ exit: Exit, byteCount: Int, isError: Bool, now: Instant) {
        if isError {
            links[exit.link].tally.errors += 1
            return
        }
        links[exit.link].tally.packetsOut += 1
        links[exit.link].tally.bytesOut += byteCount
        links[exit.link].tally.noteLateness(now - exit.departure)
    }

    /// A copy of `packet` with one bit flipped; `nil` when there is no room for one.
    private func damaged(_ packet: borrowing Packet, at bit: UInt64) -> Packet? {
        guard packet.byteCount > 0, var copy = pool.allocate() else { return nil }
        copy.append(packet.bytes)
        let position = Int(bit % UInt64(packet.byteCount * 8))
        copy.modify { bytes in
            let old = bytes.bytes.unsafeLoad(fromByteOffset: position / 8, as: UInt8.self)
            let new = old ^ (1 << UInt8(position % 8))
            bytes.storeBytes(of: new, toByteOffset: position / 8, as: UInt8.self)
        }
        return copy
    }
}
