/// The part of a slot that lies in front of its bytes. Owned by its pool, reached through a ``Packet``.
@usableFromInline struct SlotHeader {
    @usableFromInline var pool: Unmanaged<PacketPool>
    @usableFromInline var nextFree: UnsafeMutablePointer<SlotHeader>?
    @usableFromInline var referenceCount: Int
    @usableFromInline var attachment: UnsafeMutableRawPointer?
    @usableFromInline var releaseAttachment: (@convention(c) (UnsafeMutableRawPointer) -> Void)?
    @usableFromInline var info: PacketInfo

    @inlinable init(pool: Unmanaged<PacketPool>) {
        self.pool = pool
        nextFree = nil
        referenceCount = 0
        attachment = nil
        releaseAttachment = nil
        info = PacketInfo()
    }
}

/// A slab of equal slots for packets, allocated once, with a hard cap.
///
/// One pool belongs to one event loop and is touched by one thread only, so its reference counts are plain
/// integers. Slots are handed out last-in first-out: a loop that keeps few packets alive touches few pages,
/// however large the cap. When every slot is taken ``allocate()`` gives `nil`; the caller leaves its input
/// where it is (back-pressure). The pool must outlive its packets: its `deinit` traps when a slot has not
/// come home.
public final class PacketPool {
    /// Bytes a slot can hold, headroom included.
    public let slotByteCount: Int
    /// Bytes kept free in front of a new packet's first byte, for headers put on later.
    public let headroomByteCount: Int
    /// How many slots there are.
    public let slotCount: Int
    /// Packets alive now.
    @exclusivity(unchecked) public private(set) var usedCount = 0
    /// The most packets ever alive at once.
    @exclusivity(unchecked) public private(set) var peakUsedCount = 0

    private let slab: UnsafeMutableRawPointer
    private let stride: Int
    // Unchecked exclusivity: every access is one load or store inside one call on the loop's own thread; the
    // dynamic check costs 38 ns against 4 here and can find nothing.
    @exclusivity(unchecked) private var freeHead: UnsafeMutablePointer<SlotHeader>?
    @exclusivity(unchecked) private var untouchedIndex = 0

    @usableFromInline static let headerByteCount = 128

    /// A pool of `slotCount` slots of `slotByteCount` bytes each, `headroomByteCount` of them kept in front.
    ///
    /// Memory is reserved now and touched as slots are first used.
    public init(slotCount: Int, slotByteCount: Int = 2048, headroomByteCount: Int = 64) {
        precondition(slotCount > 0 && slotByteCount > headroomByteCount && headroomByteCount >= 0)
        precondition(MemoryLayout<SlotHeader>.size <= PacketPool.headerByteCount)
        self.slotCount = slotCount
        self.slotByteCount = slotByteCount
        self.headroomByteCount = headroomByteCount
        stride = (PacketPool.headerByteCount + slotByteCount + 63) / 64 * 64
        slab = .allocate(byteCount: stride * slotCount, alignment: 64)
    }

    deinit {
        precondition(usedCount == 0, "a packet outlived its pool")
        slab.deallocate()
    }

    /// Slots still free.
    public var freeCount: Int { slotCount - usedCount }

    /// An empty packet, its first byte after the headroom; `nil` when all slots are taken.
    public func allocate() -> Packet? {
        let slot: UnsafeMutablePointer<SlotHeader>
        if let head = freeHead {
            slot = head
            freeHead = head.pointee.nextFree
        } else if untouchedIndex < slotCount {
            slot = (slab + untouchedIndex * stride).bindMemory(to: SlotHeader.self, capacity: 1)
            slot.initialize(to: SlotHeader(pool: Unmanaged.passUnretained(self)))
            untouchedIndex += 1
        } else {
            return nil
        }
        slot.pointee.referenceCount = 1
        slot.pointee.info = PacketInfo()
        usedCount += 1
        if usedCount > peakUsedCount { peakUsedCount = usedCount }
        return Packet(slot: slot, start: UInt32(truncatingIfNeeded: headroomByteCount), byteCount: 0)
    }

    @usableFromInline func reclaim(_ slot: UnsafeMutablePointer<SlotHeader>) {
        if let attachment = slot.pointee.attachment {
            slot.pointee.releaseAttachment?(attachment)
            slot.pointee.attachment = nil
            slot.pointee.releaseAttachment = nil
        }
        slot.pointee.nextFree = freeHead
        freeHead = slot
        usedCount -= 1
    }
}
