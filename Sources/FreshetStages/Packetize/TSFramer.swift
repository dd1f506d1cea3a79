import FreshetCore
import FreshetWire

/// Finds the 188-byte packets in bytes that come cut anywhere, and loses none of the bytes that are not in
/// one.
///
/// While aligned, a packet is 188 bytes that start with 0x47. Where the next byte is another, alignment is
/// lost: bytes are stray until a place is found where three sync bytes follow each other 188 bytes apart.
/// Stray bytes are given in their order, between the packets before and after them.
struct TSFramer: ~Copyable {
    /// What comes next.
    enum Piece: Equatable {
        /// 188 bytes of the input, at the offset.
        case packetInInput
        /// The first 188 bytes of what was carried over.
        case packetCarried
        /// So many bytes carried over, at most 188, are in no packet.
        case stray(Int)
        /// More input is needed.
        case none
    }

    /// Elsewhere than in the framer itself, which is looked at for every packet and would be copied whole.
    private var carry = [UInt8](repeating: 0, count: 1024)
    private(set) var carriedByteCount = 0
    private var isAligned = true
    /// How often alignment was lost.
    private(set) var lossCount = 0

    /// Bytes of a packet.
    static let packetByteCount = TSPacket.byteCount
    /// Three packets less what lies behind the third sync byte.
    private static let witnessByteCount = 2 * TSPacket.byteCount + 1

    init() {}

    /// True when nothing is carried over and packets start where the input does.
    var isAtBoundary: Bool {
        @inline(__always) get { isAligned && carriedByteCount == 0 }
    }

    /// Appends the first `count` bytes carried over to `packet`.
    func appendCarried(_ count: Int, to packet: inout Packet) {
        packet.append(RawSpan(_elements: carry.span).extracting(0..<count))
    }

    /// What comes next in `bytes` from `offset` on; moves `offset` over bytes it carries over. Gives the same
    /// piece until it is taken by ``take(_:offset:)``.
    @inline(__always)
    mutating func next(_ bytes: RawSpan, _ offset: inout Int) -> Piece {
        if isAligned, carriedByteCount == 0, bytes.byteCount &- offset >= TSPacket.byteCount,
            bytes.uint8(at: offset) == TSPacket.syncByte
        {
            return .packetInInput
        }
        return nextCarried(bytes, &offset)
    }

    private mutating func nextCarried(_ bytes: RawSpan, _ offset: inout Int) -> Piece {
        if isAligned {
            if carriedByteCount == 0, offset == bytes.byteCount { return .none }
            if (carriedByteCount > 0 ? carry[0] : bytes.uint8(at: offset)) == TSPacket.syncByte {
                carryOver(bytes, &offset, upTo: TSPacket.byteCount)
                return carriedByteCount >= TSPacket.byteCount ? .packetCarried : .none
            }
            isAligned = false
            lossCount &+= 1
        }
        carryOver(bytes, &offset, upTo: carry.count)
        let candidateCount = max(0, carriedByteCount &- TSFramer.witnessByteCount &+ 1)
        for place in 0..<candidateCount where isPacketStart(place) {
            if place > 0 { return .stray(min(place, TSPacket.byteCount)) }
            isAligned = true
            return .packetCarried
        }
        return candidateCount > 0 ? .stray(min(candidateCount, TSPacket.byteCount)) : .none
    }

    /// What is left at the end of the stream: a packet cut short, or stray bytes.
    func remainder() -> Piece {
        carriedByteCount > 0 ? .stray(min(carriedByteCount, TSPacket.byteCount)) : .none
    }

    /// Goes on to what follows `piece`.
    @inline(__always)
    mutating func take(_ piece: Piece, offset: inout Int) {
        switch piece {
        case .packetInInput: offset &+= TSPacket.byteCount
        case .packetCarried: removeCarried(TSPacket.byteCount)
        case .stray(let count): removeCarried(count)
        case .none: break
        }
    }

    private func isPacketStart(_ place: Int) -> Bool {
        carry[place] == TSPacket.syncByte && carry[place &+ TSPacket.byteCount] == TSPacket.syncByte
            && carry[place &+ 2 &* TSPacket.byteCount] == TSPacket.syncByte
    }

    private mutating func carryOver(_ bytes: RawSpan, _ offset: inout Int, upTo limit: Int) {
        while carriedByteCount < limit, offset < bytes.byteCount {
            carry[carriedByteCount] = bytes.uint8(at: offset)
            carriedByteCount &+= 1
            offset &+= 1
        }
    }

    private mutating func removeCarried(_ count: Int) {
        for index in count..<carriedByteCount { carry[index &- count] = carry[index] }
        carriedByteCount &-= count
    }
}
