internal import FreshetCore
internal import FreshetNet

/// Ethernet switches whose ports are TAP devices with a link in each direction.
///
/// A frame passes its port's link up, then the link down of the port behind which its destination was last
/// seen; frames to groups, to everybody and to unknown ones go to all ports of the segment. What a network
/// needs to find its hosts and groups (ARP, IGMP, ICMPv6) passes without dice and at once, so that the fate
/// of packet *k* depends on the packets that are sent, and on nothing else.
final class TapSwitch {
    private struct Port {
        var name: String
        var segment: Int
        var up: Int
        var down: Int
    }

    private let links: EmulatedLinks
    private var devices: FixedSlots<TapDevice>
    private var ports: [Port] = []
    private var portOfLink: [Int: Int] = [:]
    /// Behind which port a hardware address was seen; the segment is in the upper bits.
    private var seen: [UInt64: Int] = [:]
    private static let seenLimit = 8192
    private static let headerByteCount = 14

    init(_ plan: [EmulationPlan.Port], links: EmulatedLinks) throws(PipelineError) {
        self.links = links
        devices = FixedSlots(capacity: max(1, plan.count))
        var segments: [String: Int] = [:]
        for port in plan {
            let segment = segments[port.segment, default: segments.count]
            segments[port.segment] = segment
            let index = ports.count
            do {
                devices.put(try TapDevice(name: port.device, network: port.network), at: index)
            } catch { throw PipelineError(.failure, error.message) }
            ports.append(
                Port(
                    name: port.device, segment: segment, up: links.add(port.up), down: links.add(port.down)))
            portOfLink[ports[index].up] = index
        }
    }

    var portCount: Int { ports.count }

    func descriptor(_ port: Int) -> Int32 { devices.withElement(port) { $0.number } ?? -1 }

    /// Takes what the host behind `port` has sent, but not more than 64 frames at once.
    func receive(_ port: Int, now: Instant) {
        for _ in 0..<64 {
            guard var packet = links.pool.allocate() else { return }
            if !read(port, &packet) { return }
            if packet.byteCount < TapSwitch.headerByteCount { continue }
            learn(packet, port)
            if isHousekeeping(packet) {
                links.spare(ports[port].up)
                forward(packet, from: port) { target, frame in
                    links.spare(ports[target].down)
                    _ = devices.withElement(target) { $0.write(frame) }
                }
            } else {
                let byteCount = packet.byteCount - TapSwitch.headerByteCount
                links.enter(packet, ports[port].up, byteCount: byteCount, place: port, at: now)
            }
        }
    }

    private func read(_ port: Int, _ packet: inout Packet) -> Bool {
        // A device that fails has lost its namespace: nobody is there any more.
        var isRead = false
        devices.withElement(port) { device in isRead = (try? device.read(into: &packet)) ?? false }
        return isRead
    }

    /// Passes on a packet that has come out of a link: from a link up to the links down, from a link down to
    /// the host.
    func exit(_ exit: EmulatedLinks.Exit, _ packet: consuming Packet, now: Instant) {
        let byteCount = packet.byteCount - TapSwitch.headerByteCount
        guard portOfLink[exit.link] == nil else {
            links.noteExit(exit, byteCount: byteCount, isError: false, now: exit.departure)
            forward(packet, from: exit.place) { target, frame in
                links.enter(
                    frame.share(), ports[target].down, byteCount: byteCount, place: target,
                    at: exit.departure)
            }
            return
        }
        let error = devices.withElement(exit.place) { $0.write(packet) }
        let isError = error.map { $0 != nil } ?? true
        links.noteExit(exit, byteCount: byteCount, isError: isError, now: now)
    }

    // MARK: Switching

    private func address(_ packet: borrowing Packet, at offset: Int, _ segment: Int) -> UInt64 {
        let bytes = packet.unsafeBytes
        var address = UInt64(segment)
        for index in offset..<offset + 6 { address = address << 8 | UInt64(bytes[index]) }
        return address
    }

    private func learn(_ packet: borrowing Packet, _ port: Int) {
        let source = address(packet, at: 6, ports[port].segment)
        if seen[source] == port || seen.count >= TapSwitch.seenLimit && seen[source] == nil { return }
        seen[source] = port
    }

    private func forward(
        _ packet: borrowing Packet, from port: Int, _ body: (Int, borrowing Packet) -> Void
    ) {
        let segment = ports[port].segment
        let isForMany = packet.unsafeBytes[0] & 1 == 1
        if !isForMany, let target = seen[address(packet, at: 0, segment)] {
            if target != port { body(target, packet) }
            return
        }
        for target in ports.indices where target != port && ports[target].segment == segment {
            body(target, packet)
        }
    }

    private func isHousekeeping(_ packet: borrowing Packet) -> Bool {
        let bytes = packet.unsafeBytes
        switch UInt16(bytes[12]) << 8 | UInt16(bytes[13]) {
        case 0x0806: return true
        case 0x0800: return bytes.count > 23 && bytes[23] == 2
        // Hop-by-hop options are those of multicast listener reports.
        case 0x86DD: return bytes.count > 20 && (bytes[20] == 58 || bytes[20] == 0)
        default: return false
        }
    }

    // MARK: Report

    /// For each port a JSON object.
    var report: [String] {
        ports.map { port in
            "{\"name\":\"\(port.name)\",\"up\":\(EmulationReport.link(port.up, links)),"
                + "\"down\":\(EmulationReport.link(port.down, links))}"
        }
    }
}
