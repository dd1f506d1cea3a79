import FreshetCore
import FreshetStages
import Testing

@testable import FreshetEngine

@Suite struct EmulatedLinksTests {
    /// What came out of a link: which packet, when, where.
    private struct Seen: Equatable {
        var mark: UInt8
        var departure: Instant
        var place: Int
    }

    private func configuration(_ change: (inout LinkModel.Configuration) -> Void) -> LinkModel.Configuration {
        var configuration = LinkModel.Configuration()
        change(&configuration)
        return configuration
    }

    private func packet(_ mark: UInt8, _ links: EmulatedLinks) throws -> Packet {
        guard var packet = links.pool.allocate() else { throw StageError.failure("no packet") }
        packet.append([UInt8](repeating: mark, count: 100).span.bytes)
        return packet
    }

    /// Lets all come out.
    private func drain(_ links: EmulatedLinks) -> [Seen] {
        var seen: [Seen] = []
        while let exit = links.nextExit(by: .distantFuture) {
            let packet = links.takePacket()
            seen.append(
                Seen(
                    mark: packet.unsafeBytes[0],
                    departure: exit.departure, place: exit.place))
            links.noteExit(exit, byteCount: packet.byteCount, isError: false, now: exit.departure)
        }
        return seen
    }

    private func run(seed: UInt64, other: Int) throws -> [Seen] {
        let links = EmulatedLinks(limit: 512, seed: seed, beginning: .zero)
        let lossy = links.add(
            configuration {
                $0.loss = 300_000
                $0.jitter = .milliseconds(20)
            })
        let plain = links.add(configuration { _ in })
        for index in 0..<200 {
            let now = Instant(nanoseconds: Int64(index) * 1_000_000)
            links.enter(try packet(UInt8(index), links), lossy, byteCount: 100, place: 7, at: now)
            // What another link carries does not matter.
            for _ in 0..<other {
                links.enter(try packet(255, links), plain, byteCount: 100, place: 8, at: now)
            }
        }
        return drain(links).filter { $0.place == 7 }
    }

    @Test func `the same seed gives packet k the same fate, whatever other links carry`() throws {
        let first = try run(seed: 3, other: 0)
        #expect(first == (try run(seed: 3, other: 1)))
        #expect(first != (try run(seed: 4, other: 0)))
        #expect((100...180).contains(first.count))
    }

    @Test func `what is under way is bounded, and what finds no room is counted`() throws {
        let links = EmulatedLinks(limit: 16, seed: 1, beginning: .zero)
        let link = links.add(configuration { $0.delay = .seconds(1) })
        for index in 0..<100 {
            links.enter(try packet(UInt8(index), links), link, byteCount: 100, place: 0, at: .zero)
        }
        #expect(drain(links).map(\.mark) == Array(0..<15))
        let tally = links.tally(link)
        #expect(tally.packetsIn == 100 && tally.packetsOut == 15 && tally.lostRoom == 85)
        #expect(tally.bytesOut == 1500)
        #expect(links.pool.usedCount == 0)
    }

    @Test func `a damaged packet is a copy, the others' ticket stays as it was`() throws {
        let links = EmulatedLinks(limit: 64, seed: 1, beginning: .zero)
        let link = links.add(configuration { $0.corrupt = 1_000_000 })
        let original = try packet(9, links)
        links.enter(original.share(), link, byteCount: 100, place: 0, at: .zero)
        _ = links.nextExit(by: .distantFuture)
        let damaged = links.takePacket()
        let differing = (0..<100).filter { damaged.unsafeBytes[$0] != 9 }
        #expect(differing.count == 1)
        #expect(original.unsafeBytes.allSatisfy { $0 == 9 })
        #expect(links.tally(link).corrupted == 1)
    }

    @Test func `lateness is told by parts of a hundred`() {
        var tally = LinkTally()
        for index in 0..<1000 { tally.noteLateness(.microseconds(index < 990 ? 30 : 900)) }
        tally.noteLateness(.milliseconds(50))
        #expect(tally.lateness(50, of: 100) == 40)
        #expect(tally.lateness(99, of: 100) == 920)
        #expect(tally.lateness(9999, of: 10_000) == 5120)
    }
}
