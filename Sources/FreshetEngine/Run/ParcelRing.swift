internal import FreshetCore
internal import FreshetNet
internal import Synchronization

/// A bounded single-producer single-consumer ring that carries packets from one loop's thread to another's.
///
/// A packet's bytes are copied into the ring and out of it again into the other loop's pool (about 40 ns for
/// 1316 bytes each way), so neither pool is ever touched by two threads and no slot has to find its way home.
/// An attachment changes hands without a copy. A full ring is back-pressure.
///
/// `@unchecked Sendable`: `storage` place i is written by the producer while `tail <= i < head + capacity`
/// and read by the consumer while `head <= i < tail`; the release store of each index and the acquiring load
/// of it on the other side order those accesses.
final class ParcelRing: @unchecked Sendable {
    private struct Parcel {
        var info = PacketInfo()
        var byteCount = 0
        var attachment: UnsafeMutableRawPointer?
        var release: (@convention(c) (UnsafeMutableRawPointer) -> Void)?
    }

    /// How many packets fit; a power of two.
    let capacity: Int
    /// How many packets with attachments may wait: a coded frame may be a megabyte.
    let attachmentLimit = 64
    private let slotByteCount: Int
    private let stride: Int
    private let storage: UnsafeMutableRawPointer

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

    init(capacity: Int, slotByteCount: Int) throws(SystemCallError) {
        precondition(capacity.nonzeroBitCount == 1)
        self.capacity = capacity
        self.slotByteCount = slotByteCount
        stride = (MemoryLayout<Parcel>.size + slotByteCount + 63) / 64 * 64
        storage = .allocate(byteCount: stride * capacity, alignment: 64)
        dataWakeup = try Wakeup()
        spaceWakeup = try Wakeup()
    }

    deinit {
        var index = head.load(ordering: .acquiring)
        while index < tail.load(ordering: .acquiring) {
            let parcel = parcel(index)
            if let attachment = parcel.pointee.attachment { parcel.pointee.release?(attachment) }
            index += 1
        }
        storage.deallocate()
    }

    private func place(_ index: Int) -> UnsafeMutableRawPointer {
        storage + (index & (capacity - 1)) * stride
    }
    private func parcel(_ index: Int) -> UnsafeMutablePointer<Parcel> {
        place(index).assumingMemoryBound(to: Parcel.self)
    }
    private func payload(_ index: Int) -> UnsafeMutableRawPointer { place(index) + MemoryLayout<Parcel>.size }

    /// Packets waiting now.
    var count: Int { tail.load(ordering: .acquiring) - head.load(ordering: .acquiring) }

    // MARK: Producer

    /// True when nothing more fits.
    var isFull: Bool { count >= capacity || attachmentCount.load(ordering: .acquiring) >= attachmentLimit }
    /// True when the consumer is gone: what is pushed goes nowhere.
    var isClosed: Bool { closed.load(ordering: .acquiring) }

    /// Puts `packet` in; the ring must not be full.
    func push(_ packet: consuming Packet) {
        let index = tail.load(ordering: .relaxed)
        precondition(index - head.load(ordering: .acquiring) < capacity && packet.byteCount <= slotByteCount)
        let parcel = parcel(index)
        parcel.initialize(to: Parcel())
        parcel.pointee.info = packet.info
        parcel.pointee.byteCount = packet.byteCount
        if packet.byteCount > 0, let bytes = packet.unsafeBytes.baseAddress {
            payload(index).copyMemory(from: bytes, byteCount: packet.byteCount)
        }
        if let (attachment, release) = packet.unsafeDetach() {
            parcel.pointee.attachment = attachment
            parcel.pointee.release = release
            attachmentCount.add(1, ordering: .acquiringAndReleasing)
        }
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

    /// Moves the next packet into a packet of `pool`; `nil` when the ring or the pool is empty.
    func pop(into pool: PacketPool) -> Packet? {
        let index = head.load(ordering: .relaxed)
        guard index < tail.load(ordering: .acquiring), var packet = pool.allocate() else { return nil }
        let parcel = parcel(index)
        packet.info = parcel.pointee.info
        let byteCount = parcel.pointee.byteCount
        if byteCount > 0, let bytes = packet.unsafeWritableBytes.baseAddress {
            bytes.copyMemory(from: payload(index), byteCount: byteCount)
        }
        packet.setByteCount(byteCount)
        if let attachment = parcel.pointee.attachment, let release = parcel.pointee.release {
            packet.unsafeAttach(attachment, release: release)
            attachmentCount.subtract(1, ordering: .acquiringAndReleasing)
        }
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
