import Foundation
import TestSupport
import Testing

/// `freshet coordinate` and `freshet top` as a person starts them.
@Suite(.timeLimit(.minutes(15)), .judgedUndisturbed)
struct CoordinateTests {
    private let scratch: Scratch

    init() throws { scratch = try Scratch() }

    /// A coordinator with a state folder of its own, and the join URL that it printed.
    private func start(_ words: String...) async throws -> (Running, url: String) {
        let running = try Running(
            Freshet.path, ["coordinate", "--listen", "127.0.0.1:0"] + words,
            environment: ["XDG_STATE_HOME": scratch.path])
        var url = ""
        try await wait(for: "the join URL") {
            url = running.output.split(separator: "\n").first.map { String($0) } ?? ""
            return running.output.contains("\n") && running.errors.contains("coordinating")
        }
        return (running, url)
    }

    @Test("A coordinator prints its join URL, shows its streams and ends cleanly")
    func ends() async throws {
        let (coordinator, url) = try await start("--stream", "show")
        #expect(url.hasPrefix("freshet://127.0.0.1:"))
        #expect(url.contains("/show?pin="))
        let source = try #require(coordinator.output.split(separator: "\n").dropFirst().first)
        #expect(source.hasPrefix(url + "&source="), "\(coordinator.output)")
        let shown = try await Freshet.run("top", url, "--once")
        #expect(shown.status == 1, "\(shown)")
        #expect(shown.errors.contains("there is no stream 'show' here"), "\(shown)")
        let end = try await coordinator.stop(SIGTERM)
        #expect(end.status == 0, "\(end)")
        // The key is kept: the URL is good after a restart too.
        let (again, second) = try await start("--stream", "show")
        #expect(second.split(separator: "?").last == url.split(separator: "?").last)
        _ = try await again.stop()
    }

    @Test("The pages are served as JSON over the same port")
    func pages() async throws {
        let (coordinator, url) = try await start("--stream", "show", "--token", "sesame")
        let unknown = try await Freshet.run(
            "top", url.replacingOccurrences(of: "sesame", with: "rhubarb"), "--once")
        #expect(unknown.status == 1 && unknown.errors.contains("the token is wrong"), "\(unknown)")
        let place = try #require(url.dropFirst("freshet://".count).split(separator: "/").first)
        let list = try await run("curl", ["-sk", "https://\(place)/streams?token=sesame"])
        #expect(list.output == "{\"streams\":[]}", "\(list)")
        let refused = try await run("curl", ["-sk", "-w", "%{http_code}", "https://\(place)/streams"])
        #expect(refused.output.hasSuffix("403"), "\(refused)")
        let missing = try await run(
            "curl", ["-sk", "-w", "%{http_code}", "https://\(place)/streams/late?token=sesame"])
        #expect(missing.output.hasSuffix("404"), "\(missing)")
        _ = try await coordinator.stop()
    }

    @Test("What is wrong with the words is told in one sentence")
    func usage() async throws {
        for (words, told) in [
            (["coordinate", "--depth", "99"], "1 to 15"),
            (["coordinate", "--certificate", "a.pem"], "go together"),
            (["coordinate", "--listen", "127.0.0.1:port"], "port must be a number"),
            (["coordinate", "now"], "does not know what to do with 'now'"),
            (["top", "http://a/b"], "begins with freshet://"),
            (["top", "freshet://a:1/b?pin=short"], "not copied whole"),
        ] {
            let shown = try await Running(Freshet.path, words).end(within: 10)
            #expect(shown.status == 2, "\(shown)")
            #expect(shown.errors.contains(told), "\(shown)")
            #expect(shown.errors.split(separator: "\n").count == 1, "\(shown)")
        }
    }

    @Test("A certificate that does not match the pin is refused")
    func wrongPin() async throws {
        let (coordinator, url) = try await start("--stream", "show")
        let wrong = String(repeating: "A", count: 43)
        let base = try #require(url.split(separator: "=").first)
        let shown = try await Freshet.run("top", "\(base)=\(wrong)", "--once")
        #expect(shown.status == 1, "\(shown)")
        #expect(shown.errors.contains("is not the one that the URL pins"), "\(shown)")
        _ = try await coordinator.stop()
    }

    @Test("A source needs the URL of the source, and then viewers have every byte")
    func sources() async throws {
        try await Turnstile.shared.pass {
            let (coordinator, url) = try await start("--stream", "show")
            let clip = TestMedia.clip("clip.ts")
            let refused = try await Freshet.run("send", clip, "--to", url, within: 20)
            #expect(refused.status == 1, "\(refused)")
            #expect(refused.errors.contains("the source's token is wrong"), "\(refused)")
            #expect(refused.errorLines.count == 1, "\(refused)")
            let file = scratch.file("show.ts")
            let recorder = try Freshet.start("record", url, file, "--latency", "800")
            let mine = try #require(coordinator.output.split(separator: "\n").dropFirst().first)
            let source = try Freshet.start("send", clip, "--to", String(mine), "--speed", "2")
            let sent = try await source.end(within: 40)
            #expect(sent.status == 0, "\(sent)")
            let ended = try await recorder.end(within: 15)
            #expect(ended.status == 0, "\(ended)")
            let size = fileSize(file)
            #expect(size > 0 && size % 188 == 0, "\(size)")
            _ = try await coordinator.stop()
        }
    }
}
