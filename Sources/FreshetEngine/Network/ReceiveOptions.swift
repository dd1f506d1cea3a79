internal import FreshetCore
internal import FreshetNet

/// The parameters that both receiving stages have beside their address, read.
struct ReceiveOptions {
    var url: StreamURL
    var interface: String?
    var source: SocketAddress?
    var timeout: Nanoseconds
    var batch: Nanoseconds
    var bufferByteCount: Int
    var hasControl: Bool

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
    ]

    init(_ url: StreamURL, _ arguments: StageArguments) throws(StageError) {
        self.url = url
        let name = arguments.text("interface")
        interface = url.interface ?? (name.isEmpty ? nil : name)
        source = url.source
        let sourceText = arguments.text("source")
        if !sourceText.isEmpty {
            guard let address = SocketAddress(sourceText, port: 0) else {
                throw .usage("\(arguments.descriptor.name): source must be an address, not '\(sourceText)'")
            }
            source = address
        }
        if source == nil && url.address.isSourceSpecific {
            throw .usage(
                "\(url.address.host) is a source-specific group; say whose: \(url)?source=ADDRESS")
        }
        timeout = arguments.duration("timeout") ?? .zero
        batch = arguments.duration("batch") ?? .zero
        bufferByteCount = arguments.integer("buffer") ?? 0
        hasControl = url.hasControl ?? arguments.flag("control")
    }
}
