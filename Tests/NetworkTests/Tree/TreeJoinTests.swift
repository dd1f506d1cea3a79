import Foundation
import TestSupport
import Testing

/// How long those wait who join a stream that is under way.
@Suite(.timeLimit(.minutes(10)), .judgedUndisturbed)
struct TreeJoinTests {
    @Test("The first packet comes within 2.5 round trips of the connection")
    func firstPacket() async throws {
        try await Turnstile.shared.pass {
            let roundTrip = 160.0
            let viewers = 5
            let scratch = try Scratch()
            let input = try await TestMedia.generated("ten.ts")
            let link = EmulatedNetwork.Link(up: "delay=40", down: "delay=40")
            let network = try await EmulatedNetwork(hosts: viewers + 1) { _, _ in link }
            let host = EmulatedNetwork.address(0)
            let source = try await TreeSource(
                input, ["--children", "4", "--wait-viewers", "1"], host: host
            ) { try network.start(0, Freshet.path, $0) }
            func join(_ viewer: Int) throws -> Running {
                try network.start(
                    viewer, "record", source.url, scratch.file("\(viewer).ts"), "--children", "4", "--stats",
                    scratch.file("\(viewer).stats"))
            }
            var recorders = [try join(1)]
            try await wait(for: "the stream", within: 20) { fileSize(scratch.file("1.ts")) > 200_000 }
            for viewer in 2...viewers { recorders.append(try join(viewer)) }
            let sent = try await source.process.end(within: 60)
            #expect(sent.status == 0, "\(sent)")
            for recorder in recorders {
                let ended = try await recorder.end(within: 15)
                #expect(ended.status == 0, "\(ended)")
            }
            let late = try (2...viewers).map { try Statistics(scratch.file("\($0).stats")) }
            let packets = late.map { $0["firstPacketMs"] }.sorted()
            // One to the coordinator, one to the parent.
            #expect(packets[0] >= 1.9 * roundTrip, "\(packets)")
            #expect(packets[(packets.count - 1) / 2] <= 2.5 * roundTrip, "\(packets)")
            let frames = late.map { $0["firstFrameMs"] }
            #expect(frames.allSatisfy { $0 > 0 && $0 <= 700 }, "\(frames)")
        }
    }
}
