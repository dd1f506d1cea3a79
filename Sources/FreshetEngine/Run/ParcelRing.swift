internal import FreshetCore
internal import FreshetNet
internal import Synchronization

/// A bounded single-producer single-consumer ring that carries packets from one loop's thread to another's.
///
/// No byte is copied: every place holds a slot, full or empty. The producer trades its packet for the place's empty
/// slot, the consumer an empty slot of its own for the packet, so neither pool is ever touched by two threads and no
/// slot has to find its way home. Only a packet that is shared, by a tee, is copied. A full ring is back-pressure.
///
/// `@unchecked Sendable`: place i is touched by the producer while `tail <= i < head + capacity` and by the consumer
/// while `head <= i < tail`; the release store of each index and the acquiring load of it on the other side order
/// those accesses.
final class ParcelRing: @unchecked Sendable {
    /// How many packets fit; a power of two.
    let capacity: Int
    /// How many packets with attachments may wait: a coded frame may be a megabyte.
    let attachmentLimit = 64
    private let places: UnsafeMutablePointer<Parcel>
    /// Has the empty slots of the first round; the producer's.
    private let reserve: PacketPool

    private let head = Atomic<Int>(0)
    private let tail = Atomic<Int>(0)
    private let attachmentCount = Atomic<Int>(0)
    private let finished = Atomic<Bool>(false)
    private let closed = Atomic<Bool>(false)
    private let isConsumerWaiting = Atomic<Bool>(false)
    private let isProducerWaiting = Atomic<Bool>(false)
    /// Signalled for the consumer: there is something to take.
    let dataWakeup: Wakeup
    /// Signalled for the producer: there is room again.
    let spaceWakeup: Wakeup

    /// A ring of `capacity` places between pools of `family`.
    init(capacity: Int, family: SlotFamily) throws(SystemCallError) {
        precondition(capacity.nonzeroBitCount == 1)
        self.capacity = capacity
        places = .allocate(capacity: capacity)
        reserve = PacketPool(slotCount: capacity, family: family)
        dataWakeup = try Wakeup()
        spaceWakeup = try Wakeup()
    }

    deinit {
        for index in head.load(ordering: .acquiring)..<tail.load(ordering: .acquiring) {
            place(index).pointee.discardAttachment()
        }
        places.deallocate()
    }

    private func place(_ index: Int) -> UnsafeMutablePointer<Parcel> { places + (index & (capacity - 1)) }

    /// Packets waiting now.
    var count: Int { tail.load(ordering: .acquiring) - head.load(ordering: .acquiring) }

    // MARK: Producer

    /// True when nothing more fits.
    var isFull: Bool { count >= capacity || attachmentCount.load(ordering: .acquiring) >= attachmentLimit }
    /// True when the consumer is gone: what is pushed goes nowhere.
    var isClosed: Bool { closed.load(ordering: .acquiring) }

    /// Puts `packet`, which is `pool`'s, in; the ring must not be full.
    func push(_ packet: consuming Packet, of pool: PacketPool) {
        let index = tail.load(ordering: .relaxed)
        precondition(index - head.load(ordering: .acquiring) < capacity)
        let place = place(index)
        // Memory is touched when a place is first used.
        if index < capacity {
            guard let empty = reserve.withdraw() else { preconditionFailure("a place without a slot") }
            place.initialize(to: empty)
        }
        pool.trade(packet, for: &place.pointee)
        if place.pointee.hasAttachment { attachmentCount.add(1, ordering: .acquiringAndReleasing) }
        tail.store(index + 1, ordering: .sequentiallyConsistent)
    }

    /// Wakes the consumer if it waits.
    func signalData() {
        if isConsumerWaiting.load(ordering: .sequentiallyConsistent),
            isConsumerWaiting.exchange(false, ordering: .sequentiallyConsistent)
        {
            dataWakeup.signal()
        }
    }

    /// Says that nothing more will come.
    func finish() {
        finished.store(true, ordering: .sequentiallyConsistent)
        isConsumerWaiting.store(false, ordering: .sequentiallyConsistent)
        dataWakeup.signal()
    }

    /// True when a packet fits. Else a signal was asked for, to come when half the ring is free or the consumer is
    /// gone; a ring without a consumer stays as full as it was.
    func hasRoomOrWaits() -> Bool {
        if !isFull { return true }
        isProducerWaiting.store(true, ordering: .sequentiallyConsistent)
        if isFull { return false }
        isProducerWaiting.store(false, ordering: .sequentiallyConsistent)
        return true
    }

    // MARK: Consumer

    /// True when the producer has finished and everything was taken.
    var isDrained: Bool {
        finished.load(ordering: .sequentiallyConsistent) && count == 0
    }

    /// Makes the next packet one of `pool`; `nil` when the ring or the pool is empty.
    func pop(into pool: PacketPool) -> Packet? {
        let index = head.load(ordering: .relaxed)
        guard index < tail.load(ordering: .acquiring), let packet = pool.trade(for: &place(index).pointee)
        else {
            return nil
        }
        if packet.unsafeAttachment != nil { attachmentCount.subtract(1, ordering: .acquiringAndReleasing) }
        head.store(index + 1, ordering: .sequentiallyConsistent)
        return packet
    }

    /// Wakes the producer if it waits and half the ring is free.
    func signalSpace() {
        guard count <= capacity / 2, attachmentCount.load(ordering: .acquiring) <= attachmentLimit / 2 else {
            return
        }
        if isProducerWaiting.load(ordering: .sequentiallyConsistent),
            isProducerWaiting.exchange(false, ordering: .sequentiallyConsistent)
        {
            spaceWakeup.signal()
        }
    }

    /// Asks for a signal when something comes; false when something is there already.
    func awaitData() -> Bool {
        isConsumerWaiting.store(true, ordering: .sequentiallyConsistent)
        if count == 0 && !finished.load(ordering: .sequentiallyConsistent) { return true }
        isConsumerWaiting.store(false, ordering: .sequentiallyConsistent)
        return false
    }

    /// Says that the consumer is gone; the producer is let go.
    func close() {
        closed.store(true, ordering: .sequentiallyConsistent)
        spaceWakeup.signal()
    }
}
