internal import FreshetCore

/// The way from a member of a tree to its coordinator, as the member uses it.
///
/// A base class, so that tests put a coordinator of their own behind it. Rare calls only: never one a packet.
class MemberChannel {
    /// What the channel tells.
    enum Event: Equatable {
        /// The way is open (again).
        case connected
        /// The coordinator said this.
        case message([UInt8])
        /// The way is gone; the channel tries again by itself.
        case disconnected
        /// There will be no way: why, in a sentence.
        case refused(String)
    }

    /// What becomes readable when there is an event; -1 when the channel is asked at every turn.
    var descriptor: Int32 { -1 }

    /// The next event; `nil` when there is none now.
    func next() -> Event? { nil }

    /// Says `text` to the coordinator.
    func send(_ text: [UInt8]) {}

    /// What a person should know of the way, once; `nil` when there is nothing.
    func takeNotice() -> String? { nil }

    /// The member goes.
    func close() {}
}
