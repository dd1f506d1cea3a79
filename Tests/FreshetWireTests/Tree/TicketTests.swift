import FreshetCore
import FreshetWire
import Testing

@Suite struct TicketTests {
    private let key = SipKey(low: 11, high: 22)

    private var ticket: Ticket {
        Ticket(
            epoch: 1, parent: MemberID(2), child: MemberID(3), stripes: StripeSet(rawValue: 4),
            backupStripes: StripeSet(rawValue: 8), era: 5, serial: 6, key: key)
    }

    @Test func onlyTheKeyThatMadeATicketKnowsIt() {
        #expect(ticket.isGenuine(key: key))
        #expect(!ticket.isGenuine(key: SipKey(low: 11, high: 23)))
        var forged = ticket
        forged.child = MemberID(9)
        #expect(!forged.isGenuine(key: key))
        forged = ticket
        forged.stripes = StripeSet(rawValue: 12)
        #expect(!forged.isGenuine(key: key))
    }

    @Test func digitsSpellIt() {
        let text = ticket.hexadecimal
        #expect(text.utf8.count == 2 * Ticket.byteCount)
        #expect(Ticket(hexadecimal: text) == ticket)
        #expect(Ticket(hexadecimal: String(text.dropLast())) == nil)
        #expect(Ticket(hexadecimal: text + "0") == nil)
        #expect(Ticket(hexadecimal: "02" + text.dropFirst(2)) == nil)
    }

    @Test func aTicketVouchesForOneHostAtAnyPort() throws {
        let home = try #require(PeerAddress("192.0.2.1:5004"))
        var vouched = Ticket(
            epoch: 1, parent: MemberID(2), child: MemberID(3), stripes: StripeSet(rawValue: 4),
            backupStripes: StripeSet(rawValue: 8), era: 5, serial: 6, seenAt: home, key: key)
        #expect(vouched.isGenuine(key: key) && Ticket(hexadecimal: vouched.hexadecimal) == vouched)
        #expect(vouched.vouches(for: home, key: key))
        #expect(vouched.vouches(for: try #require(PeerAddress("192.0.2.1:7")), key: key))
        let elsewhere = try #require(PeerAddress("192.0.2.2:5004"))
        #expect(!vouched.vouches(for: elsewhere, key: key) && !ticket.vouches(for: home, key: key))
        // Nobody moves it to another host.
        vouched.vouch = Ticket.vouch(forHostOf: elsewhere, key: key)
        #expect(!vouched.isGenuine(key: key))
        vouched.vouch = 0
        #expect(!vouched.isGenuine(key: key))
    }

    @Test func whereThePortIsKnownATicketVouchesForItAlone() throws {
        let home = try #require(PeerAddress("192.0.2.1:5004"))
        let vouched = Ticket(
            epoch: 1, parent: MemberID(2), child: MemberID(3), stripes: StripeSet(rawValue: 4),
            backupStripes: StripeSet(rawValue: 8), era: 5, serial: 6, seenAt: home, isPortKnown: true,
            key: key)
        #expect(vouched.isGenuine(key: key) && vouched.vouches(for: home, key: key))
        for port: UInt16 in 5_005...6_004 {
            var neighbour = home
            neighbour.port = port
            #expect(!vouched.vouches(for: neighbour, key: key))
        }
    }
}
