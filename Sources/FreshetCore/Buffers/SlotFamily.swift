/// The memory of pools whose slots are alike, so that packets can change from one pool to another without a copy
/// (``PacketPool/trade(_:for:)``). It lives as long as the last of its pools, for a slot may end anywhere among them.
///
/// Pools join it before their threads start: joining is not for several threads at once.
public final class SlotFamily {
    /// Bytes a slot can hold, headroom included.
    public let slotByteCount: Int
    /// Bytes kept free in front of a new packet's first byte.
    public let headroomByteCount: Int
    private var slabs: [UnsafeMutableRawPointer] = []

    /// A family of slots of `slotByteCount` bytes each, `headroomByteCount` of them kept in front.
    public init(slotByteCount: Int = 2048, headroomByteCount: Int = 64) {
        precondition(slotByteCount > headroomByteCount && headroomByteCount >= 0)
        self.slotByteCount = slotByteCount
        self.headroomByteCount = headroomByteCount
    }

    deinit {
        for slab in slabs { slab.deallocate() }
    }

    func slab(byteCount: Int) -> UnsafeMutableRawPointer {
        let slab = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 64)
        slabs.append(slab)
        return slab
    }
}
