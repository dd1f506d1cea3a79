public import FreshetCore

/// Packets that several holders on one host keep in common: the last `capacity` of a stream, by sequence number.
///
/// Its owner puts in what all of the holders were given; each holder remembers by ranges of numbers which of them it
/// has (``HeldPackets/putRun(_:from:)``). A hundred members of a group in one process so keep one history.
public final class PacketShelf {
    @usableFromInline var slots: FixedSlots<Packet>
    @usableFromInline let mask: Int64

    /// An empty shelf for `capacity` packets, rounded up to a power of two.
    public init(capacity: Int) {
        let size = capacity.roundedUpToPowerOfTwo()
        slots = FixedSlots(capacity: size)
        mask = Int64(size &- 1)
    }

    /// Numbers that can be on the shelf at once.
    public var capacity: Int { slots.capacity }

    /// Keeps `packet`, in place of the one `capacity` before it. It must have a sequence number.
    public func put(_ packet: consuming Packet) {
        let place = Int(packet.info.extendedSequence & mask)
        slots.put(packet, at: place)
    }

    /// True when packet `sequence` is on the shelf.
    @inlinable
    public func contains(_ sequence: Int64) -> Bool {
        slots.withElement(Int(sequence & mask)) { $0.info.extendedSequence == sequence } ?? false
    }

    /// Looks at packet `sequence`; `nil` when it is not on the shelf.
    @inlinable
    public func withPacket<Result>(_ sequence: Int64, _ body: (borrowing Packet) -> Result) -> Result? {
        slots.withElement(Int(sequence & mask)) { packet -> Result? in
            packet.info.extendedSequence == sequence ? body(packet) : nil
        } ?? nil
    }
}
