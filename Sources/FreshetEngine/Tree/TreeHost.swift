internal import FreshetCore
internal import FreshetNet
internal import FreshetOverlay
internal import FreshetWire

/// Where a source's coordinator is: one of its own in this process, or another's.
final class TreeHost {
    /// The join URL, pin and token with it.
    private(set) var url: ControlURL
    /// What the source shows, which is in no URL that it prints.
    private(set) var sourceToken = ""
    /// Where the coordinator is, as the source reaches it.
    private(set) var address: SocketAddress
    /// The coordinator is in this process.
    let isOwn: Bool
    /// Where the source is reached by its neighbours, with a coordinator of its own: at that one's port, if a port was
    /// asked for. One that the system chose is free for TCP, and may be another's for UDP.
    let linkAddress: SocketAddress
    private let arguments: StageArguments
    private var service: CoordinatorService?

    /// Reads the parameters; opens nothing.
    init(_ arguments: StageArguments) throws(StageError) {
        self.arguments = arguments
        let place = arguments.text("coordinator")
        isOwn = place.isEmpty
        if !isOwn {
            do { url = try ControlURL(place) } catch { throw .usage("\(error)") }
            sourceToken = url.sourceToken
            guard let found = SocketAddress.resolve(url.host, port: url.port) else {
                throw .usage("tree-send: '\(url.host)' is neither an address nor the name of a host")
            }
            address = found
            linkAddress = found
            return
        }
        let name = arguments.text("name")
        guard !name.isEmpty else {
            throw .usage(
                "tree-send needs name=NAME and listen=ADDRESS:PORT, or coordinator=freshet://HOST:PORT/NAME")
        }
        let listen = arguments.text("listen")
        address = try TreePlace.address(listen.isEmpty ? ":7400" : listen, "listen", of: "tree-send")
        linkAddress = address
        url = ControlURL(host: address.host, port: address.port, name: name, token: arguments.text("token"))
    }

    /// Opens the coordinator, and says where it is.
    func open(context: inout StageContext) throws(StageError) {
        guard isOwn else { return }
        var options = CoordinatorOptions()
        options.listen = address.isAny ? ":\(address.port)" : address.description
        options.token = url.token
        options.streamNames = [url.name]
        options.seed = context.random.next()
        options.tree.stripeCount = arguments.integer("stripes") ?? 1
        options.tree.hasParity = arguments.flag("parity")
        options.tree.waitForMembers = arguments.integer("wait-viewers") ?? 0
        do {
            let service = try CoordinatorService.start(options)
            address = address.with(port: UInt16(clamping: service.port))
            url = service.joinURL(name: url.name)
            sourceToken = try service.sourceURL(name: url.name).sourceToken
            self.service = service
        } catch { throw error.isUsage ? .usage(error.message) : .failure(error.message) }
        context.report(.notice("join with \(url)"))
    }

    /// Viewers that are in.
    var viewerCount: Int { service?.viewerCount(name: url.name) ?? .max }

    /// Ends the coordinator.
    func close() { service = nil }
}
