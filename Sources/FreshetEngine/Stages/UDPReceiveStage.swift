internal import FreshetCore
internal import FreshetNet

/// `udp-receive`: at a local address, or a group; see ``ReceiveStage``.
struct UDPReceivePlace: ReceivePlace {
    static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "udp-receive", summary: "receives at a local address, or a group", takes: .none,
            gives: [.rtp, .transportStream],
            parameters: [
                StageParameter(
                    "url", .text, default: nil,
                    "rtp://ADDRESS:PORT or udp://ADDRESS:PORT to listen on; several paths of one stream joined by commas"
                )
            ] + ReceiveOptions.parameters,
            example: "udp-receive url=rtp://0.0.0.0:5004 ! reorder ! depacketize ! record output=show.ts")
    }

    static func urls(_ arguments: StageArguments) throws(StageError) -> [StreamURL] {
        try ReceiveOptions.urls(arguments.text("url"))
    }
}

typealias UDPReceiveStage = ReceiveStage<UDPReceivePlace>

@section("freshet_stages") @used
private let registration: StageRegistration = { register(ReceiveStage<UDPReceivePlace>.self, in: $0) }
