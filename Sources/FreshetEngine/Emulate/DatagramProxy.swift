internal import FreshetCore
internal import FreshetNet

/// Forwards datagrams from local ports to a target through a link, and what comes back through another.
///
/// Every sender gets a socket of its own towards the target, as behind an address translator, so that
/// answers find their way. The ports of one proxy share its two links.
final class DatagramProxy {
    private struct Proxy {
        var name: String
        var forward: Int
        var back: Int
        var target: SocketAddress
        var interface: NetworkInterface?
    }

    /// What a socket is for: listening, or one sender's datagrams.
    private struct Outlet {
        var proxy: Int
        /// Where its datagrams go to: the target, or for a listener nobody in particular.
        var target: SocketAddress
        /// The sender that it was made for, and the listener that hears that sender.
        var client: SocketAddress?
        var listener: Int
        var lastUse: Instant
    }

    private struct Conversation: Hashable {
        var listener: Int
        var client: SocketAddress
    }

    private var reader = DatagramReader(capacity: 64)
    private var sockets: FixedSlots<UDPSocket>
    private var outlets: [Outlet?] = []
    private var conversations: [Conversation: Int] = [:]
    private var proxies: [Proxy] = []
    private let links: EmulatedLinks
    /// Called with the place and the descriptor of a socket that is new, to be watched.
    var onSocket: (Int, Int32) throws(SystemCallError) -> Void = { _, _ in }
    private static let socketLimit = 1024
    /// A sender that is silent for so long may lose its socket to a new one.
    private static let patience = Nanoseconds.seconds(30)

    init(_ plan: [EmulationPlan.Proxy], links: EmulatedLinks) throws(PipelineError) {
        self.links = links
        sockets = FixedSlots(capacity: DatagramProxy.socketLimit)
        for proxy in plan {
            let target = try DatagramProxy.address(proxy.target, "to")
            let listen = try DatagramProxy.address(proxy.listen, "listen")
            if listen.family != target.family {
                throw .usage("\(proxy.listen) and \(proxy.target) are not of the same kind, IPv4 or IPv6")
            }
            let highest = max(Int(listen.port), Int(target.port)) + proxy.portCount - 1
            if highest > 65_535 { throw .usage("there is no port \(highest)") }
            do {
                let interface = try proxy.interface.map { name throws(SystemCallError) in
                    try NetworkInterface.named(name)
                }
                proxies.append(
                    Proxy(
                        name: "\"listen\":\"\(listen)\",\"to\":\"\(target)\"",
                        forward: links.add(proxy.forward), back: links.add(proxy.back), target: target,
                        interface: interface))
                for offset in 0..<UInt16(proxy.portCount) {
                    try listenOn(
                        listen.with(port: listen.port + offset), target.with(port: target.port + offset))
                }
            } catch { throw PipelineError(.failure, error.message) }
        }
    }

