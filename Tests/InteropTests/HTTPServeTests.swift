import Foundation
import Testing
import TestSupport

/// The stage as programs see it: the built program serves, curl and ffprobe watch.
@Suite struct HTTPServeTests {
    private static func serve(_ place: Place, _ more: String = "", loop: Int = 20) throws -> Running {
        try Freshet.start(
            "run",
            "demux input=\(TestMedia.clip("clip.ts")) loop=\(loop) ! packetize ! pace ! depacketize "
                + "! http-serve listen=http://127.0.0.1:\(place.port) \(more)")
    }

    private static func url(_ place: Place, _ path: String) -> String {
        "http://127.0.0.1:\(place.port)\(path)"
    }

    private static func answers(_ place: Place) async throws {
        let deadline = ContinuousClock.now + .seconds(15)
        while ContinuousClock.now < deadline {
            let tried = try await run("curl", ["-sf", "-o", "/dev/null", "-I", url(place, "/stream.ts")])
            if tried.status == 0 { return }
        }
        throw TimedOut("a server on port \(place.port)")
    }

    private static func status(_ place: Place, _ path: String, _ more: String...) async throws -> String {
        try await run(
            "curl",
            ["-s", "--max-time", "5", "-o", "/dev/null", "-w", "%{http_code} %{content_type}"] + more
                + [url(place, path)]
        ).output
    }

    /// True when `bytes` stand as they are in the clip played again and again.
    private static func isOfClip(_ bytes: Data) throws -> Bool {
        let clip = try Data(contentsOf: URL(fileURLWithPath: TestMedia.clip("clip.ts")))
        let source = clip + clip + clip
        guard bytes.count > 188 * 100, let place = source.range(of: bytes.prefix(188 * 20)) else {
            return false
        }
        let rest = source[place.lowerBound...].prefix(bytes.count)
        return rest.count == bytes.count && rest.elementsEqual(bytes)
    }

    @Test func `A client gets the source's bytes from a keyframe on, and a clean end`() async throws {
        let place = Place.local()
        let server = try HTTPServeTests.serve(place, loop: 1)
        try await HTTPServeTests.answers(place)
        let scratch = try Scratch()
        let file = scratch.file("stream.ts")
        let got = try await run("curl", ["-s", "-o", file, HTTPServeTests.url(place, "/stream.ts")])
        #expect(got.status == 0)
        let bytes = scratch.bytes("stream.ts")
        #expect(bytes.count % 188 == 0)
        #expect(try HTTPServeTests.isOfClip(bytes))
        let clip = try Data(contentsOf: URL(fileURLWithPath: TestMedia.clip("clip.ts")))
        #expect(clip.suffix(188 * 50).elementsEqual(bytes.suffix(188 * 50)))
        #expect(try await server.end().status == 0)
    }

    @Test func `A client that never reads harms no other`() async throws {
        let place = Place.local()
        let server = try HTTPServeTests.serve(place, "cache=262144")
        try await HTTPServeTests.answers(place)
        let silent = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(silent) }
        var size: Int32 = 4096
        setsockopt(silent, SOL_SOCKET, SO_RCVBUF, &size, 4)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(place.port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(silent, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        #expect(connected == 0)
        let request = "GET /stream.ts HTTP/1.1\r\nHost: a\r\n\r\n"
        #expect(send(silent, request, request.utf8.count, 0) == request.utf8.count)
        let scratch = try Scratch()
        _ = try await run(
            "curl",
            ["-s", "--max-time", "4", "-o", scratch.file("a.ts"), HTTPServeTests.url(place, "/stream.ts")])
        let bytes = scratch.bytes("a.ts")
        #expect(try HTTPServeTests.isOfClip(bytes.prefix(bytes.count / 188 * 188)))
        let counters = try await run("curl", ["-s", HTTPServeTests.url(place, "/stats.json")]).output
        #expect(counters.contains("\"clients\":1,"), "\(counters)")
        #expect(try await server.stop().status == 0)
    }

    @Test func `Paths, methods and too many clients are answered`() async throws {
        let place = Place.local()
        let server = try HTTPServeTests.serve(place, "clients=1 mp4=off")
        try await HTTPServeTests.answers(place)
        #expect(try await HTTPServeTests.status(place, "/").hasPrefix("200 text/html"))
        #expect(try await HTTPServeTests.status(place, "/stats.json") == "200 application/json")
        #expect(try await HTTPServeTests.status(place, "/stream.ts", "-I") == "200 video/mp2t")
        #expect(try await HTTPServeTests.status(place, "/stream.mp4").hasPrefix("404"))
        #expect(try await HTTPServeTests.status(place, "/other").hasPrefix("404 text/plain"))
        #expect(try await HTTPServeTests.status(place, "/", "-X", "OPTIONS").hasPrefix("204"))
        #expect(try await HTTPServeTests.status(place, "/", "-d", "a=b").hasPrefix("405"))
        let first = try Running("curl", ["-sN", HTTPServeTests.url(place, "/stream.ts")])
        try await wait(for: "the first client to get bytes") { !first.output.isEmpty }
        #expect(try await HTTPServeTests.status(place, "/stream.ts").hasPrefix("503"))
        first.signal(SIGTERM)
        #expect(try await server.stop().status == 0)
    }

    @Test func `ffprobe reads both forms`() async throws {
        let place = Place.local()
        let server = try HTTPServeTests.serve(place)
        try await HTTPServeTests.answers(place)
        for path in ["/stream.ts", "/stream.mp4"] {
            let seen = try await run(
                "ffprobe",
                [
                    "-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0",
                    HTTPServeTests.url(place, path),
                ])
            #expect(seen.output.contains("h264") && seen.output.contains("aac"), "\(path): \(seen)")
        }
        #expect(try await server.stop().status == 0)
    }

    @Test func `A browser plays the page of watch`() async throws {
        let place = Place.local()
        let stream = Place.group()
        let watch = try Freshet.start("watch", stream.url(), "--out", "http://127.0.0.1:\(place.port)")
        let send = try Freshet.start("send", TestMedia.clip("clip.ts"), "--loop", "--to", stream.url())
        try await HTTPServeTests.answers(place)
        let program = Repository.path("Tests/Browser/watch-page.py")
        let seen = try await run(
            "python3", [program, HTTPServeTests.url(place, "/"), "2"], within: 90)
        #expect(seen.status == 0, "\(seen.output) \(seen)")
        #expect(seen.output.contains("\"width\": 640"), "\(seen.output)")
        #expect(try await send.stop().status == 0)
        #expect(try await watch.stop().status == 0)
    }

    @Test func `A port in use and a wrong address are told in one sentence`() async throws {
        let place = Place.local()
        let server = try HTTPServeTests.serve(place)
        try await HTTPServeTests.answers(place)
        let second = try await HTTPServeTests.serve(place).end()
        #expect(second.status == 1)
        #expect(second.errors.contains("Address already in use"))
        for listen in ["127.0.0.1:80", "http://127.0.0.1", "http://nowhere:80", "http://127.0.0.1:99999"] {
            let wrong = try await Freshet.run(
                "run", "demux input=\(TestMedia.clip("clip.ts")) ! http-serve listen=\(listen)")
            #expect(wrong.status == 2, "\(listen): \(wrong)")
        }
        #expect(try await server.stop().status == 0)
    }
}
