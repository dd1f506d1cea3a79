public import FreshetStages

/// What a ``LinkEmulator`` is: switches between TAP devices, datagram proxies, and the links in front of
/// them.
public struct EmulationPlan: Sendable {
    /// A port of a switch: a TAP device and its two links.
    public struct Port: Sendable {
        /// The interface's name.
        public var device: String
        /// The network namespace it lives in: a process's number, a name that `ip netns` knows, a path; `nil`
        /// for the emulator's own.
        public var network: String?
        /// Ports of the same segment are joined by one switch.
        public var segment: String
        /// What the host sends.
        public var up: LinkModel.Configuration
        /// What the host gets.
        public var down: LinkModel.Configuration
    }

    /// A proxy: datagrams to `listen` go to `target`, and the answers back to who sent them.
    public struct Proxy: Sendable {
        /// Address and first port to listen on.
        public var listen: String
        /// Address and first port to send to.
        public var target: String
        /// How many ports in a row, all through the same two links: 2 for RTP with RTCP.
        public var portCount: Int
        /// The interface by which datagrams to a group leave; `nil`: the system's choice.
        public var interface: String?
        /// From listener to target.
        public var forward: LinkModel.Configuration
        /// From target back.
        public var back: LinkModel.Configuration
    }

    /// All chance comes from it.
    public var seed: UInt64 = 1
    /// Most packets under way at once, in all links together; it bounds the memory, 2 KiB a packet.
    public var packetLimit = 16_384
    /// The switches' ports.
    public var ports: [Port] = []
    /// The proxies.
    public var proxies: [Proxy] = []

    /// An empty plan.
    public init() {}

    /// A proxy from `listen` to `target`, whose links are written as `loss=5% delay=25ms`.
    public mutating func addProxy(
        listen: String, target: String, portCount: Int = 2, interface: String? = nil, forward: String,
        back: String
    ) throws(PipelineError) {
        let links = try EmulationFile.configurations([
            try EmulationFile.words(forward, at: nil), try EmulationFile.words(back, at: nil),
        ])
        proxies.append(
            Proxy(
                listen: listen, target: target, portCount: portCount, interface: interface, forward: links[0],
                back: links[1]))
    }
}
