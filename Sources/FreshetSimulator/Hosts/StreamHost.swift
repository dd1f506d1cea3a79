import FreshetCore

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

    mutating func passRun(_ run: PacketRun, _ line: inout HostLine) {
        receiver.value?.pointee.passRun(run, &line)
    }

    mutating func finish(_ line: inout HostLine) {
        source.value?.pointee.finish(&line)
        receiver.value?.pointee.finish(&line)
    }

    mutating func passRepair(_ number: Int64, _ line: inout HostLine) {
        receiver.value?.pointee.passRepair(number, &line)
    }

    mutating func passNote(
        _ packet: borrowing Packet, from peer: Int32, isLocal: Bool, _ line: inout HostLine
    ) {
        receiver.value?.pointee.passNote(packet, from: peer, isLocal: isLocal, line.now)
    }

    mutating func standing() -> HostStanding {
        if let receiver = receiver.value { return receiver.pointee.standing() }
        return HostStanding(deadline: source.look { $0.nextDeadline } ?? nil)
    }
}
