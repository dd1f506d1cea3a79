import FreshetCore
import FreshetWire

/// Where the node is when seen from outside, and how it and its neighbours open their NATs for each other.
extension TreeNode {
    /// Asks the mirrors that are due, and tells the coordinator what they saw.
    mutating func locate() {
        while let mirror = outside.next(now: now) { send(.locate(nonce: outside.nonce), to: mirror) }
        tellOutside()
        while let address = punches.next(now: now) { events.append(.punch(address)) }
        if let train = uplink.next(now: now, &random) {
            events.append(.train(train.mirror, nonce: train.nonce, count: UplinkProbe.packetCount))
        }
    }

    /// The coordinator has mirrors: they are asked, and who does not say what its line carries measures that.
    mutating func beginLocating(_ welcome: WelcomeMessage) {
        guard var mirror = configuration.coordinator, let port = welcome.mirrorPorts.first else { return }
        outside.begin(mirror, welcome.mirrorPorts, nonce: welcome.mirrorNonce, now: now)
        let join = configuration.join
        mirror.port = port
        if join.forwards, join.uplinkKilobits == 0, join.childLimit == 0, !mirror.isLoopback {
            uplink.begin(mirror, now: now)
        }
        locate()
    }

    mutating func noteTrained(_ nonce: UInt64, _ index: UInt8, _ stamp: UInt64, from mirror: PeerAddress) {
        if !uplink.note(nonce, index, stamp, from: mirror) { tally.rejectedCount += 1 }
    }

    mutating func noteSighting(_ sighting: Sighting, from mirror: PeerAddress) {
        guard outside.note(sighting, from: mirror) else {
            tally.rejectedCount += 1
            return
        }
        tellOutside()
    }

    private mutating func tellOutside() {
        guard let news = outside.news(own: configuration.join.addresses.first, now: now), isConnected else {
            return
        }
        messages.append(.outside(news))
    }

    // MARK: One NAT around both

    /// The link to an offered parent, whichever of its addresses that leads to.
    func link(to offer: ParentOffer) -> Int? {
        if let inside = offer.inside, let link = linkOfAddress[inside], links[link]?.member == offer.member {
            return link
        }
        return linkOfAddress[offer.address]
    }

    /// A new parent may be found inside first.
    mutating func tryInside(_ link: Int, _ inside: PeerAddress?) {
        guard let inside, links[link]?.up == nil, links[link]?.down == nil, linkOfAddress[inside] == nil
        else {
            return
        }
        links[link]?.inside = inside
        linkOfAddress[inside] = link
    }

    /// Where the next word of the handshake on `link` goes: inside and outside by turns, until one answers.
    func askedAddress(_ link: Int, tries: Int) -> PeerAddress? {
        guard let inside = links[link]?.inside, tries % 2 == 0 else { return links[link]?.address }
        return inside
    }

    /// `message` came from `address` on `link`: if it is the parent's answer, that is where it is. False when it means
    /// nothing: somebody else's network has an address like that as well.
    mutating func settleAddress(_ link: Int, _ message: LinkMessage, from address: PeerAddress) -> Bool {
        guard let inside = links[link]?.inside, let up = links[link]?.up else { return true }
        let isAnswer =
            switch message {
            case .cookie(let nonce, _): nonce == up.nonce
            case .accept(let token, let acceptance): token == up.token && acceptance.nonce == up.nonce
            default: false
            }
        guard isAnswer else { return address != inside }
        if address == inside { moveInside(link) } else { stayOutside(link) }
        return true
    }

    /// The neighbour on `link` is inside.
    mutating func moveInside(_ link: Int) {
        guard let inside = links[link]?.inside, let outer = links[link]?.address else { return }
        linkOfAddress[outer] = nil
        links[link]?.address = inside
        links[link]?.inside = nil
        events.append(.linkMoved(link, inside))
    }

    private mutating func stayOutside(_ link: Int) {
        guard let inside = links[link]?.inside else { return }
        linkOfAddress[inside] = nil
        links[link]?.inside = nil
    }
}
