import FreshetCore
import FreshetWire

/// The other side of ``NaiveRepair``: sends whatever is asked for, at once, as often as it is asked for.
struct NaiveHistory: ~Copyable {
    private static let capacity: Int64 = 4096
    private var packets = FixedSlots<Packet>(capacity: Int(capacity))
    private var highest: Int64 = -1
    private let ssrc: UInt32

    /// Of the stream `ssrc`.
    init(ssrc: UInt32) { self.ssrc = ssrc }

    /// Keeps a packet that is sent.
    mutating func note(_ packet: borrowing Packet) {
        highest = packet.info.extendedSequence
        packets.put(packet.share(), at: Int(highest & (NaiveHistory.capacity - 1)))
    }

    /// Sends what `datagram` asks for.
    mutating func answer(_ datagram: RawSpan, to peer: Int32, _ line: inout HostLine) {
        var requested = RequestedNumbers(near: highest)
        requested.read(datagram, ssrc: ssrc)
        for number in requested.numbers { answer(number, to: peer, &line) }
    }

    private func answer(_ number: Int64, to peer: Int32, _ line: inout HostLine) {
        guard number <= highest, highest - number < NaiveHistory.capacity else { return }
        var copy = line.allocateMedia()
        let isHeld: Void? = packets.withElement(Int(number & (NaiveHistory.capacity - 1))) {
            copy.append($0.bytes)
        }
        if isHeld == nil { return }
        copy.modify { RTPHeader.markRetransmission(true, in: &$0) }
        line.send(copy, .media, to: .peer(peer))
    }
}
