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

    /// Lets go of the attachment, if there is one.
    @usableFromInline mutating func discardAttachment() {
        guard let attachment else { return }
        releaseAttachment?(attachment)
        self.attachment = nil
        releaseAttachment = nil
    }
}

/// A slab of equal slots for packets, allocated once, with a hard cap.
///
/// One pool belongs to one event loop and is touched by one thread only, so its reference counts are plain
/// integers. Slots are handed out last-in first-out: a loop that keeps few packets alive touches few pages,
/// however large the cap. When every slot is taken ``allocate()`` gives `nil`; the caller leaves its input
/// where it is (back-pressure). The pool must outlive its packets: its `deinit` traps when a slot has not
/// come home. Pools of one ``SlotFamily`` can trade slots: see ``trade(_:for:)``.
public final class PacketPool {
    /// Bytes a slot can hold, headroom included.
    public let slotByteCount: Int
    /// Bytes kept free in front of a new packet's first byte, for headers put on later.
    public let headroomByteCount: Int
    /// How many slots there are.
    public let slotCount: Int

    @usableFromInline struct State {
        @usableFromInline var usedCount = 0
        @usableFromInline var peakUsedCount = 0
        @usableFromInline var freeHead: UnsafeMutablePointer<SlotHeader>?
        @usableFromInline var untouchedIndex = 0

        @usableFromInline init() {}
    }

    private let slab: UnsafeMutableRawPointer
    private let stride: Int
    private let family: SlotFamily
    /// In a place of its own: every access is one load or store on the loop's own thread, and the check of a
    /// class's stored property, which can find nothing here, costs ten times as much as what it guards.
    @usableFromInline let state: UnsafeMutablePointer<State>

    @usableFromInline static let headerByteCount = 128

    /// A pool of `slotCount` slots of `slotByteCount` bytes each, `headroomByteCount` of them kept in front.
    ///
    /// Memory is reserved now and touched as slots are first used.
    public convenience init(slotCount: Int, slotByteCount: Int = 2048, headroomByteCount: Int = 64) {
        let family = SlotFamily(slotByteCount: slotByteCount, headroomByteCount: headroomByteCount)
        self.init(slotCount: slotCount, family: family)
    }

    /// A pool of `slotCount` slots as `family` has them.
    public init(slotCount: Int, family: SlotFamily) {
        precondition(slotCount > 0)
        precondition(MemoryLayout<SlotHeader>.size <= PacketPool.headerByteCount)
        self.slotCount = slotCount
        self.family = family
        slotByteCount = family.slotByteCount
        headroomByteCount = family.headroomByteCount
        stride = (PacketPool.headerByteCount + slotByteCount + 63) / 64 * 64
        slab = family.slab(byteCount: stride * slotCount)
        state = .allocate(capacity: 1)
        state.initialize(to: State())
    }

    deinit {
        precondition(usedCount == 0, "a packet outlived its pool")
        state.deallocate()
    }

    /// Packets alive now.
    @inlinable public var usedCount: Int { state.pointee.usedCount }
    /// The most packets ever alive at once.
    @inlinable public var peakUsedCount: Int { state.pointee.peakUsedCount }
    /// Slots still free.
    @inlinable public var freeCount: Int { slotCount - usedCount }

    /// An empty packet, its first byte after the headroom; `nil` when all slots are taken.
    @inlinable public func allocate() -> Packet? {
        guard let slot = takeFree() else { return nil }
        slot.pointee.referenceCount = 1
        slot.pointee.info = PacketInfo()
        noteUsed()
        return Packet(slot: slot, start: UInt32(truncatingIfNeeded: headroomByteCount), byteCount: 0)
    }

    @inlinable func takeFree() -> UnsafeMutablePointer<SlotHeader>? {
        guard let slot = state.pointee.freeHead ?? touchNext() else { return nil }
        state.pointee.freeHead = slot.pointee.nextFree
        return slot
    }

    @inlinable func noteUsed() {
        state.pointee.usedCount &+= 1
        if state.pointee.usedCount > state.pointee.peakUsedCount {
            state.pointee.peakUsedCount = state.pointee.usedCount
        }
    }

    /// The next slot that was never used, ready to be.
    @usableFromInline func touchNext() -> UnsafeMutablePointer<SlotHeader>? {
        if state.pointee.untouchedIndex == slotCount { return nil }
        let place = slab + state.pointee.untouchedIndex * stride
        state.pointee.untouchedIndex += 1
        let slot = place.bindMemory(to: SlotHeader.self, capacity: 1)
        slot.initialize(to: SlotHeader(pool: Unmanaged.passUnretained(self)))
        return slot
    }

    @inlinable func reclaim(_ slot: UnsafeMutablePointer<SlotHeader>) {
        if slot.pointee.attachment != nil { slot.pointee.discardAttachment() }
        putFree(slot)
        state.pointee.usedCount &-= 1
    }

    @inlinable func putFree(_ slot: UnsafeMutablePointer<SlotHeader>) {
        slot.pointee.nextFree = state.pointee.freeHead
        state.pointee.freeHead = slot
    }
}
