public import FreshetCore

/// The coordinator's leave for one child to subscribe at one parent. The child carries it without reading it; the parent
/// checks the tag with the key that the coordinator gave it, so nobody but the coordinator makes tickets for it.
public struct Ticket: Hashable, Sendable {
    /// The stream's SSRC: a ticket is good for one epoch.
    public var epoch: UInt32
    /// Who may be asked.
    public var parent: MemberID
    /// Who may ask.
    public var child: MemberID
    /// The stripes that the parent is to send.
    public var stripes: StripeSet
    /// The stripes for which the parent is a warm backup: a place is reserved.
    public var backupStripes: StripeSet
    /// When it was made, in the coordinator's eras; a parent takes this era's tickets and the last two's.
    public var era: UInt32
    /// One of a kind per parent, so that a parent can tell a second use from a repeated datagram.
    public var serial: UInt32
    /// Which host the coordinator saw the child at, or which address where it knows the port too, as ``vouch(for:key:)``
    /// and ``vouch(forHostOf:key:)`` have it, 24 bits: from there the child need not show that it hears what is sent to
    /// it. 0: nobody vouches for it.
    public var vouch: UInt32
    /// SipHash-2-4 over all of the above under the parent's key.
    public var tag: UInt64

    /// Bytes on the wire.
    public static let byteCount = 36

    /// A ticket of these values, with its tag under `key`; vouched for at `seenAt`, or at any port of its host where that
    /// is all that is known.
    public init(
        epoch: UInt32, parent: MemberID, child: MemberID, stripes: StripeSet, backupStripes: StripeSet,
        era: UInt32, serial: UInt32, seenAt: PeerAddress? = nil, isPortKnown: Bool = false,
        key: SipKey
    ) {
        self.epoch = epoch
        self.parent = parent
        self.child = child
        self.stripes = stripes
        self.backupStripes = backupStripes
        self.era = era
        self.serial = serial
        vouch =
            seenAt.map {
                isPortKnown ? Ticket.vouch(for: $0, key: key) : Ticket.vouch(forHostOf: $0, key: key)
            } ?? 0
        tag = 0
        tag = tag(under: key)
    }

    private func tag(under key: SipKey) -> UInt64 {
        var hash = SipHash(key: key)
        hash.combine(UInt64(epoch) << 32 | UInt64(parent.number))
        hash.combine(
            UInt64(child.number) << 32 | UInt64(stripes.rawValue) << 16 | UInt64(backupStripes.rawValue))
        hash.combine(UInt64(era) << 32 | UInt64(serial))
        hash.combine(UInt64(vouch))
        return hash.tag()
    }

    /// The host of `address` in 24 bits, never 0, under the parent's key, so that nobody can look for another host that
    /// has the same.
    public static func vouch(forHostOf address: PeerAddress, key: SipKey) -> UInt32 {
        var hash = SipHash(key: key)
        hash.combine(address.high)
        hash.combine(address.low)
        return 1 + UInt32(truncatingIfNeeded: hash.tag() % 0xFF_FFFF)
    }

    /// As ``vouch(forHostOf:key:)``, for the host and the port.
    public static func vouch(for address: PeerAddress, key: SipKey) -> UInt32 {
        var hash = SipHash(key: key)
        hash.combine(address.high)
        hash.combine(address.low)
        hash.combine(UInt64(address.port))
        return 1 + UInt32(truncatingIfNeeded: hash.tag() % 0xFF_FFFF)
    }

    /// True when the coordinator saw the child at `address`, or at that host at least where the ticket names no port. The
    /// ticket must be genuine.
    public func vouches(for address: PeerAddress, key: SipKey) -> Bool {
        vouch != 0
            && (vouch == Ticket.vouch(for: address, key: key)
                || vouch == Ticket.vouch(forHostOf: address, key: key))
    }

    /// True when the tag was made with `key`.
    public func isGenuine(key: SipKey) -> Bool { tag(under: key) == tag }

    /// The ticket that `reader` is at; `nil` when there are too few bytes.
    @_lifetime(reader: copy reader)
    public init?(_ reader: inout ByteReader) {
        guard let head = reader.uint32(), head >> 24 == 1, let epoch = reader.uint32(),
            let parent = reader.uint32(), let child = reader.uint32(), let stripes = reader.uint16(),
            let backup = reader.uint16(), let era = reader.uint32(), let serial = reader.uint32(),
            let tag = reader.uint64()
        else { return nil }
        self.epoch = epoch
        self.parent = MemberID(parent)
        self.child = MemberID(child)
        self.stripes = StripeSet(rawValue: stripes)
        backupStripes = StripeSet(rawValue: backup)
        self.era = era
        self.serial = serial
        vouch = head & 0xFF_FFFF
        self.tag = tag
    }

    /// Writes the ticket's 36 bytes.
    @_lifetime(writer: copy writer)
    public func write(into writer: inout ByteWriter) {
        writer.write(1 << 24 | vouch)
        writer.write(epoch)
        writer.write(parent.number)
        writer.write(child.number)
        writer.write(stripes.rawValue)
        writer.write(backupStripes.rawValue)
        writer.write(era)
        writer.write(serial)
        writer.write(tag)
    }

    /// The ticket that 72 hexadecimal digits spell.
    public init?(hexadecimal text: String) {
        var rest = Substring(text)
        guard let head = Ticket.take(8, from: &rest), head >> 24 == 1,
            let epoch = Ticket.take(8, from: &rest),
            let parent = Ticket.take(8, from: &rest), let child = Ticket.take(8, from: &rest),
            let stripes = Ticket.take(4, from: &rest), let backup = Ticket.take(4, from: &rest),
            let era = Ticket.take(8, from: &rest), let serial = Ticket.take(8, from: &rest),
            let tag = Ticket.take(16, from: &rest), rest.isEmpty
        else { return nil }
        self.epoch = UInt32(epoch)
        self.parent = MemberID(UInt32(parent))
        self.child = MemberID(UInt32(child))
        self.stripes = StripeSet(rawValue: UInt16(stripes))
        backupStripes = StripeSet(rawValue: UInt16(backup))
        self.era = UInt32(era)
        self.serial = UInt32(serial)
        vouch = UInt32(head & 0xFF_FFFF)
        self.tag = tag
    }

    private static func take(_ digitCount: Int, from text: inout Substring) -> UInt64? {
        let digits = text.utf8.prefix(digitCount)
        guard digits.count == digitCount, digits.first != UInt8(ascii: "+"),
            digits.first != UInt8(ascii: "-"),
            let value = UInt64(Substring(digits), radix: 16)
        else { return nil }
        text = Substring(text.utf8.dropFirst(digitCount))
        return value
    }

    /// The ticket as 72 hexadecimal digits.
    public var hexadecimal: String {
        var text: [UInt8] = []
        text.reserveCapacity(2 * Ticket.byteCount)
        func add(_ value: UInt64, _ digitCount: Int) {
            for place in (0..<digitCount).reversed() {
                let digit = UInt8(truncatingIfNeeded: value >> UInt64(4 * place) & 15)
                text.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
            }
        }
        add(1 << 24 | UInt64(vouch), 8)
        for value in [epoch, parent.number, child.number] { add(UInt64(value), 8) }
        add(UInt64(stripes.rawValue), 4)
        add(UInt64(backupStripes.rawValue), 4)
        add(UInt64(era), 8)
        add(UInt64(serial), 8)
        add(tag, 16)
        return String(decoding: text, as: UTF8.self)
    }
}
