internal import FreshetCore
internal import FreshetNet

/// The parameters that both receiving stages have beside their address, read.
struct ReceiveOptions {
    /// Where to listen: one place, or several by which one stream comes.
    var urls: [StreamURL]
    var interface: String?
    var source: SocketAddress?
    var timeout: Nanoseconds
    var batch: Nanoseconds
    var bufferByteCount: Int
    var hasControl: Bool
    var fec: FECReceiver.Mode
    var repair: RepairMode
    /// How long the stages behind wait for what is missing; at first, when that fits itself to the link.
    var latency: Nanoseconds
    /// How long they wait follows from how long repairs take, and is said with each packet.
    var hasAutomaticLatency: Bool

    static let parameters = [
        StageParameter("interface", .text, default: "", "interface to listen on, by name or address"),
        StageParameter(
            "source", .text, default: "", "the one sender to listen to (source-specific multicast)"),
        StageParameter("timeout", .seconds, default: "0", "end after this long without a packet; 0: never"),
        StageParameter(
            "batch", .duration, default: "0", "read the socket only this often: fewer wake-ups, more delay"),
        StageParameter(
            "buffer", .integer(4096...1 << 30), default: "4194304", "bytes of the socket's receive buffer"),
        StageParameter("control", .flag, default: "true", "listen to RTCP on the next port"),
        FECReceiver.parameter,
        RepairMode.parameter,
        StageParameter(
            "latency", .latency, default: "200ms",
            "how long the stages behind wait for what is missing: nothing is asked for that cannot come by then; "
                + "auto: as long as repairs take, told to them with each packet"
        ),
    ]

    /// The places that `text` names, joined by commas.
    static func urls(_ text: String) throws(StageError) -> [StreamURL] {
        var urls: [StreamURL] = []
        for part in text.split(separator: ",") { urls.append(try StreamURL(String(part))) }
        if urls.isEmpty {
            throw .usage("a place to listen is needed: rtp://ADDRESS:PORT or udp://ADDRESS:PORT")
        }
        guard urls.count > 1 else { return urls }
        if urls.count > ReceiveOptions.pathLimit {
            throw .usage("a stream comes by at most \(ReceiveOptions.pathLimit) paths, not \(urls.count)")
        }
        if urls.contains(where: { $0.scheme == .udp }) {
            throw .usage("'\(text)': only RTP packets can be told apart when they come by several paths")
        }
        return urls
    }

    /// The most paths by which one stream comes.
    static let pathLimit = 8

    init(_ urls: [StreamURL], _ arguments: StageArguments) throws(StageError) {
        self.urls = urls
        let name = arguments.text("interface")
        interface = name.isEmpty ? nil : name
        source = nil
        let sourceText = arguments.text("source")
        if !sourceText.isEmpty {
            guard let address = SocketAddress(sourceText, port: 0) else {
                throw .usage("\(arguments.descriptor.name): source must be an address, not '\(sourceText)'")
            }
            source = address
        }
        for url in urls where url.source == nil && source == nil && url.address.isSourceSpecific {
            throw .usage(
                "\(url.address.host) is a source-specific group; say whose: \(url)?source=ADDRESS")
        }
        timeout = arguments.duration("timeout") ?? .zero
        batch = arguments.duration("batch") ?? .zero
        bufferByteCount = arguments.integer("buffer") ?? 0
        hasControl = arguments.flag("control")
        fec = FECReceiver.Mode(rawValue: arguments.text("fec")) ?? .auto
        repair = RepairMode(arguments)
        let given = urls[0].latency ?? arguments.latency("latency")
        latency = given ?? .milliseconds(200)
        hasAutomaticLatency = given == nil
    }
}
