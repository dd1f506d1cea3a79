/// A slot on its way between two pools of one ``SlotFamily``: empty, or with the bytes, the info and the attachment of a
/// packet. It belongs to whoever holds it; 16 bytes that may cross threads.
///
/// Pools trade: whoever gives a full slot away gets an empty one for it, so no pool ever grows or runs dry by its
/// traffic, no slot has to find its way home, and no byte is copied.
public struct Parcel: @unchecked Sendable {
    @usableFromInline var slot: UnsafeMutablePointer<SlotHeader>
    @usableFromInline var start: UInt32
    @usableFromInline var length: UInt32

    @inlinable init(_ slot: UnsafeMutablePointer<SlotHeader>, start: UInt32, length: UInt32) {
        self.slot = slot
        self.start = start
        self.length = length
    }

    /// True when something other than bytes travels with it.
    @inlinable public var hasAttachment: Bool { slot.pointee.attachment != nil }

    /// Releases the attachment, if there is one, of a parcel that nobody will open.
    public func discardAttachment() { slot.pointee.discardAttachment() }
}

extension PacketPool {
    /// Takes an empty slot out of the pool for good, for the other side to get for its first packet; `nil` when all are
    /// taken.
    @inlinable public func withdraw() -> Parcel? {
        guard let slot = takeFree() else { return nil }
        return Parcel(slot, start: 0, length: 0)
    }

    /// Gives `packet` away and takes the slot of `parcel`, whose content is gone, for it. A packet that others share
    /// stays with them: its bytes and info are copied into the parcel, and it has no attachment there.
    ///
    /// The packet must be this pool's, and the parcel of the same ``SlotFamily``.
    @inlinable public func trade(_ packet: consuming Packet, for parcel: inout Parcel) {
        guard packet.isUnique else { return copy(packet, to: &parcel) }
        let empty = parcel.slot
        // The ticket ends here, and must not give its slot back.
        packet.slot.pointee.referenceCount &+= 1
        parcel = Parcel(packet.slot, start: packet.start, length: packet.length)
        empty.pointee.pool = Unmanaged.passUnretained(self)
        putFree(empty)
        state.pointee.usedCount &-= 1
    }

    @usableFromInline func copy(_ packet: borrowing Packet, to parcel: inout Parcel) {
        parcel.start = UInt32(truncatingIfNeeded: headroomByteCount)
        parcel.length = UInt32(truncatingIfNeeded: packet.byteCount)
        parcel.slot.pointee.info = packet.info
        let storage = UnsafeMutableRawPointer(parcel.slot) + PacketPool.headerByteCount
        precondition(headroomByteCount + packet.byteCount <= slotByteCount)
        if packet.byteCount > 0, let bytes = packet.unsafeBytes.baseAddress {
            (storage + headroomByteCount).copyMemory(from: bytes, byteCount: packet.byteCount)
        }
    }

    /// Makes the content of `parcel` a packet of this pool and leaves an empty slot in its place; `nil` when all slots
    /// are taken.
    @inlinable public func trade(for parcel: inout Parcel) -> Packet? {
        guard let empty = takeFree() else { return nil }
        let slot = parcel.slot
        slot.pointee.pool = Unmanaged.passUnretained(self)
        slot.pointee.referenceCount = 1
        noteUsed()
        let packet = Packet(slot: slot, start: parcel.start, byteCount: parcel.length)
        parcel = Parcel(empty, start: 0, length: 0)
        return packet
    }
}
