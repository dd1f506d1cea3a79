extension SessionDescription {
    /// The most bytes of text that are read.
    public static let byteCountLimit = 65_536

    /// The stream that `bytes`, an SDP text in UTF-8, describes.
    public init?(parsing bytes: RawSpan) {
        guard bytes.byteCount <= SessionDescription.byteCountLimit else { return nil }
        self.init(parsing: String(decoding: (0..<bytes.byteCount).map { bytes.uint8(at: $0) }, as: UTF8.self))
    }

    /// The stream that the SDP `text` describes: its first medium that is RTP, MPEG-TS where there is one.
    ///
    /// `nil` when the text does not begin as SDP, names no such medium or no address for it. Lines it does not know are
    /// passed over, line ends may be CR LF or LF.
    public init?(parsing text: String) {
        guard text.utf8.count <= SessionDescription.byteCountLimit else { return nil }
        var parser = SDPParser()
        var isFirst = true
        for raw in text.utf8.split(separator: UInt8(ascii: "\n")) {
            var line = Substring(raw)
            while line.utf8.last == UInt8(ascii: "\r") { line = Substring(line.utf8.dropLast()) }
            if isFirst, line != "v=0" { return nil }
            isFirst = false
            guard line.utf8.count > 2, line.utf8.dropFirst().first == UInt8(ascii: "=") else { continue }
            let value = Substring(line.utf8.dropFirst(2))
            guard parser.take(line.utf8[line.utf8.startIndex], value) else { return nil }
        }
        guard let description = parser.best else { return nil }
        self = description
    }
}

/// What has been read of a description so far.
private struct SDPParser {
    /// One m= section.
    private struct Medium {
        var port: UInt16
        var payloadTypes: [UInt8]
        var connection: (address: SessionDescription.Address, timeToLive: UInt8?)?
        var controlPort: UInt16?
        var mappings: [(payloadType: UInt8, name: Substring, clockRate: UInt32)] = []
        var sources: [String] = []
        var isRTP: Bool
    }

    private var name = ""
    private var origin = (id: UInt64(0), version: UInt64(0), address: SessionDescription.Address("0.0.0.0"))
    private var connection: (address: SessionDescription.Address, timeToLive: UInt8?)?
    private var sources: [String] = []
    private var media: [Medium] = []

    private static let mediumLimit = 64
    private static let sourceLimit = 64

    /// Takes the line "`type`=`value`"; false when the description cannot be used.
    mutating func take(_ type: UInt8, _ value: Substring) -> Bool {
        let words = value.split(separator: " ")
        switch type {
        case UInt8(ascii: "s"):
            name = value == "-" || value == " " ? "" : String(value)
        case UInt8(ascii: "o"):
            guard words.count == 6 else { return false }
            origin = (UInt64(words[1]) ?? 0, UInt64(words[2]) ?? 0, .init(String(words[5])))
        case UInt8(ascii: "c"):
            guard let parsed = SDPParser.connection(words) else { return false }
            if media.isEmpty { connection = parsed } else { media[media.count - 1].connection = parsed }
        case UInt8(ascii: "m"):
            return takeMedium(words)
        case UInt8(ascii: "a"):
            takeAttribute(value, words)
        default:
            break
        }
        return true
    }

    /// `IN IP4 239.1.2.3/ttl[/count]` or `IN IP6 ff15::1[/count]` (RFC 8866 §5.7).
    private static func connection(
        _ words: [Substring]
    ) -> (address: SessionDescription.Address, timeToLive: UInt8?)? {
        guard words.count == 3, words[0] == "IN" else { return nil }
        let parts = words[2].split(separator: "/", omittingEmptySubsequences: false)
        let address = SessionDescription.Address(String(parts[0]))
        guard isAddress(parts[0]), words[1] == address.family || (words[1] == "IP6" && !address.isIPv6) else {
            return nil
        }
        if words[1] == "IP6" || parts.count == 1 { return (address, nil) }
        guard let timeToLive = UInt8(parts[1]) else { return nil }
        return (address, timeToLive)
    }

    /// True for what may stand for an address or a host name.
    private static func isAddress(_ text: Substring) -> Bool {
        guard !text.isEmpty, text.utf8.count <= 255 else { return false }
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "."), UInt8(ascii: ":"),
                UInt8(ascii: "-"):
                continue
            default: return false
            }
        }
        return true
    }

    /// `video port[/count] RTP/AVP payloadType…` (RFC 8866 §5.14).
    private mutating func takeMedium(_ words: [Substring]) -> Bool {
        guard words.count >= 4, media.count < SDPParser.mediumLimit else { return false }
        guard let port = words[1].split(separator: "/").first.flatMap({ UInt16($0) }) else { return false }
        let isRTP = words[2].hasPrefix("RTP/")
        let types = isRTP ? words[3...].compactMap { UInt8($0) }.filter { $0 < 128 } : []
        media.append(Medium(port: port, payloadTypes: types, isRTP: isRTP && !types.isEmpty))
        return true
    }

    private mutating func takeAttribute(_ value: Substring, _ words: [Substring]) {
        if value.hasPrefix("source-filter:") {
            // "source-filter: incl IN IP4 group source…", the blank after the colon optional.
            let fields = value.dropFirst("source-filter:".count).split(separator: " ")
            guard fields.count >= 5, fields[0] == "incl", fields[1] == "IN" else { return }
            let found = fields[4...].prefix(SDPParser.sourceLimit).filter { SDPParser.isAddress($0) }.map {
                String($0)
            }
            if media.isEmpty { sources = found } else { media[media.count - 1].sources = found }
        } else if value.hasPrefix("rtpmap:"), !media.isEmpty, words.count == 2 {
            let parts = words[1].split(separator: "/")
            guard let type = UInt8(words[0].dropFirst("rtpmap:".count)), parts.count >= 2,
                let rate = UInt32(parts[1]), media[media.count - 1].mappings.count < 128
            else { return }
            media[media.count - 1].mappings.append((type, parts[0], rate))
        } else if value.hasPrefix("rtcp:"), !media.isEmpty {
            media[media.count - 1].controlPort = UInt16(words[0].dropFirst("rtcp:".count))
        }
    }

    /// The first medium of MPEG-TS; without any, the first of RTP.
    var best: SessionDescription? {
        var other: SessionDescription?
        for medium in media where medium.isRTP {
            guard let connection = medium.connection ?? connection else { continue }
            for type in medium.payloadTypes {
                let mapping = medium.mappings.first { $0.payloadType == type }
                // Type 33 is MPEG-TS without a word (RFC 3551 §6).
                let isStatic = mapping == nil && type == RTPHeader.transportStreamPayloadType
                var found = SessionDescription(
                    name: name, origin: origin.address.text, address: connection.address.text,
                    port: medium.port,
                    timeToLive: connection.timeToLive ?? 1,
                    sources: medium.sources.isEmpty ? sources : medium.sources,
                    sessionID: origin.id, sessionVersion: origin.version)
                found.payloadType = type
                found.controlPort = medium.controlPort ?? medium.port &+ 1
                found.encodingName = mapping.map { String($0.name) } ?? (isStatic ? "MP2T" : "")
                found.clockRate = mapping?.clockRate ?? (isStatic ? 90_000 : 0)
                if isStatic || found.encodingName.uppercased() == "MP2T" { return found }
                if other == nil { other = found }
            }
        }
        return other
    }
}
