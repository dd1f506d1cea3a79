/// On how many threads a pipeline runs. The same code runs on all.
public enum ThreadingMode: String, Sendable, CaseIterable {
    /// On the caller's thread, which turns the crank (``Engine/run(_:)`` does). A stage that blocks holds up
    /// everything.
    case inline
    /// On one thread beside the caller's. A stage that blocks holds up the other stages.
    case shared
    /// Each run of stages that may block (FFmpeg, disk, programs) on a thread of its own behind a bounded
    /// ring; the rest on one thread. The default.
    case split
}

/// How an engine runs a pipeline.
public struct EngineOptions: Sendable {
    /// On how many threads.
    public var threads = ThreadingMode.split
    /// Seeds every random choice of the run; `nil` draws one from the operating system.
    public var seed: UInt64?
    /// The most packets alive in the network loop at once. Memory is touched only as far as it is used.
    public var packetLimit = 16384
    /// The most packets alive in a blocking stage's thread.
    public var blockingPacketLimit = 512
    /// How many packets a ring between two threads holds; a power of two.
    public var ringCapacity = 512
    /// How many packets move between two stages at once.
    public var batchCapacity = 64

    /// The defaults.
    public init() {}
}
