/// A ticket to a slot of a ``PacketPool``: 16 bytes, move-only. Dropping the last ticket gives the slot back.
///
/// A ticket names a range of the slot, so two tickets of one slot may see different parts of it (one with the
/// RTP header, one without). Only a unique ticket may write. Not for crossing threads: a ``Parcel`` is.
public struct Packet: ~Copyable {
    @usableFromInline let slot: UnsafeMutablePointer<SlotHeader>
    @usableFromInline var start: UInt32
    @usableFromInline var length: UInt32

    @usableFromInline init(slot: UnsafeMutablePointer<SlotHeader>, start: UInt32, byteCount: UInt32) {
        self.slot = slot
        self.start = start
        self.length = byteCount
    }

    @inlinable deinit {
        slot.pointee.referenceCount &-= 1
        if slot.pointee.referenceCount == 0 {
            slot.pointee.pool._withUnsafeGuaranteedRef { $0.reclaim(slot) }
        }
    }

    /// A second ticket to the same range of the same slot: the only way to get one.
    @inlinable public func share() -> Packet {
        slot.pointee.referenceCount &+= 1
        return Packet(slot: slot, start: start, byteCount: length)
    }

    /// True when this is the slot's only ticket, so it may write.
    @inlinable public var isUnique: Bool { slot.pointee.referenceCount == 1 }

    /// How many bytes the packet has.
    @inlinable public var byteCount: Int { Int(length) }

    /// The slot's first byte.
    @inlinable var storage: UnsafeMutableRawPointer {
        UnsafeMutableRawPointer(slot) + PacketPool.headerByteCount
    }

    /// The slot's capacity, headroom included.
    @inlinable var slotByteCount: Int { slot.pointee.pool._withUnsafeGuaranteedRef { $0.slotByteCount } }

    /// What is known about the packet. Shared by all tickets: set it while the packet is unique.
    @inlinable public var info: PacketInfo {
        get { slot.pointee.info }
        nonmutating _modify { yield &slot.pointee.info }
    }

    /// The packet's bytes.
    public var bytes: RawSpan {
        @_lifetime(borrow self)
        @inlinable get {
            let span = RawSpan(_unsafeStart: UnsafeRawPointer(storage) + Int(start), byteCount: Int(length))
            return _overrideLifetime(span, borrowing: self)
        }
    }

    /// The packet's bytes as a raw pointer, for system calls. Valid while the packet lives.
    @inlinable public var unsafeBytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: UnsafeRawPointer(storage) + Int(start), count: Int(length))
    }

    /// All bytes from the first one to the slot's end, for a system call that fills the packet; then say how
    /// many with ``setByteCount(_:)``. Traps when the packet is shared.
    @inlinable public var unsafeWritableBytes: UnsafeMutableRawBufferPointer {
        precondition(isUnique, "a shared packet is never written")
        return UnsafeMutableRawBufferPointer(start: storage + Int(start), count: slotByteCount - Int(start))
    }

    /// Sets the number of bytes after they were written. Traps past the slot's end.
    @inlinable public mutating func setByteCount(_ byteCount: Int) {
        precondition(byteCount >= 0 && Int(start) + byteCount <= slotByteCount)
        length = UInt32(truncatingIfNeeded: byteCount)
    }

    /// Bytes that can still be appended.
    @inlinable public var spareByteCount: Int { slotByteCount - Int(start) - Int(length) }

    /// Bytes that can still be put in front.
    @inlinable public var headroomByteCount: Int { Int(start) }

    /// Appends `bytes`; traps when they do not fit or the packet is shared.
    @inlinable public mutating func append(_ bytes: RawSpan) {
        precondition(isUnique, "a shared packet is never written")
        precondition(bytes.byteCount <= spareByteCount)
        let end = storage + Int(start) + Int(length)
        bytes.withUnsafeBytes { source in
            if let base = source.baseAddress { end.copyMemory(from: base, byteCount: source.count) }
        }
        length &+= UInt32(truncatingIfNeeded: bytes.byteCount)
    }

    /// Lets `body` write to `byteCount` new bytes at the end; they start as zeros.
    @inlinable public mutating func append(byteCount: Int, _ body: (inout MutableRawSpan) -> Void) {
        precondition(isUnique, "a shared packet is never written")
        precondition(byteCount >= 0 && byteCount <= spareByteCount)
        let end = storage + Int(start) + Int(length)
        end.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
        var span = MutableRawSpan(_unsafeStart: end, byteCount: byteCount)
        body(&span)
        length &+= UInt32(truncatingIfNeeded: byteCount)
    }

    /// Puts `byteCount` new bytes in front, from the headroom, for `body` to write. Traps without that much
    /// headroom.
    @inlinable public mutating func prepend(byteCount: Int, _ body: (inout MutableRawSpan) -> Void) {
        precondition(isUnique, "a shared packet is never written")
        precondition(byteCount >= 0 && byteCount <= Int(start))
        start &-= UInt32(truncatingIfNeeded: byteCount)
        length &+= UInt32(truncatingIfNeeded: byteCount)
        var span = MutableRawSpan(_unsafeStart: storage + Int(start), byteCount: byteCount)
        body(&span)
    }

    /// Lets `body` change the packet's bytes in place; traps when the packet is shared.
    @inlinable public mutating func modify(_ body: (inout MutableRawSpan) -> Void) {
        precondition(isUnique, "a shared packet is never written")
        var span = MutableRawSpan(_unsafeStart: storage + Int(start), byteCount: Int(length))
        body(&span)
    }

    /// Takes `byteCount` bytes off the front (a header that was read). Touches no byte, so a shared packet
    /// may too.
    @inlinable public mutating func removeFirst(_ byteCount: Int) {
        precondition(byteCount >= 0 && byteCount <= Int(length))
        start &+= UInt32(truncatingIfNeeded: byteCount)
        length &-= UInt32(truncatingIfNeeded: byteCount)
    }

    /// Takes `byteCount` bytes off the end (padding).
    @inlinable public mutating func removeLast(_ byteCount: Int) {
        precondition(byteCount >= 0 && byteCount <= Int(length))
        length &-= UInt32(truncatingIfNeeded: byteCount)
    }

    /// Something that is not bytes and travels with the packet (an access unit owned by a C library).
    @inlinable public var unsafeAttachment: UnsafeMutableRawPointer? { slot.pointee.attachment }

    /// Hands `attachment` to the packet; `release` is called with it when the last ticket is dropped.
    @inlinable public mutating func unsafeAttach(
        _ attachment: UnsafeMutableRawPointer, release: @convention(c) (UnsafeMutableRawPointer) -> Void
    ) {
        precondition(isUnique && slot.pointee.attachment == nil)
        slot.pointee.attachment = attachment
        slot.pointee.releaseAttachment = release
    }

    /// Takes the attachment and its release function back out; the caller owns it now. `nil` when there is
    /// none or others share the packet.
    @inlinable public mutating func unsafeDetach() -> (
        attachment: UnsafeMutableRawPointer, release: @convention(c) (UnsafeMutableRawPointer) -> Void
    )? {
        guard isUnique, let attachment = slot.pointee.attachment, let release = slot.pointee.releaseAttachment
        else {
            return nil
        }
        slot.pointee.attachment = nil
        slot.pointee.releaseAttachment = nil
        return (attachment, release)
    }
}
