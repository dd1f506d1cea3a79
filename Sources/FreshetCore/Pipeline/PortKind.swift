/// What flows between two stages. A stage names what it takes and what it gives, so that a wrong plug fails
/// when the pipeline is loaded, with a sentence that names both.
public struct PortKinds: OptionSet, Sendable, CustomStringConvertible {
    /// The kinds as bits.
    public let rawValue: UInt8
    /// The kinds whose bits are set in `rawValue`.
    @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Coded frames with their timestamps, each an attachment; a format packet comes first.
    public static let samples = PortKinds(rawValue: 1)
    /// MPEG-TS: whole 188-byte packets, several to a packet of ours.
    public static let transportStream = PortKinds(rawValue: 2)
    /// RTP packets with their header, sequence and SSRC in ``PacketInfo``.
    public static let rtp = PortKinds(rawValue: 4)
    /// Bytes of any kind, cut anywhere. A port that takes bytes takes a transport stream too.
    public static let bytes = PortKinds(rawValue: 8)

    /// No port: a source takes nothing, a sink gives nothing.
    public static let none: PortKinds = []

    /// The kinds that can flow from a port giving `self` into a port taking `taken`.
    public func flowing(into taken: PortKinds) -> PortKinds {
        var flowing = intersection(taken)
        if taken.contains(.bytes) && contains(.transportStream) { flowing.insert(.transportStream) }
        return flowing
    }

    /// The kinds by name, joined by "|"; "nothing" for none.
    public var description: String {
        var names: [String] = []
        if contains(.samples) { names.append("samples") }
        if contains(.transportStream) { names.append("transportStream") }
        if contains(.rtp) { names.append("rtp") }
        if contains(.bytes) { names.append("bytes") }
        return names.isEmpty ? "nothing" : names.joined(separator: "|")
    }
}
