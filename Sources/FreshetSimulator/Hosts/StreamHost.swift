import FreshetCore

/// A source or a receiver of one stream: one of the two is there. (Two optionals and not an enum, whose
/// payload would be moved out and back at every call.)
struct StreamHost: Host, ~Copyable {
    private var source: StreamSource?
    private var receiver: StreamReceiver?

    init(_ blueprint: HostBlueprint, host: Int32, life: Int32, now: Instant) {
        if blueprint.roles[Int(host)] == .source {
            source = StreamSource(blueprint, host: host, life: life, now: now)
        } else {
            receiver = StreamReceiver(blueprint, host: host, life: life, now: now)
        }
    }

    mutating func receive(_ packet: consuming Packet, from peer: Int32, _ line: inout HostLine) {
        receiver?.receive(packet, from: peer, &line)
    }

    mutating func read(_ packet: borrowing Packet, from peer: Int32, _ line: inout HostLine) {
        source?.read(packet, from: peer, &line)
        receiver?.read(packet, from: peer, &line)
    }

    mutating func advance(_ line: inout HostLine) {
        source?.advance(&line)
        receiver?.advance(&line)
    }

    mutating func passRun(_ run: PacketRun, _ line: inout HostLine) { receiver?.passRun(run, &line) }

    mutating func finish(_ line: inout HostLine) {
        source?.finish(&line)
        receiver?.finish(&line)
    }

    var nextDeadline: Instant? {
        switch source {
        case .some(let node): return node.nextDeadline
        case .none: break
        }
        switch receiver {
        case .some(let node): return node.nextDeadline
        case .none: return nil
        }
    }

    var isQuiet: Bool {
        switch receiver {
        case .some(let node): node.isQuiet
        case .none: true
        }
    }
}
