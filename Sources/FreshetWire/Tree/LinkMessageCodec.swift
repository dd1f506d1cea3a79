extension LinkMessage {
    /// The APP subtype, 16 to 31.
    public var subtype: Int {
        switch self {
        case .hello: Subtype.hello
        case .cookie: Subtype.cookie
        case .subscribe: Subtype.subscribe
        case .accept: Subtype.accept
        case .refuse: Subtype.refuse
        case .ping: Subtype.ping
        case .pong: Subtype.pong
        case .pulse: Subtype.pulse
        case .activate: Subtype.activate
        case .path: Subtype.path
        case .handover: Subtype.handover
        case .leave: Subtype.leave
        case .locate: Subtype.locate
        case .located: Subtype.located
        case .train: Subtype.train
        case .trained: Subtype.trained
        }
    }

    /// Writes the message as a datagram of its own (RFC 5506: no report in front); its length in bytes, 0 when it does not
    /// fit. ``byteCountLimit`` bytes are always enough, but for a train ``trainByteCount``.
    public func write(into bytes: inout MutableRawSpan, ssrc: UInt32) -> Int {
        var compound = CompoundWriter(&bytes)
        let total = 12 &+ bodyByteCount
        guard compound.begin(RTCPPacket.Kind.application, count: subtype, byteCount: total) else { return 0 }
        compound.writer.write(ssrc)
        compound.writer.write(Heartbeat.name)
        writeBody(into: &compound.writer)
        return compound.byteCount
    }

    private var bodyByteCount: Int {
        switch self {
        case .hello, .pong: 32
        case .cookie, .pulse: 20
        case .subscribe: 28 + Ticket.byteCount
        case .accept: 28
        case .refuse, .ping: 16
        case .activate: 24
        case .path(_, let path): 12 &+ 4 &* path.ancestors.count
        case .handover: 12
        case .leave: 8
        case .locate, .located: LinkMessage.locateByteCount - 12
        case .train: LinkMessage.trainByteCount - 12
        case .trained: 20
        }
    }

    @_lifetime(body: copy body)
    private func writeHead(_ body: inout ByteWriter, _ detail: UInt8 = 0, _ stripes: StripeSet = []) {
        body.write(LinkMessage.protocolVersion)
        body.write(detail)
        body.write(stripes.rawValue)
    }

    @_lifetime(body: copy body)
    private func writeBody(into body: inout ByteWriter) {
        switch self {
        case .hello(let nonce):
            writeHead(&body)
            body.write(nonce)
            for _ in 0..<5 { body.write(0 as UInt32) }
        case .cookie(let nonce, let cookie):
            writeHead(&body)
            body.write(nonce)
            body.write(cookie)
        case .subscribe(let subscription):
            writeHead(&body, subscription.fromKeyframe ? 1 : 0, subscription.stripes)
            body.write(subscription.nonce)
            body.write(subscription.cookie)
            body.write(UInt64(bitPattern: subscription.fromSequence))
            subscription.ticket.write(into: &body)
        case .accept(let token, let acceptance):
            writeHead(&body, 0, acceptance.stripes)
            body.write(token)
            body.write(acceptance.nonce)
            body.write(acceptance.backupStripes.rawValue)
            body.write(acceptance.starvingStripes.rawValue)
            body.write(UInt64(bitPattern: acceptance.highestSequence))
        case .refuse(let token, let refusal):
            writeHead(&body, refusal.reason.rawValue, refusal.stripes)
            body.write(token)
            body.write(refusal.nonce)
        case .locate(let nonce):
            writeHead(&body)
            body.write(nonce)
            for _ in 0..<7 { body.write(0 as UInt32) }
        case .located(let sighting):
            writeHead(&body)
            body.write(sighting.nonce)
            body.write(sighting.address.high)
            body.write(sighting.address.low)
            body.write(UInt32(sighting.address.port))
            body.write(sighting.cookie)
        case .train(let nonce, let index):
            writeHead(&body, index)
            body.write(nonce)
            for _ in 0..<(LinkMessage.trainByteCount - 24) / 4 { body.write(0 as UInt32) }
        case .trained(let nonce, let index, let stamp):
            writeHead(&body, index)
            body.write(nonce)
            body.write(stamp)
        default:
            writeUpkeep(into: &body)
        }
    }

    @_lifetime(body: copy body)
    private func writeUpkeep(into body: inout ByteWriter) {
        switch self {
        case .ping(let token, let stamp):
            writeHead(&body)
            body.write(token)
            body.write(stamp)
        case .pong(let token, let stamp, let place):
            writeHead(&body)
            body.write(token)
            body.write(stamp)
            for value in [place.x, place.y, place.height, place.errorPerMille] {
                body.write(UInt32(bitPattern: value))
            }
        case .pulse(let token, let pulse):
            writeHead(&body, pulse.starvingLevel, pulse.stripes)
            body.write(token)
            body.write(UInt32(pulse.starvingStripes.rawValue))
            body.write(UInt64(bitPattern: pulse.highestSequence))
        case .activate(let token, let activation):
            writeHead(&body, 0, activation.stripes)
            body.write(token)
            body.write(activation.nonce)
            body.write(UInt64(bitPattern: activation.fromSequence))
        case .path(let token, let path):
            writeHead(&body, path.stripe, [])
            body.write(token)
            body.write(path.epoch)
            for index in 0..<path.ancestors.count { body.write(path.ancestors[index].number) }
        case .handover(let token, let stripes, let milliseconds):
            writeHead(&body, 0, stripes)
            body.write(token)
            body.write(milliseconds)
        case .leave(let token, let stripes, let keepsPlace):
            writeHead(&body, keepsPlace ? 1 : 0, stripes)
            body.write(token)
        default: break
        }
    }

    /// The message in `packet`; `nil` when it is something else, too short, or of a version that is not understood.
    public init?(_ packet: borrowing RTCPPacket) {
        guard packet.applicationName == Heartbeat.name else { return nil }
        var body = ByteReader(packet.applicationData)
        guard body.uint8() == LinkMessage.protocolVersion, let detail = body.uint8(), let mask = body.uint16()
        else {
            return nil
        }
        let stripes = StripeSet(rawValue: mask)
        switch packet.applicationSubtype {
        case Subtype.hello:
            guard body.remainingByteCount >= 28, let nonce = body.uint64() else { return nil }
            self = .hello(nonce: nonce)
        case Subtype.cookie:
            guard let nonce = body.uint64(), let cookie = body.uint64() else { return nil }
            self = .cookie(nonce: nonce, cookie: cookie)
        case Subtype.subscribe:
            guard let nonce = body.uint64(), let cookie = body.uint64(), let from = body.uint64(),
                let ticket = Ticket(&body)
            else { return nil }
            self = .subscribe(
                Subscription(
                    cookie: cookie, nonce: nonce, stripes: stripes, fromSequence: Int64(bitPattern: from),
                    fromKeyframe: detail & 1 == 1, ticket: ticket))
        case Subtype.locate:
            guard body.remainingByteCount >= LinkMessage.locateByteCount - 16, let nonce = body.uint64()
            else {
                return nil
            }
            self = .locate(nonce: nonce)
        case Subtype.located:
            guard let sighting = Sighting(&body) else { return nil }
            self = .located(sighting)
        case Subtype.train:
            guard body.remainingByteCount >= LinkMessage.trainByteCount - 16, let nonce = body.uint64() else {
                return nil
            }
            self = .train(nonce: nonce, index: detail)
        case Subtype.trained:
            guard let nonce = body.uint64(), let stamp = body.uint64() else { return nil }
            self = .trained(nonce: nonce, index: detail, stamp: stamp)
        default:
            guard let token = body.uint32() else { return nil }
            self.init(packet.applicationSubtype, token, detail, stripes, &body)
        }
    }

    @_lifetime(body: copy body)
    private init?(
        _ subtype: Int, _ token: UInt32, _ detail: UInt8, _ stripes: StripeSet, _ body: inout ByteReader
    ) {
        switch subtype {
        case Subtype.accept:
            guard let nonce = body.uint64(), let backup = body.uint16(), let starving = body.uint16(),
                let highest = body.uint64()
            else { return nil }
            self = .accept(
                token: token,
                Acceptance(
                    nonce: nonce, stripes: stripes, backupStripes: StripeSet(rawValue: backup),
                    starvingStripes: StripeSet(rawValue: starving),
                    highestSequence: Int64(bitPattern: highest)))
        case Subtype.refuse:
            guard let nonce = body.uint64(), let reason = Refusal.Reason(rawValue: detail) else { return nil }
            self = .refuse(token: token, Refusal(nonce: nonce, stripes: stripes, reason: reason))
        case Subtype.ping:
            guard let stamp = body.uint64() else { return nil }
            self = .ping(token: token, stamp: stamp)
        case Subtype.pong:
            guard let stamp = body.uint64(), let place = NetworkCoordinate(&body) else { return nil }
            self = .pong(token: token, stamp: stamp, place)
        case Subtype.pulse:
            guard let starving = body.uint32(), let highest = body.uint64() else { return nil }
            self = .pulse(
                token: token,
                Pulse(
                    stripes: stripes,
                    starvingStripes: StripeSet(rawValue: UInt16(truncatingIfNeeded: starving)),
                    starvingLevel: detail,
                    highestSequence: Int64(bitPattern: highest)))
        case Subtype.activate:
            guard let nonce = body.uint64(), let from = body.uint64() else { return nil }
            self = .activate(
                token: token,
                Activation(nonce: nonce, stripes: stripes, fromSequence: Int64(bitPattern: from)))
        case Subtype.path:
            guard let path = StripePath(stripe: detail, &body) else { return nil }
            self = .path(token: token, path)
        case Subtype.handover:
            guard let milliseconds = body.uint32() else { return nil }
            self = .handover(token: token, stripes: stripes, milliseconds: milliseconds)
        case Subtype.leave:
            self = .leave(token: token, stripes: stripes, keepsPlace: detail & 1 == 1)
        default: return nil
        }
    }

    /// The token that the message carries; `nil` before there is one.
    public var token: UInt32? {
        switch self {
        case .hello, .cookie, .subscribe, .locate, .located, .train, .trained: nil
        case .accept(let token, _), .refuse(let token, _), .ping(let token, _), .pong(let token, _, _),
            .pulse(let token, _), .activate(let token, _), .path(let token, _), .handover(let token, _, _),
            .leave(let token, _, _):
            token
        }
    }
}

