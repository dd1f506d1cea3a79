import Foundation
import TestSupport
import Testing

/// Hostile and unlucky networks: what is good arrives all the same.
@Suite(.timeLimit(.minutes(15)), .judgedUndisturbed)
struct DamageTests {
    @Test("A hundred thousand damaged datagrams a second do a recorder and its stream no harm")
    func storm() async throws {
        try await Turnstile.shared.pass {
            let input = try await TestMedia.generated("ten.ts")
            let place = Place.group()
            let scratch = try Scratch()
            let recorder = try await Freshet.startReceiver(
                "record", place.url(), scratch.file("out.ts"), "--stats", scratch.file("stats"),
                listeningOn: place)
            let sender = try Freshet.start("send", input, "--to", place.url())
            try await wait(for: "the stream") { scratch.bytes("out.ts").count > 100_000 }
            let before = residentBytes(recorder.identifier)
            var storm = try Storm(place: place, seed: 7)
            // A million in about eight seconds, in bursts that a receive buffer holds.
            for _ in 0..<4000 {
                try storm.send(count: 250)
                try await Task.sleep(for: .milliseconds(1))
            }
            let after = residentBytes(recorder.identifier)
            let sent = try await sender.end(within: 30)
            #expect(sent.status == 0, "\(sent)")
            let ended = try await recorder.end(within: 30)
            #expect(ended.status == 0, "\(ended)")
            let found = difference(input, scratch.file("out.ts"))
            #expect(found == nil, "\(found ?? "") \(ended)")
            let counted = try Statistics(scratch.file("stats"))
            #expect(counted["lost"] == 0)
            // The rest the kernel had no room for.
            #expect(counted["malformed"] + counted["foreign"] > 10_000)
            #expect(after < before + 2_000_000, "\(before) bytes grew to \(after)")
        }
    }

    private func residentBytes(_ process: Int32) -> Int {
        let text = (try? String(contentsOfFile: "/proc/\(process)/statm", encoding: .utf8)) ?? ""
        return (text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 4096
    }

    @Test("Reordering, duplicates and jitter within the latency leave no trace")
    func reordered() async throws {
        let damage = "impair delay=50ms jitter=40ms duplicate=5% seed=11"
        let run = try await impaired(damage, latency: "300ms")
        let found = difference(run.input, run.recording)
        #expect(found == nil, "\(found ?? "")")
        #expect(run.counted["lost"] == 0)
        #expect(run.counted["duplicates"] > 10)
        #expect(run.counted["reordered"] > 10)
    }

    @Test("Losses are counted exactly and never break the order")
    func losses() async throws {
        let run = try await impaired("impair loss=3% seed=5", latency: "100ms")
        let sent = try #require(FileManager.default.contents(atPath: run.input))
        let got = try #require(FileManager.default.contents(atPath: run.recording))
        let missing = (sent.count - got.count + 1315) / 1316
        let lost = run.counted["lost"]
        #expect(lost > 0)
        #expect(Int(lost) == missing, "\(lost) counted, \(missing) missing")
        #expect(isInOrder(got, in: sent))
    }

    /// True when `part` is `whole` with whole TS packets left out.
    private func isInOrder(_ part: Data, in whole: Data) -> Bool {
        var place = 0
        for start in stride(from: 0, to: part.count, by: 188) {
            let packet = part[start..<start + 188]
            while place + 188 <= whole.count, whole[place..<place + 188] != packet { place += 188 }
            if place + 188 > whole.count { return false }
            place += 188
        }
        return true
    }

    /// What became of a stream on a bad way.
    private struct Impaired {
        var input: String
        var recording: String
        var counted: Statistics
        let scratch: Scratch
    }

    /// Sends a stream through `damage` and records it.
    private func impaired(_ damage: String, latency: String) async throws -> Impaired {
        let input = try await TestMedia.generated("cbr-8.ts")
        let scratch = try Scratch()
        let output = scratch.file("out.ts")
        return try await Turnstile.shared.pass {
            let place = Place.group()
            let recorder = try await Freshet.startReceiver(
                "record", place.url(), output, "--latency", latency, "--stats", scratch.file("stats"),
                listeningOn: place)
            let sent = try await Freshet.run(
                "run", "demux input=\(input) ! packetize ! pace ! \(damage) ! udp-send to=\(place.url())")
            #expect(sent.status == 0, "\(sent)")
            let ended = try await recorder.end(within: 10)
            #expect(ended.status == 0, "\(ended)")
            let counted = try Statistics(scratch.file("stats"))
            return Impaired(input: input, recording: output, counted: counted, scratch: scratch)
        }
    }

    @Test("Of two sources on one group the first is kept and the other reported")
    func twoSources() async throws {
        try await Turnstile.shared.pass {
            let input = try await TestMedia.generated("ten.ts")
            let place = Place.group()
            let scratch = try Scratch()
            let recorder = try await Freshet.startReceiver(
                "record", place.url(), scratch.file("out.ts"), "--stats", scratch.file("stats"),
                listeningOn: place)
            let first = try Freshet.start("send", input, "--to", place.url())
            try await wait(for: "the first source") { scratch.bytes("out.ts").count > 100_000 }
            let second = try Freshet.start(
                "send", try await TestMedia.generated("cbr-8.ts"), "--to", place.url())
            let secondEnded = try await second.end()
            #expect(secondEnded.status == 0, "\(secondEnded)")
            let firstEnded = try await first.end()
            #expect(firstEnded.status == 0, "\(firstEnded)")
            let ended = try await recorder.end(within: 10)
            #expect(ended.status == 0, "\(ended)")
            #expect(ended.errors.contains("another source"), "\(ended)")
            let found = difference(input, scratch.file("out.ts"))
            #expect(found == nil, "\(found ?? "")")
            #expect(try Statistics(scratch.file("stats"))["foreign"] > 100)
        }
    }

    @Test("A source that is killed and started again goes on in the same recording")
    func restart() async throws {
        try await Turnstile.shared.pass {
            let input = try await TestMedia.generated("single.ts")
            let place = Place.group()
            let scratch = try Scratch()
            let recorder = try await Freshet.startReceiver(
                "record", place.url(), scratch.file("out.ts"), listeningOn: place)
            let first = try Freshet.start("send", input, "--to", place.url())
            try await wait(for: "the first start") { scratch.bytes("out.ts").count > 100_000 }
            try await first.stop(SIGKILL)
            let before = scratch.bytes("out.ts").count
            let second = try await Freshet.run("send", input, "--to", place.url())
            #expect(second.status == 0, "\(second)")
            let ended = try await recorder.end(within: 10)
            #expect(ended.status == 0, "\(ended)")
            let whole = try #require(FileManager.default.contents(atPath: input))
            let got = scratch.bytes("out.ts")
            #expect(got.count > before)
            // All of the second run is there, to its last byte.
            #expect(got.suffix(whole.count / 2) == whole.suffix(whole.count / 2), "\(ended)")
        }
    }
}
