internal import FreshetCore
internal import FreshetNet

/// Forwards the packets of one stripe to the children that want it: all of them by one system call a batch.
///
/// What the kernel has no room for is tried again for a short while, then given up and counted; repair brings it. Bounded:
/// `queueLimit` packets wait at most.
final class ChildFanOut {
    /// Packets that may wait.
    static let queueLimit = 256
    /// How soon a socket without room is tried again.
    private static let retryInterval = Nanoseconds.microseconds(200)
    /// How long a batch may wait for room.
    private static let patience = Nanoseconds.milliseconds(20)

    private let number: Int32
    /// The children's links, in the order of their destinations.
    private(set) var links: [UInt16] = []
    // Unchecked exclusivity: belongs to one stage on one thread.
    @exclusivity(unchecked) private var fanOut: DatagramFanOut?
    @exclusivity(unchecked) private var queue = PacketBatch(capacity: ChildFanOut.queueLimit)
    @exclusivity(unchecked) private var loadedCount = 0
    @exclusivity(unchecked) private var blockedSince: Instant?
    /// When a socket without room is to be tried again.
    @exclusivity(unchecked) private(set) var retryDeadline: Instant?
    /// Datagrams that the kernel refused or had no room for.
    @exclusivity(unchecked) private(set) var droppedCount = 0
    @exclusivity(unchecked) private var toldCount = 0
    @exclusivity(unchecked) private var toldErrors: [Int] = []

    /// Forwards by the socket `number`, to nobody yet.
    init(through number: Int32) { self.number = number }

    /// Forwards to these from now on. What waits goes to those before, as far as there is room.
    func setChildren(_ links: [UInt16], _ addresses: [SocketAddress], now: Instant) {
        flush(now: now)
        if loadedCount > 0 { abandon() }
        droppedCount += errorCount
        self.links = links
        toldCount = droppedCount
        toldErrors = [Int](repeating: 0, count: links.count)
        fanOut = nil
        if links.isEmpty { return queue.removeAll() }
        fanOut = DatagramFanOut(
            through: number,
            destinations: addresses.map { DatagramFanOut.Destination(address: $0, stripsHeader: false) })
    }

    private var errorCount: Int { fanOut?.errorCount ?? 0 }

    /// What each child was not sent since the last call: what the kernel refused it, and its share of what there was no
    /// room for.
    func takeDropped(_ body: (_ link: UInt16, _ count: Int) -> Void) {
        let share = (droppedCount - toldCount) / max(1, links.count)
        toldCount = droppedCount
        for (index, link) in links.enumerated() {
            let refused = fanOut?.errorCount(of: index) ?? 0
            let count = share + refused - toldErrors[index]
            toldErrors[index] = refused
            if count > 0 { body(link, count) }
        }
    }

    /// True when nobody is forwarded to.
    var isIdle: Bool { links.isEmpty }

    /// Forwards `packet` with the next ``flush(now:)``.
    @inline(__always)
    func append(_ packet: borrowing Packet, now: Instant) {
        if links.isEmpty { return }
        if queue.isFull {
            flush(now: now)
            if queue.isFull { abandon() }
        }
        queue.append(packet.share())
    }

    /// Sends what waits, as far as there is room.
    @inline(__always)
    func flush(now: Instant) {
        if queue.isEmpty { return }
        drain(now)
    }

    private func drain(_ now: Instant) {
        while !queue.isEmpty, fanOut != nil {
            if loadedCount == 0 { loadedCount = fanOut?.load(queue) ?? 0 }
            if fanOut?.send() == .blocked {
                let since = blockedSince ?? now
                blockedSince = since
                if now - since < ChildFanOut.patience {
                    retryDeadline = now + ChildFanOut.retryInterval
                    return
                }
                abandon()
                continue
            }
            blockedSince = nil
            retryDeadline = nil
            removeLoaded()
        }
    }

    private func removeLoaded() {
        for _ in 0..<loadedCount { _ = queue.popFirst() }
        loadedCount = 0
    }

    /// Gives up the batch that there is no room for.
    private func abandon() {
        droppedCount += fanOut?.giveUp() ?? 0
        blockedSince = nil
        retryDeadline = nil
        if loadedCount == 0 { _ = queue.popFirst() } else { removeLoaded() }
    }
}