extension NetworkCoordinate {
    @_lifetime(body: copy body)
    init?(_ body: inout ByteReader) {
        guard let x = body.uint32(), let y = body.uint32(), let height = body.uint32(),
            let error = body.uint32()
        else { return nil }
        self.init(
            x: Int32(bitPattern: x), y: Int32(bitPattern: y), height: Int32(bitPattern: height),
            errorPerMille: Int32(bitPattern: error))
    }
}

extension Sighting {
    @_lifetime(body: copy body)
    init?(_ body: inout ByteReader) {
        guard let nonce = body.uint64(), let high = body.uint64(), let low = body.uint64(),
            let port = body.uint32(), let cookie = body.uint64()
        else { return nil }
        let address = PeerAddress(high: high, low: low, port: UInt16(truncatingIfNeeded: port))
        self.init(nonce: nonce, address: address, cookie: cookie)
    }
}

extension StripePath {
    @_lifetime(body: copy body)
    init?(stripe: UInt8, _ body: inout ByteReader) {
        guard let epoch = body.uint32(), body.remainingByteCount % 4 == 0,
            body.remainingByteCount / 4 <= AncestorPath.countLimit
        else { return nil }
        var ancestors = AncestorPath()
        while let member = body.uint32() { ancestors.append(MemberID(member)) }
        self.init(stripe: stripe, epoch: epoch, ancestors: ancestors)
    }
}
