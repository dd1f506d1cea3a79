/// How to receive one RTP stream of MPEG-TS, as a player is told it: the part of SDP (RFC 8866) that this needs, with the
/// sources of a source-specific group (RFC 4570).
///
/// A text for people and players, made once a stream: it uses strings and allocates.
public struct SessionDescription: Equatable, Sendable {
    /// A network address as text, and its family.
    public struct Address: Equatable, Sendable {
        /// The address, or a host name, without brackets, zone or length.
        public var text: String
        /// True for IPv6.
        public var isIPv6: Bool

        /// The address that `text` spells; a colon in it makes it IPv6.
        public init(_ text: String) {
            self.text = text
            isIPv6 = text.utf8.contains(UInt8(ascii: ":"))
        }

        /// True for an IPv4 address in 224.0.0.0/4 or an IPv6 one in ff00::/8.
        public var isMulticast: Bool {
            if isIPv6 { return text.lowercased().hasPrefix("ff") }
            guard
                let first = text.utf8.split(separator: UInt8(ascii: ".")).first.flatMap({
                    UInt8(Substring($0))
                })
            else { return false }
            return (224...239).contains(first)
        }

        var family: String { isIPv6 ? "IP6" : "IP4" }
    }

    /// What the stream is called (s=).
    public var name: String
    /// Tells this session from others of the same origin (o=).
    public var sessionID: UInt64
    /// Goes up when the description changes (o=).
    public var sessionVersion: UInt64
    /// Who sends (o=).
    public var origin: Address
    /// Where the stream goes: a group, or one host (c=).
    public var address: Address
    /// How many routers an IPv4 group reaches across; not said for anything else.
    public var timeToLive: UInt8
    /// The UDP port of RTP (m=).
    public var port: UInt16
    /// The UDP port of RTCP: the next one, unless `a=rtcp:` names another (RFC 3605).
    public var controlPort: UInt16
    /// The RTP payload type (m=).
    public var payloadType: UInt8
    /// What the payload is (a=rtpmap): MP2T.
    public var encodingName: String
    /// Ticks of the RTP timestamp in a second (a=rtpmap).
    public var clockRate: UInt32
    /// The sources that a receiver should take the group from (a=source-filter: incl); none means any.
    public var sources: [String]

    /// The description of MPEG-TS in RTP (payload type 33, 90 kHz) that goes to `address` and `port`.
    public init(
        name: String, origin: String, address: String, port: UInt16, timeToLive: UInt8 = 1,
        sources: [String] = [],
        sessionID: UInt64 = 0, sessionVersion: UInt64 = 0
    ) {
        self.name = name
        self.sessionID = sessionID
        self.sessionVersion = sessionVersion
        self.origin = Address(origin)
        self.address = Address(address)
        self.timeToLive = timeToLive
        self.port = port
        controlPort = port &+ 1
        payloadType = RTPHeader.transportStreamPayloadType
        encodingName = "MP2T"
        clockRate = 90_000
        self.sources = sources
    }

    /// The description as text, lines ended by CR LF as the format asks.
    public var text: String {
        var lines = ["v=0"]
        lines.append("o=- \(sessionID) \(sessionVersion) IN \(origin.family) \(origin.text)")
        let title = String(
            String.UnicodeScalarView(name.unicodeScalars.filter { $0.value >= 32 && $0.value != 127 }))
        // A session without a name has a dash (RFC 8866 §5.3).
        lines.append("s=" + (title.isEmpty ? "-" : title))
        let reach = address.isMulticast && !address.isIPv6 ? "/\(timeToLive)" : ""
        lines.append("c=IN \(address.family) \(address.text)\(reach)")
        lines.append("t=0 0")
        lines.append("a=tool:freshet")
        lines.append("a=recvonly")
        if !sources.isEmpty {
            let list = sources.joined(separator: " ")
            lines.append("a=source-filter: incl IN \(address.family) \(address.text) \(list)")
        }
        lines.append("m=video \(port) RTP/AVP \(payloadType)")
        lines.append("a=rtpmap:\(payloadType) \(encodingName)/\(clockRate)")
        if controlPort != port &+ 1 { lines.append("a=rtcp:\(controlPort)") }
        return lines.map { $0 + "\r\n" }.joined()
    }
}
