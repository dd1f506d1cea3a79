import Foundation
import TestSupport
import Testing

/// A transport stream arrives as it was, byte for byte, and both commands end by themselves.
@Suite(.timeLimit(.minutes(15)), .judgedUndisturbed)
struct BitExactTests {
    @Test(
        "Any transport stream is recorded bit by bit over RTP",
        arguments: [
            "single.ts", "programmes.ts", "subtitles.ts", "data.ts", "burst.ts", "cbr-0.2.ts", "cbr-8.ts",
            "cbr-20.ts", "cbr-60.ts",
        ])
    func overRTP(name: String) async throws {
        try await Turnstile.shared.pass {
            let input = try await TestMedia.generated(name)
            let place = Place.group()
            let delivery = try await Delivery.run(input, to: place.url(), at: place)
            delivery.expectExact(input)
            #expect(delivery.sender.seconds > 2.5, "faster than real time: \(delivery.sender)")
            #expect(delivery.sender.seconds < 9, "slower than real time: \(delivery.sender)")
        }
    }

    @Test(
        "A clock that is missing, wraps or jumps changes no byte and keeps a sane pace",
        arguments: [
            "no-pcr.ts", "pcr-gap.ts", "wrap.ts", "jump-forward.ts", "jump-back.ts", "jump-flagged.ts",
        ])
    func oddClocks(name: String) async throws {
        try await Turnstile.shared.pass {
            let input = try await TestMedia.generated(name)
            let place = Place.group()
            let delivery = try await Delivery.run(input, to: place.url(), at: place)
            delivery.expectExact(input)
            // Three or four seconds of media.
            #expect(delivery.sender.seconds > 1, "\(delivery.sender)")
            #expect(delivery.sender.seconds < 12, "\(delivery.sender)")
        }
    }

    /// A scheme and a kind of place.
    enum Way: String, CaseIterable, Sendable {
        case udpGroup, rtpUnicast, udpUnicast, rtpGroup6, udpGroup6, rtpSourceSpecific, udpSourceSpecific,
            rtpBroadcast, udpBroadcast

        var scheme: String { rawValue.hasPrefix("udp") ? "udp" : "rtp" }

        func place() -> Place {
            switch self {
            case .udpGroup: .group()
            case .rtpUnicast, .udpUnicast: .local()
            case .rtpGroup6, .udpGroup6: .group6()
            case .rtpSourceSpecific, .udpSourceSpecific: .sourceSpecificGroup()
            case .rtpBroadcast, .udpBroadcast: .everybody()
            }
        }

        /// What the receiver adds to the URL.
        var sourceQuery: String {
            self == .rtpSourceSpecific || self == .udpSourceSpecific ? "source=127.0.0.1" : ""
        }
    }

    @Test(
        "It arrives bit by bit over UDP, IPv6, source-specific groups, unicast and broadcast",
        arguments: Way.allCases, ["programmes.ts", "cbr-8.ts"])
    func ways(way: Way, name: String) async throws {
        try await Turnstile.shared.pass {
            let input = try await TestMedia.generated(name)
            let place = way.place()
            // The loopback interface has no route for groups of IPv6 unless somebody gives it one.
            let isBroadcast = way == .rtpBroadcast || way == .udpBroadcast
            let network = place.isIPv6 || isBroadcast ? try await Namespace(hasBroadcast: isBroadcast) : nil
            let delivery = try await Delivery.run(
                input, to: place.url(way.scheme), at: place, from: place.url(way.scheme, way.sourceQuery),
                network: network)
            delivery.expectExact(input)
        }
    }

    @Test(
        "It arrives bit by bit through two relays in a row, group to unicast to group",
        arguments: ["single.ts", "cbr-20.ts"])
    func relays(name: String) async throws {
        try await Turnstile.shared.pass {
            let input = try await TestMedia.generated(name)
            let (origin, tunnel, group) = (Place.group(), Place.local(), Place.group())
            let scratch = try Scratch()
            let recorder = try await Freshet.startReceiver(
                "record", group.url(), scratch.file("out.ts"), listeningOn: group)
            let second = try await Freshet.startReceiver(
                "relay", tunnel.url(), "--to", group.url(), listeningOn: tunnel)
            let first = try await Freshet.startReceiver(
                "relay", origin.url(), "--to", tunnel.url(), listeningOn: origin)
            let sent = try await Freshet.run("send", input, "--to", origin.url())
            #expect(sent.status == 0, "\(sent)")
            for running in [first, second, recorder] {
                let ended = try await running.end(within: 10)
                #expect(ended.status == 0, "\(ended)")
            }
            let found = difference(input, scratch.file("out.ts"))
            #expect(found == nil, "\(found ?? "")")
        }
    }

    @Test("One sender serves a group, an address and a bare UDP group at once")
    func manyDestinations() async throws {
        try await Turnstile.shared.pass {
            let input = try await TestMedia.generated("single.ts")
            let places = [(Place.group(), "rtp"), (Place.local(), "rtp"), (Place.group(), "udp")]
            let scratch = try Scratch()
            var recorders: [Running] = []
            var words = ["send", input]
            for (index, (place, scheme)) in places.enumerated() {
                let url = place.url(scheme)
                recorders.append(
                    try await Freshet.startReceiver(
                        "record", url, scratch.file("\(index).ts"), listeningOn: place))
                words += ["--to", url]
            }
            let sent = try await Running(Freshet.path, words).end()
            #expect(sent.status == 0, "\(sent)")
            for (index, recorder) in recorders.enumerated() {
                let ended = try await recorder.end(within: 10)
                #expect(ended.status == 0, "\(ended)")
                let found = difference(input, scratch.file("\(index).ts"))
                #expect(found == nil, "\(index): \(found ?? "")")
            }
        }
    }

    @Test("Watching to standard output gives the stream bit by bit and in time")
    func watching() async throws {
        try await Turnstile.shared.pass {
            let input = try await TestMedia.generated("single.ts")
            let place = Place.group()
            let scratch = try Scratch()
            let watcher = try await Freshet.startReceiver(
                "watch", place.url(), listeningOn: place, output: scratch.file("out.ts"))
            let sent = try await Freshet.run("send", input, "--to", place.url())
            #expect(sent.status == 0, "\(sent)")
            let ended = try await watcher.end(within: 10)
            #expect(ended.status == 0, "\(ended)")
            let found = difference(input, scratch.file("out.ts"))
            #expect(found == nil, "\(found ?? "")\n\(ended)")
        }
    }

    @Test("A stream from standard input is sent as well as a file")
    func standardInput() async throws {
        try await Turnstile.shared.pass {
            let input = try await TestMedia.generated("single.ts")
            let place = Place.group()
            let scratch = try Scratch()
            let recorder = try await Freshet.startReceiver(
                "record", place.url(), scratch.file("out.ts"), listeningOn: place)
            let sent = try await Freshet.run("send", "-", "--to", place.url(), input: input)
            #expect(sent.status == 0, "\(sent)")
            try await recorder.end(within: 10)
            let found = difference(input, scratch.file("out.ts"))
            #expect(found == nil, "\(found ?? "")")
        }
    }
}
