import CFFmpeg

/// The header that each AAC frame carries in a transport stream (ADTS, ISO/IEC 13818-7 §6.2).
enum FrameHeader {
    /// The decoder's configuration (AudioSpecificConfig, ISO/IEC 14496-3 §1.6.2.1) that the header of
    /// `packet` stands for;
    /// `nil` when the packet does not begin with one, or its channels are described in the frame only.
    static func configuration(of packet: UnsafeMutablePointer<AVPacket>) -> [UInt8]? {
        guard packet.pointee.size >= 7, let data = packet.pointee.data, data[0] == 0xFF,
            data[1] & 0xF6 == 0xF0
        else { return nil }
        let objectType = data[2] >> 6 + 1
        let rateIndex = data[2] >> 2 & 0x0F
        let channels = data[2] << 2 & 4 | data[3] >> 6
        guard rateIndex < 13, channels > 0 else { return nil }
        return [objectType << 3 | rateIndex >> 1, rateIndex << 7 | channels << 3]
    }
}
