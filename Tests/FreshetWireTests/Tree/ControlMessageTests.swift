import FreshetCore
import FreshetWire
import Testing

@Suite struct ControlMessageTests {
    private static let key = SipKey(low: 0x0123_4567_89AB_CDEF, high: 0xFEDC_BA98_7654_3210)

    private static let ticket = Ticket(
        epoch: 0xDEAD_BEE0, parent: MemberID(7), child: MemberID(0xFFFF_FFFF),
        stripes: StripeSet(rawValue: 5),
        backupStripes: StripeSet(rawValue: 2), era: 3, serial: 9, key: key)

    static let samples: [ControlMessage] = {
        var join = JoinMessage()
        join.stream = "show \"1\""
        join.token = "secret"
        join.role = .relay
        join.reach = .mapped
        join.addresses = [PeerAddress("192.0.2.1:5004")!, PeerAddress("[2001:db8::1]:9")!]
        join.uplinkKilobits = 20_000
        join.childLimit = 4
        join.routers = ["10.0.0.1", "r2"]
        join.coordinate = NetworkCoordinate(x: -5, y: 6, height: 700, errorPerMille: 200)
        join.resuming = MemberID(12)
        join.proof = 0xFEDC_BA98_7654_3210
        join.sourceToken = "mine"
        var place = PlaceReport()
        place.stripe = 3
        place.parent = MemberID(4)
        place.depth = 2
        place.receivedPerMille = 990
        place.repairedCount = 3
        join.places = [place]
        join.epoch = 0xABC0
        join.streamKilobits = 5_000
        var welcome = WelcomeMessage()
        welcome.member = MemberID(8)
        welcome.epoch = 0xABC0
        welcome.stripeCount = 4
        welcome.hasParity = true
        welcome.slotLimit = 20
        welcome.era = 5
        welcome.ticketKey = key
        welcome.mirrorPorts = [7401, 7402]
        welcome.mirrorNonce = 0x0123_4567_89AB_CDEF
        var outside = OutsideMessage()
        outside.seen = [
            .init(mirror: 0, address: PeerAddress("192.0.2.1:5004")!, cookie: 1),
            .init(mirror: 1, address: PeerAddress("[2001:db8::1]:9")!, cookie: .max),
        ]
        var assign = AssignMessage()
        assign.stripes = StripeSet(rawValue: 7)
        assign.offers = [
            ParentOffer(member: MemberID(7), address: PeerAddress("192.0.2.7:5004")!, ticket: ticket),
            ParentOffer(
                member: MemberID(7), address: PeerAddress("192.0.2.7:5004")!,
                inside: PeerAddress("192.168.0.7:5004"), ticket: ticket),
        ]
        assign.fromSequence = -70_000
        var report = ReportMessage()
        report.places = [place, PlaceReport()]
        report.childCount = 12
        report.slowChildren = [MemberID(5)]
        report.coordinate = join.coordinate
        report.highestSequence = 1 << 40
        report.uplinkKilobits = 7_900
        var survey = SurveyMessage()
        survey.landmarks = [
            Landmark(
                address: PeerAddress("192.0.2.9:5004")!,
                coordinate: NetworkCoordinate(x: -5, y: 7, height: 900, errorPerMille: 40))
        ]
        return [
            .join(join), .join(JoinMessage()), .welcome(welcome),
            .probe(ProbeMessage(serial: 1, fill: "xxxx")),
            .probeReply(ProbeMessage(serial: 1)), .assign(assign), .regraft(AssignMessage()),
            .forward(
                ForwardMessage(
                    child: MemberID(3), address: PeerAddress("[::ffff:a]:1")!, stripes: StripeSet(0),
                    backupStripes: StripeSet(1))),
            .forward(
                ForwardMessage(
                    child: MemberID(3), address: PeerAddress("192.0.2.7:1")!,
                    inside: PeerAddress("10.0.0.7:1"), stripes: StripeSet(0), backupStripes: [])),
            .forward(
                ForwardMessage(
                    child: MemberID(3), address: PeerAddress("192.0.2.7:1")!, stripes: [], backupStripes: [],
                    isGone: true)),
            .outside(outside), .outside(OutsideMessage()),
            .report(report), .report(ReportMessage()),
            .starving(StarvingMessage(stripes: StripeSet(2), parent: MemberID(1))),
            .leave(LeaveMessage(reason: "done")),
            .moved(
                MovedMessage(stripes: StripeSet(0), from: MemberID(1), to: MemberID(2), reason: .handover)),
            .survey(survey), .survey(SurveyMessage()),
            .streamState(StreamStateMessage(epoch: 1, hasEnded: true, highestSequence: -1, era: 2)),
        ]
    }()

    private func parse(_ text: [UInt8]) throws(JSONError) -> ControlMessage {
        try ControlMessage(parsing: text.span.bytes)
    }

    @Test(arguments: samples.indices) func whatIsWrittenIsRead(index: Int) throws {
        let message = ControlMessageTests.samples[index]
        #expect(try parse(message.text) == message)
    }

    @Test(arguments: [
        (#"[]"#, "'message' is not an object"),
        (#"{}"#, "'message' lacks 'type'"),
        (#"{"type":"dance"}"#, "'dance' is no message of freshet.v1"),
        (#"{"type":"join"}"#, "'join' lacks 'stream'"),
        (#"{"type":"join","stream":7}"#, "'stream' of 'join' is not a string"),
        (
            #"{"type":"join","stream":"s","role":"boss"}"#,
            "'role' of 'join' is not source, viewer, relay or standby"
        ),
        (#"{"type":"join","stream":"s","addresses":["x"]}"#, "'x' is no address with a port"),
        (
            #"{"type":"welcome","member":1,"epoch":1,"stripes":99}"#,
            "'stripes' of 'welcome' is not a whole number from 1 to 15"
        ),
        (
            #"{"type":"assign","stripes":1,"parents":[{"member":1,"address":"1.2.3.4:5","ticket":"ab"}]}"#,
            "'ticket' is not 72 hexadecimal digits of version 1"
        ),
        (
            #"{"type":"outside","seen":[{"mirror":9,"address":"1.2.3.4:5","cookie":"0"}]}"#,
            "'mirror' of 'seen' is not a whole number from 0 to 3"
        ),
        (
            #"{"type":"outside","seen":[{"mirror":1,"address":"1.2.3.4:5","cookie":"+000000000000000"}]}"#,
            "'cookie' is not 16 hexadecimal digits"
        ),
        (
            #"{"type":"starving","stripes":-1}"#,
            "'stripes' of 'starving' is not a whole number from 0 to 65535"
        ),
    ])
    func whatIsWrongIsSaidInASentence(text: String, sentence: String) {
        do throws(JSONError) {
            _ = try parse(Array(text.utf8))
            Issue.record("\(text) was taken")
        } catch { #expect(error.description == sentence) }
    }

    @Test func noChangedTextTraps() {
        var random = PRNG(seed: 4)
        for message in ControlMessageTests.samples {
            let wire = Wire(message.text)
            for _ in 0..<300 {
                wire.mutated(&random).read { bytes in _ = try? ControlMessage(parsing: bytes) }
            }
        }
    }
}
