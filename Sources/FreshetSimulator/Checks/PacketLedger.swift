import FreshetCore

/// What happened to one media packet, from its departure until it is history.
struct PacketRecord {
    var sentAt = Instant.zero
    /// When somebody first saw that it was missing.
    var missedAt = Instant.distantFuture
    /// When it first left again as a repair.
    var repairedAt = Instant.distantFuture
    /// Copies of it that were lost on their first way, counted by receivers.
    var lossCount: Int32 = 0
    /// Requests that named it.
    var askCount: Int32 = 0
    /// Of those, the ones that were to leave their segment.
    var farAskCount: Int32 = 0
    /// Times it was sent again.
    var repairCount: Int32 = 0
}

/// The last packets that a source sent, and what became of the older ones.
struct PacketLedger {
    static let capacity: Int64 = 1 << 14
    private var records = [PacketRecord](repeating: PacketRecord(), count: Int(capacity))
    private(set) var first: Int64 = 0
    /// The number that the next packet will have; packets are numbered without a gap.
    private(set) var next: Int64 = 0
    private var hasBegun = false
    /// More receivers than this have lost what is called common.
    private let commonLimit: Int

    /// Packets that at least one receiver lost.
    private(set) var lostPacketCount = 0
    /// Requests for each such packet.
    private(set) var asks = DelayHistogram()
    /// Requests for each packet that more than half of the receivers lost.
    private(set) var commonAsks = DelayHistogram()
    /// Of all requests, the ones that the source hears: segments ask among themselves first.
    private(set) var farAsks = DelayHistogram()
    /// Repairs sent for each such packet.
    private(set) var repairs = DelayHistogram()
    /// From the first sight of a loss to the first departure of a repair.
    private(set) var repairDeparture = DelayHistogram()
    /// Requests for packets that nobody had lost.
    private(set) var needlessAskCount = 0

    /// A ledger of what a source sends to `receiverCount` receivers.
    init(receiverCount: Int) { commonLimit = receiverCount / 2 }

    /// Packet `number` leaves for the first time.
    mutating func sent(_ number: Int64, at time: Instant) {
        if !hasBegun {
            hasBegun = true
            first = number
            next = number
        }
        precondition(number == next, "a source numbers its packets one by one")
        if next - first == PacketLedger.capacity { retire() }
        records[Int(next & (PacketLedger.capacity - 1))] = PacketRecord(sentAt: time)
        next += 1
    }

    /// Looks at packet `number` or changes it; `nil` when it is none or too old.
    @inline(__always)
    mutating func with<Result>(_ number: Int64, _ body: (inout PacketRecord) -> Result) -> Result? {
        guard number >= first, number < next else { return nil }
        return body(&records[Int(number & (PacketLedger.capacity - 1))])
    }

    /// The record of packet `number`; `nil` when it is none or too old.
    func record(_ number: Int64) -> PacketRecord? {
        guard number >= first, number < next else { return nil }
        return records[Int(number & (PacketLedger.capacity - 1))]
    }

    /// The lowest number of a packet that was sent at `time` or later.
    func number(at time: Instant) -> Int64 {
        var low = first
        var high = next
        while low < high {
            let middle = (low + high) / 2
            if records[Int(middle & (PacketLedger.capacity - 1))].sentAt < time {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low
    }

    private mutating func retire() {
        let record = records[Int(first & (PacketLedger.capacity - 1))]
        first += 1
        if record.lossCount == 0 {
            needlessAskCount += Int(record.askCount)
            return
        }
        lostPacketCount += 1
        asks.add(Int64(record.askCount))
        if Int(record.lossCount) > commonLimit { commonAsks.add(Int64(record.askCount)) }
        farAsks.add(Int64(record.farAskCount))
        repairs.add(Int64(record.repairCount))
        if record.missedAt < record.repairedAt, record.repairedAt != .distantFuture {
            repairDeparture.add((record.repairedAt - record.missedAt).count)
        }
    }

    /// Makes all packets history.
    mutating func settle() { while first < next { retire() } }
}
