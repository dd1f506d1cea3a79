/// What happens in a ``TreeSimulation``.
enum TreeEventKind: UInt8, BitwiseCopyable {
    /// The source sends the next packet.
    case emit
    /// A packet arrives. `target`: at whom, `cargo`: its number, `extra`: from whom.
    case packet
    /// The same, sent again on request.
    case repair
    /// The same, passed on by a member that itself got it late: marked as sent again, so that nobody takes it
    /// for a sign that packets overtake each other.
    case late
    /// The same, sent at random to somebody who is no child.
    case stray
    /// A request for packets. `cargo`: the place of what is asked.
    case plea
    /// A datagram of the link arrives. `cargo`: its place in the hold, `extra`: from whom.
    case datagram
    /// A datagram of repair arrives.
    case repairControl
    /// A message for a member. `cargo`: its place, `extra`: the connection.
    case message
    /// A message for the coordinator; `target`: from whom.
    case petition
    /// A node's deadline. `cargo`: its life.
    case wake
    case coordinatorWake
    /// A member begins to connect.
    case join
    /// Its connection is up; `cargo`: its life.
    case connected
    /// The coordinator learns that a connection is gone. `extra`: the connection.
    case hangUp
    /// Somebody joins, somebody goes.
    case churn
    /// Something breaks.
    case strike
    case remedy
    /// A member that left is gone.
    case gone
    /// The checkers look at everything.
    case inspection
    case secondPassed
}