    private static func address(_ text: String, _ name: String) throws(PipelineError) -> SocketAddress {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            throw .usage("\(name) must be an address with a port, such as 127.0.0.1:5004, not '\(text)'")
        }
        var host = text[..<colon]
        if host.hasPrefix("[") && host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard let address = SocketAddress.resolve(String(host), port: port) else {
            throw PipelineError(.failure, "there is no host \(host)")
        }
        return address
    }

    private func listenOn(
        _ address: SocketAddress, _ target: SocketAddress
    ) throws(SystemCallError) {
        let socket = try UDPSocket(address.family)
        _ = socket.setReceiveBuffer(8 << 20)
        _ = socket.setSendBuffer(4 << 20)
        socket.reportTimestamps()
        try socket.bind(address, isShared: false)
        let place = outlets.count
        sockets.put(socket, at: place)
        outlets.append(
            Outlet(
                proxy: proxies.count - 1, target: target, client: nil, listener: place, lastUse: .zero))
    }

    /// The sockets there are now, each with its place.
    func visitSockets(_ body: (Int, Int32) throws(SystemCallError) -> Void) throws(SystemCallError) {
        for place in outlets.indices where !sockets.isEmpty(place) {
            try body(place, sockets.withElement(place) { $0.number } ?? -1)
        }
    }

    // MARK: Datagrams

    /// Takes what has come to the socket at `place`, but not more than 64 datagrams at once.
    func receive(_ place: Int, now: Instant) {
        guard let outlet = outlets[place] else { return }
        var count = 0
        sockets.withElement(place) { socket in
            if case .success(let number) = reader.receive(socket, limit: 64, pool: links.pool, now: now) {
                count = number
            }
        }
        if count == 0 { return }
        let proxy = proxies[outlet.proxy]
        while let packet = reader.next(pool: links.pool) {
            let arrival = reader.arrival(now: now)
            if reader.isOversized { continue }
            let byteCount = packet.byteCount + (outlet.target.family == .ipv4 ? 28 : 48)
            if outlet.client == nil {
                guard let exit = conversation(place, reader.sender, now) else { continue }
                links.enter(packet, proxy.forward, byteCount: byteCount, place: exit, at: arrival)
            } else if outlet.target.isMulticast || reader.sender.isSameHost(as: outlet.target) {
                outlets[place]?.lastUse = now
                links.enter(packet, proxy.back, byteCount: byteCount, place: place, at: arrival)
            }
        }
    }

    /// Passes on a packet that has come out of a link.
    func exit(_ exit: EmulatedLinks.Exit, _ packet: consuming Packet, now: Instant) {
        guard let outlet = outlets[exit.place], let client = outlet.client else { return }
        let isForward = proxies[outlet.proxy].forward == exit.link
        let socketPlace = isForward ? exit.place : outlet.listener
        let address = isForward ? outlet.target : client
        let error = sockets.withElement(socketPlace) { $0.send(packet.bytes, to: address) }
        let isError = error.map { $0 != nil } ?? true
        let byteCount = packet.byteCount + (address.family == .ipv4 ? 28 : 48)
        links.noteExit(exit, byteCount: byteCount, isError: isError, now: now)
    }

    /// The place of the socket for what `client` sends to `listener`; `nil` when there are too many.
    private func conversation(_ listener: Int, _ client: SocketAddress, _ now: Instant) -> Int? {
        let key = Conversation(listener: listener, client: client)
        if let place = conversations[key] {
            outlets[place]?.lastUse = now
            return place
        }
        guard let outlet = outlets[listener], let place = freePlace(now) else { return nil }
        do {
            let socket = try UDPSocket(client.family)
            _ = socket.setReceiveBuffer(8 << 20)
            _ = socket.setSendBuffer(4 << 20)
            socket.reportTimestamps()
            try socket.bind(.any(client.family, port: 0), isShared: false)
            if outlet.target.isMulticast {
                try socket.setMulticastLoop(true)
                if let interface = proxies[outlet.proxy].interface {
                    try socket.setMulticastInterface(interface)
                }
            }
            try onSocket(place, socket.number)
            sockets.put(socket, at: place)
        } catch { return nil }
        outlets[place] = Outlet(
            proxy: outlet.proxy, target: outlet.target, client: client, listener: listener, lastUse: now)
        conversations[key] = place
        return place
    }

    private func freePlace(_ now: Instant) -> Int? {
        if outlets.count < DatagramProxy.socketLimit {
            outlets.append(nil)
            return outlets.count - 1
        }
        var oldest: Int?
        for place in outlets.indices {
            guard let outlet = outlets[place], outlet.client != nil else { continue }
            if oldest.map({ outlet.lastUse < outlets[$0]?.lastUse ?? now }) ?? true { oldest = place }
        }
        guard let oldest, let outlet = outlets[oldest], let client = outlet.client,
            now - outlet.lastUse > DatagramProxy.patience
        else { return nil }
        conversations[Conversation(listener: outlet.listener, client: client)] = nil
        outlets[oldest] = nil
        _ = sockets.take(oldest)
        return oldest
    }

    // MARK: Report

    /// True for a link of a proxy.
    func owns(_ link: Int) -> Bool { proxies.contains { $0.forward == link || $0.back == link } }

    /// For each proxy a JSON object.
    var report: [String] {
        proxies.map { proxy in
            "{\(proxy.name),\"forward\":\(EmulationReport.link(proxy.forward, links)),"
                + "\"back\":\(EmulationReport.link(proxy.back, links))}"
        }
    }
}
