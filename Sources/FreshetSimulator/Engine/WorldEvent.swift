/// What happens in a ``World``.
enum WorldEvent: UInt8, BitwiseCopyable {
    /// A node's next deadline. `target`: the node, `cargo`: the node's life.
    case deadline
    /// A datagram has left a member's own line. `target`: the attachment.
    case entersSegment
    /// A datagram has come up from its segment. `target`: the attachment it came from.
    case entersCore
    /// A datagram has come down to a segment. `target`: the segment.
    case reachesSegment
    /// A datagram is at the start of a member's own line. `target`: the attachment.
    case reachesLine
    /// A datagram reaches all members of a class at once. `target`: the class.
    case reachesClass
    /// A datagram reaches one member. `target`: the attachment.
    case reachesMember
    /// Something breaks. `target`: the fault.
    case fault
    /// Something that broke works again. `target`: the remedy.
    case remedy
    /// The checkers look at everything.
    case inspection
}
