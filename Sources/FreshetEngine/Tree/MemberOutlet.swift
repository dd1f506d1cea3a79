internal import FreshetCore

/// The way of a member's packets to the stages behind it, which may take nothing for a while: a player is paused, a pipe
/// is full, a disk is slow.
///
/// One place of the batch stays free, since a stage with a full batch is not called. For a moment the member waits for
/// room; when there was none for ``patience`` it goes on for its children: what comes is kept, up to ``queueLimit``
/// packets, and beyond that the line behind loses it, the children do not.
struct MemberOutlet: ~Copyable {
    /// Packets that wait for stages that take too little.
    static let queueLimit = 1024
    /// So long there may be no room before the member goes on without the stages behind.
    static let patience = Nanoseconds.milliseconds(30)

    private var queue = PacketBatch(capacity: MemberOutlet.queueLimit)
    private var fullSince: Instant?
    /// True while the stages behind take too little.
    private(set) var isStuck = false

    /// Moves what waits to `output`, and looks whether there is room.
    mutating func look(at output: inout PacketBatch, now: Instant) {
        while output.freeCount > 1, let packet = queue.popFirst() { output.append(packet) }
        fullSince = hasRoom(output) ? nil : fullSince ?? now
        isStuck = fullSince.map { now - $0 >= MemberOutlet.patience } ?? false
    }

    /// True when a packet can go straight to `output`.
    func hasRoom(_ output: borrowing PacketBatch) -> Bool { output.freeCount > 1 && queue.isEmpty }

    /// Gives `packet` to the stages behind, now or later; false when they lose it.
    @inline(__always)
    mutating func give(_ packet: consuming Packet, to output: inout PacketBatch) -> Bool {
        if hasRoom(output) {
            output.append(packet)
            return true
        }
        if queue.isFull { return false }
        queue.append(packet)
        return true
    }

    /// Nothing waits for the stages behind.
    var isEmpty: Bool { queue.isEmpty }
    /// When to look again; `nil` when packets flow.
    var deadline: Instant? { isStuck ? nil : fullSince.map { $0 + MemberOutlet.patience } }
}
