/// Where a member's datagrams come from, as the coordinator's mirrors saw it and as they vouch for with their cookies.
public struct OutsideMessage: Equatable, Sendable {
    /// What one mirror saw.
    public struct Seen: Equatable, Sendable {
        /// Which of `welcome`'s mirrors it was.
        public var mirror: UInt8
        /// The address.
        public var address: PeerAddress
        /// The mirror's tag.
        public var cookie: UInt64

        /// `mirror` saw `address`.
        public init(mirror: UInt8, address: PeerAddress, cookie: UInt64) {
            self.mirror = mirror
            self.address = address
            self.cookie = cookie
        }
    }

    /// What each mirror that answered saw; empty when none did.
    public var seen: [Seen] = []

    /// A message of nothing.
    public init() {}

    init(_ fields: JSONFields) throws(JSONError) {
        for object in try fields.objects("seen", countLimit: 4) {
            let address = try object.address(try object.string("address", byteCountLimit: 64))
            let mirror: UInt8 = try object.integer("mirror", in: 0...3)
            seen.append(Seen(mirror: mirror, address: address, cookie: try object.word("cookie")))
        }
    }

    func write(into writer: inout JSONWriter) {
        writer.array("seen") { writer in
            for one in seen {
                writer.object { writer in
                    writer.member("mirror", one.mirror)
                    writer.member("address", one.address.description)
                    writer.member("cookie", word: one.cookie)
                }
            }
        }
    }
}
