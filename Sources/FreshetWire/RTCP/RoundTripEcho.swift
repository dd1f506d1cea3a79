/// RIST's round trip measurement: RTCP APP "RIST", subtype 2 (request) and 3 (response) (VSF TR-06-1 §5.2.6).
///
/// Whoever asks puts a clock of its own into the request; the other side sends it back with the time it took to do so.
public struct RoundTripEcho: Equatable, Sendable {
    /// True for a response, false for a request.
    public var isResponse: Bool
    /// The source that the exchange is about, retransmission bit clear.
    public var mediaSSRC: UInt32
    /// The asker's clock when it asked: 64 bits that mean something to the asker only.
    public var stamp: UInt64
    /// In a response: microseconds from the request's arrival to the response. 0 in a request.
    public var delayMicroseconds: UInt32

    /// An echo of these values.
    public init(isResponse: Bool, mediaSSRC: UInt32, stamp: UInt64, delayMicroseconds: UInt32 = 0) {
        self.isResponse = isResponse
        self.mediaSSRC = mediaSSRC
        self.stamp = stamp
        self.delayMicroseconds = delayMicroseconds
    }

    static let requestSubtype = 2
    static let responseSubtype = 3
    /// Bytes of an echo without the padding that an asker may add to measure with longer packets.
    public static let byteCount = 24

    /// The echo in `packet`; `nil` when it is something else or too short. Padding behind it is passed over, and a
    /// response without the delay is one that took no time.
    public init?(_ packet: borrowing RTCPPacket) {
        guard packet.applicationName == RetransmissionRequest.applicationName else { return nil }
        let bytes = packet.bytes
        switch packet.applicationSubtype {
        case RoundTripEcho.requestSubtype: isResponse = false
        case RoundTripEcho.responseSubtype: isResponse = true
        default: return nil
        }
        guard bytes.byteCount >= 20 else { return nil }
        mediaSSRC = RTPHeader.originalSSRC(bytes.uint32(at: 4))
        stamp = bytes.uint64(at: 12)
        delayMicroseconds = bytes.byteCount >= RoundTripEcho.byteCount ? bytes.uint32(at: 20) : 0
    }
}
