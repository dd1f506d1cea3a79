internal import FreshetCore
internal import FreshetNet

/// `multicast-send`: to one group, of any source (ASM) or for receivers that name this source (SSM). The same as
/// `udp-send` with one destination that must be a group; see ``SendStage``.
struct MulticastSendPlace: SendPlace {
    static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "multicast-send", summary: "sends to a multicast group", takes: [.rtp, .transportStream],
            gives: .none,
            parameters: GroupParameters.all + SendParameters.all,
            example:
                "demux input=media/clip.ts ! packetize ! pace ! multicast-send group=239.77.1.1:5004 ttl=4")
    }

    static func requests(_ arguments: StageArguments) throws(StageError) -> [DestinationRequest] {
        let url = try GroupParameters.url(arguments)
        guard url.address.isMulticast else {
            throw .usage(
                "multicast-send: \(url.address.host) is not a multicast address (224.0.0.0 to 239.255.255.255, "
                    + "or ff00::/8); use udp-send for others")
        }
        return [SendParameters.request(url, arguments)]
    }
}

typealias MulticastSendStage = SendStage<MulticastSendPlace>

/// How a stage is told its group: as an address, or as a URL.
enum GroupParameters {
    static let all = [
        StageParameter("group", .text, default: "", "ADDRESS:PORT of the group"),
        StageParameter(
            "protocol", .choice(["rtp", "udp"]), default: "rtp", "RTP, or bare MPEG-TS, to `group`"),
        StageParameter(
            "url", .text, default: "", "instead of group: rtp://ADDRESS:PORT?… or udp://ADDRESS:PORT?…"),
    ]

    /// The URL given, or made of `group` and `protocol`.
    static func url(_ arguments: StageArguments) throws(StageError) -> StreamURL {
        let url = arguments.text("url")
        let group = arguments.text("group")
        let name = arguments.descriptor.name
        if url.isEmpty == group.isEmpty {
            throw .usage("\(name) needs group=ADDRESS:PORT or url=rtp://ADDRESS:PORT")
        }
        if !url.isEmpty { return try StreamURL(url) }
        if group.contains("://") { return try StreamURL(group) }
        return try StreamURL(group, defaultScheme: StreamURL.Scheme(rawValue: arguments.text("protocol")))
    }
}

@section("freshet_stages") @used
private let registration: StageRegistration = { register(SendStage<MulticastSendPlace>.self, in: $0) }
