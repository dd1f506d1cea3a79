internal import FreshetCore
internal import FreshetNet

/// `udp-send`: to any number of addresses: unicast, broadcast, groups; see ``SendStage``.
struct UDPSendPlace: SendPlace {
    private static let destinationLimit = 4096

    static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "udp-send", summary: "sends to addresses: unicast, broadcast, groups, many at once",
            takes: [.rtp, .transportStream], gives: .none,
            parameters: [
                StageParameter(
                    "to", .text, default: nil,
                    "rtp://ADDRESS:PORT or udp://ADDRESS:PORT; several joined by commas")
            ] + SendParameters.all,
            example:
                "demux input=media/clip.ts ! packetize ! pace ! udp-send to=rtp://192.0.2.7:5004,udp://192.0.2.8:5000"
        )
    }

    static func requests(_ arguments: StageArguments) throws(StageError) -> [DestinationRequest] {
        var requests: [DestinationRequest] = []
        for text in arguments.text("to").split(separator: ",") {
            requests.append(SendParameters.request(try StreamURL(String(text)), arguments))
        }
        if requests.isEmpty { throw .usage("udp-send needs to=rtp://ADDRESS:PORT or udp://ADDRESS:PORT") }
        if requests.count > destinationLimit {
            throw .usage("udp-send sends to at most \(destinationLimit) destinations, not \(requests.count)")
        }
        return requests
    }
}

typealias UDPSendStage = SendStage<UDPSendPlace>

@section("freshet_stages") @used
private let registration: StageRegistration = { register(SendStage<UDPSendPlace>.self, in: $0) }
