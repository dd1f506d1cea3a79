import FreshetCore
import FreshetWire

/// The packets that a datagram of control asks for, in whatever form.
struct RequestedNumbers {
    private(set) var numbers: [Int64] = []
    private let reference: Int64

    /// 16-bit numbers mean the packets nearest to `reference`.
    init(near reference: Int64) { self.reference = reference }

    /// Reads `datagram`; requests for other streams than `ssrc` are passed over.
    mutating func read(_ datagram: RawSpan, ssrc: UInt32) {
        guard var compound = CompoundPacket(parsing: datagram, allowsReducedSize: true) else { return }
        while let packet = compound.next() {
            if let request = RetransmissionRequest(packet), request.mediaSSRC == ssrc {
                readEntries(packet, request)
            } else if let request = RepairRequest(packet), request.mediaSSRC == ssrc {
                readEntries(packet, request)
            }
        }
    }

    private mutating func readEntries(_ packet: borrowing RTCPPacket, _ request: RetransmissionRequest) {
        for index in 0..<request.entryCount {
            if request.form == .bitmask, let entry = packet.nackEntry(at: index) {
                add(entry.packetID)
                for bit in 0..<16 where entry.lostMask >> UInt16(bit) & 1 == 1 {
                    add(entry.packetID &+ UInt16(bit) &+ 1)
                }
            } else if let range = packet.nackRange(at: index) {
                for step in 0...min(range.additionalCount, 4095) { add(range.first &+ step) }
            }
        }
    }

    private mutating func readEntries(_ packet: borrowing RTCPPacket, _ request: RepairRequest) {
        for index in 0..<packet.repairEntryCount {
            guard let entry = packet.repairEntry(at: index) else { continue }
            let first = UInt16(truncatingIfNeeded: request.base &+ Int64(entry.offset))
            add(first)
            for bit in 0..<16 where entry.lostMask >> UInt16(bit) & 1 == 1 {
                add(first &+ UInt16(bit) &+ 1)
            }
        }
    }

    private mutating func add(_ number: UInt16) {
        let offset = Int16(bitPattern: number &- UInt16(truncatingIfNeeded: reference))
        numbers.append(reference + Int64(offset))
    }
}
