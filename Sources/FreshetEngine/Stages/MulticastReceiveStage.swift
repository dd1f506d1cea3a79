internal import FreshetCore
internal import FreshetNet

/// `multicast-receive`: from a group, of any source or of one. It may be told the group as an address; a URL that
/// names no group is listened on as a local address. See ``ReceiveStage``.
struct MulticastReceivePlace: ReceivePlace {
    static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "multicast-receive", summary: "receives from a multicast group", takes: .none,
            gives: [.rtp, .transportStream], parameters: GroupParameters.all + ReceiveOptions.parameters,
            example:
                "multicast-receive group=239.77.1.1:5004 interface=eth0 ! reorder ! depacketize ! record output=show.ts"
        )
    }

    static func urls(_ arguments: StageArguments) throws(StageError) -> [StreamURL] {
        let text = arguments.text("url")
        if text.contains(",") && !arguments.has("group") { return try ReceiveOptions.urls(text) }
        let url = try GroupParameters.url(arguments)
        if arguments.has("group") && !url.address.isMulticast {
            throw .usage(
                "multicast-receive: \(url.address.host) is not a multicast address (224.0.0.0 to 239.255.255.255, "
                    + "or ff00::/8); use udp-receive for others")
        }
        return [url]
    }
}

typealias MulticastReceiveStage = ReceiveStage<MulticastReceivePlace>

@section("freshet_stages") @used
private let registration: StageRegistration = { register(ReceiveStage<MulticastReceivePlace>.self, in: $0) }
