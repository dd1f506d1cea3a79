internal import FreshetCoding
internal import FreshetCore
internal import FreshetNet
internal import FreshetWire

/// The receiving side of parity: hears it beside the stream, and gives back packets that were lost.
///
/// Packets are learned from the stream's first on, so that the first parity finds those that it protects.
/// When ``probation`` packets have come without any, the coders and their memory are given up, and a packet
/// costs one comparison until parity comes after all. A class, because it holds sockets and is used once a
/// packet.
final class FECReceiver {
    /// Whether a stage listens for parity.
    enum Mode: String {
        /// Beside groups, whose ports are shared; not at an address of one's own, where the port may be
        /// meant for another stream.
        case auto
        case on
        case off
    }

    static let parameter = StageParameter(
        "fec", .choice([Mode.auto.rawValue, Mode.on.rawValue, Mode.off.rawValue]), default: "auto",
        "listen for parity on the ports 2 and 4 after the stream's; auto: beside groups")

    /// A port beside one path.
    private struct Port {
        let control: ControlPort
        let path: Int
    }

    private let ports: [Port]
    // Unchecked exclusivity here and below: a receiver belongs to one stage on one thread.
    @exclusivity(unchecked) private var window: RLCDecoder?
    @exclusivity(unchecked) private var matrix: ParityRecoverer?
    /// Packets are learned.
    @exclusivity(unchecked) private var isLearning = true
    @exclusivity(unchecked) private var hasHeardWindow = false
    @exclusivity(unchecked) private var hasHeardMatrix = false
    /// Packets still learned in the hope of parity.
    @exclusivity(unchecked) private var hope = FECReceiver.probation
    /// The first packet learned. Those before it came when nobody listened for parity, or before this receiver
    /// did: what is found of them is not wanted.
    @exclusivity(unchecked) private var firstSequence: Int64?
    @exclusivity(unchecked) private var epoch: UInt32 = 0

    /// Two matrices of the largest size, and more than most windows.
    private static let probation = 256
    private static let packetByteCount = 1472
    private static let callLimit = 16

    /// Listens beside `urls`; `nil` when that is not wanted, and no parity is sent in answer to requests either. A port
    /// that is taken costs the parity, not the stream.
    init?(_ urls: [StreamURL], _ mode: Mode, _ options: ReceiveOptions, context: inout StageContext) {
        var ports: [Port] = []
        for (index, url) in urls.enumerated() where url.scheme != .udp {
            guard mode == .on || mode == .auto && url.address.isMulticast else { continue }
            for offset in [FECSender.columnPortOffset, FECSender.rowPortOffset] {
                guard url.address.port <= .max - offset else { continue }
                do {
                    let address = url.address.with(port: url.address.port + offset)
                    let socket = try ListeningSocket(address, of: url, options)
                    ports.append(Port(control: ControlPort(socket), path: index))
                } catch { context.report(.notice("no parity is heard: \(error.message)")) }
            }
        }
        if ports.isEmpty && (mode == .off || options.repair == .off) { return nil }
        self.ports = ports
    }

    /// The descriptors to watch.
    var numbers: [Int32] { ports.map(\.control.number) }

    /// Learns a packet of the stream, whichever way it came.
    @inline(__always)
    func note(_ packet: borrowing Packet) {
        if isLearning { learn(packet) }
    }

    private func learn(_ packet: borrowing Packet) {
        if firstSequence == nil || packet.info.epoch != epoch {
            firstSequence = packet.info.extendedSequence
            epoch = packet.info.epoch
        }
        if hope > 0 {
            if window == nil { makeWindow() }
            if matrix == nil { makeMatrix() }
            hope -= 1
            if hope == 0 { giveUp() }
        }
        window?.addSource(packet)
        matrix?.addSource(packet)
    }

    private func makeWindow() {
        window = RLCDecoder(
            window: RLCDecoder.usualWindow, symbolByteCount: FECReceiver.packetByteCount + 2)
    }

    private func makeMatrix() { matrix = ParityRecoverer(packetByteCount: FECReceiver.packetByteCount) }

    /// No parity has come of one kind, or of none: no more is learned for it.
    private func giveUp() {
        if !hasHeardWindow { window = nil }
        if !hasHeardMatrix { matrix = nil }
        isLearning = hasHeardWindow || hasHeardMatrix
    }

    /// Reads what parity has come; `isChosen` says whether a path listens to a sender. True when all was
    /// read.
    func read(
        context: inout StageContext, isChosen: (_ path: Int, SocketAddress) -> Bool
    ) -> Bool {
        var isDrained = true
        for port in ports {
            let isQuiet = port.control.read(limit: FECReceiver.callLimit, context: &context) {
                guard isChosen(port.path, $1) else { return }
                $3.counters.add(.parityIn)
                take($0.bytes, context: &$3)
            }
            if !isQuiet { isDrained = false }
        }
        return isDrained
    }

    /// Takes a datagram of parity, wherever it came.
    func take(_ bytes: RawSpan, context: inout StageContext) {
        guard bytes.byteCount >= RTPHeader.fixedByteCount else { return context.counters.add(.malformed) }
        if bytes.uint8(at: 1) & 0x7F == RLCRepairHeader.payloadType {
            guard RTPHeader(parsing: bytes) != nil else { return context.counters.add(.malformed) }
            takeRepair(bytes.extracting(droppingFirst: RTPHeader.fixedByteCount), context: &context)
        } else {
            takeParity(bytes, context: &context)
        }
    }

    private func takeRepair(_ bytes: RawSpan, context: inout StageContext) {
        guard RLCRepairHeader(parsing: bytes) != nil else { return context.counters.add(.malformed) }
        if window == nil { makeWindow() }
        hasHeardWindow = true
        isLearning = true
        let former = window?.totals.malformed ?? 0
        window?.addRepair(bytes)
        // Before the first packet of the stream there is nothing to hold a repair against.
        if window?.highest != nil {
            context.counters.add(.malformed, (window?.totals.malformed ?? 0) - former)
        }
    }

    private func takeParity(_ bytes: RawSpan, context: inout StageContext) {
        guard ParityHeader(parsing: bytes) != nil else { return context.counters.add(.malformed) }
        if matrix == nil { makeMatrix() }
        hasHeardMatrix = true
        isLearning = true
        let former = matrix?.totals.malformed ?? 0
        matrix?.addParity(bytes)
        if matrix?.highest != nil {
            context.counters.add(.malformed, (matrix?.totals.malformed ?? 0) - former)
        }
    }

    /// True when ``next(into:)`` has something to give.
    var hasRecovered: Bool {
        isLearning && (window?.hasRecovered ?? false || matrix?.hasRecovered ?? false)
    }

    /// Puts the next packet that was given back into `packet`, which is empty; false when there is none. Its
    /// arrival and epoch are the caller's to say.
    func next(into packet: inout Packet) -> Bool {
        while true {
            let sequence = window?.nextRecovered(into: &packet) ?? matrix?.nextRecovered(into: &packet)
            guard let sequence else { return false }
            if sequence >= firstSequence ?? .min { return true }
            packet.removeLast(packet.byteCount)
        }
    }

    /// Joins the groups again.
    func rejoin() {
        for port in ports { port.control.rejoin() }
    }
}
