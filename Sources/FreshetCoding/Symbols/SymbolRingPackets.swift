internal import FreshetCore
internal import FreshetWire

/// Symbols that were computed, and whether they are the packets they ought to be.
extension SymbolRing {
    /// The packet in the symbol of `sequence`, as long as the symbol says.
    private func packetBytes(_ sequence: Int64) -> UnsafeRawBufferPointer {
        let symbol = symbol(sequence)
        let length = min(Int(symbol[0]) << 8 | Int(symbol[1]), stride &- SymbolRing.prefixByteCount)
        return UnsafeRawBufferPointer(start: symbol + SymbolRing.prefixByteCount, count: length)
    }

    /// True when the symbol of `sequence` holds an RTP packet of `ssrc` with that number, no longer than what
    /// is known of the symbol; it then is as long as the packet, and zeros follow.
    mutating func acceptPacket(_ sequence: Int64, ofStream ssrc: UInt32, symbolByteCount: Int) -> Bool {
        let symbol = symbol(sequence)
        let length = Int(symbol[0]) << 8 | Int(symbol[1])
        guard length &+ SymbolRing.prefixByteCount <= min(symbolByteCount, stride),
            let header = RTPHeader(parsing: RawSpan(_unsafeBytes: packetBytes(sequence)))
        else { return false }
        guard header.sequenceNumber == UInt16(truncatingIfNeeded: sequence),
            header.sourceSSRC == RTPHeader.originalSSRC(ssrc), header.payloadByteCount > 0
        else { return false }
        _ = claim(sequence, byteCount: length &+ SymbolRing.prefixByteCount)
        return true
    }

    /// Appends the packet of `sequence` to `packet`, with what its header says and marked as computed; false
    /// when it is not here any more, or does not fit.
    func copy(_ sequence: Int64, ofStream ssrc: UInt32, into packet: inout Packet) -> Bool {
        guard contains(sequence) else { return false }
        let bytes = RawSpan(_unsafeBytes: packetBytes(sequence))
        guard bytes.byteCount <= packet.spareByteCount, let header = RTPHeader(parsing: bytes) else {
            return false
        }
        packet.append(bytes)
        var info = packet.info
        info.extendedSequence = sequence
        info.ssrc = ssrc
        info.rtpTimestamp = header.timestamp
        info.headerByteCount = UInt16(truncatingIfNeeded: header.headerByteCount)
        info.flags = [.hasSequence, .isRetransmission, .isFromParity]
        if header.marker { info.flags.insert(.hasMarker) }
        packet.info = info
        return true
    }

    /// The number nearest to `sequence` whose low 16 bits are `low`: both ends may count from different
    /// multiples of 2^16, and windows are far shorter than that.
    static func nearest(_ low: UInt16, to sequence: Int64) -> Int64 {
        sequence &+ Int64(Int16(bitPattern: low &- UInt16(truncatingIfNeeded: sequence)))
    }
}
