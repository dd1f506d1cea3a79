import FreshetCore
import FreshetOverlay

/// A source or a receiver of one stream: one of the two is there. (Two berths and not an enum, whose payload
/// would be moved out and back at every call.)
struct StreamHost: Host, ~Copyable {
    private var source = Berth<StreamSource>()
    private var receiver = Berth<StreamReceiver>()

    init(_ blueprint: HostBlueprint, host: Int32, life: Int32, now: Instant) {
        if blueprint.roles[Int(host)] == .source {
            source.put(StreamSource(blueprint, host: host, life: life, now: now))
        } else {
            receiver.put(StreamReceiver(blueprint, host: host, life: life, now: now))
        }
    }

    mutating func receive(_ packet: consuming Packet, from peer: Int32, _ line: inout HostLine) {
        receiver.value?.pointee.receive(packet, from: peer, &line)
    }

    mutating func read(_ packet: borrowing Packet, from peer: Int32, _ line: inout HostLine) {
        source.value?.pointee.read(packet, from: peer, &line)
        receiver.value?.pointee.read(packet, from: peer, &line)
    }

    mutating func advance(_ line: inout HostLine) {
        source.value?.pointee.advance(&line)
        receiver.value?.pointee.advance(&line)
    }

    mutating func catchUp(_ slept: Slept, _ line: inout HostLine) {
        receiver.value?.pointee.catchUp(slept, &line)
    }

    mutating func glance() -> Bool { receiver.value?.pointee.standing().isQuiet ?? false }

    mutating func glance(at request: HeardRequest) -> Bool {
        receiver.value?.pointee.glance(at: request) ?? false
    }

    mutating func finish(_ line: inout HostLine) {
        source.value?.pointee.finish(&line)
        receiver.value?.pointee.finish(&line)
    }

    mutating func standing() -> HostStanding {
        if let receiver = receiver.value { return receiver.pointee.standing() }
        return HostStanding(deadline: source.look { $0.nextDeadline } ?? nil)
    }
}
