import FreshetCore
import FreshetNet
import FreshetWire
import Glibc

/// Many real WebSocket clients against a real coordinator: what it costs, and how long members wait for their parents.
///
/// `control-load freshet://127.0.0.1:7400/show?pin=…&source=… [--clients N] [--threads N] [--rate JOINS] [--seconds S]
/// [--pid P]`
/// Every client comes from an address of its own in 127.0.0.0/8, joins as a viewer, answers probes and reports as often
/// as it is told to. The first is the source. With --pid the coordinator's CPU time and memory are shown too.
struct ControlLoad {
    struct Failure: Error, CustomStringConvertible { var description: String }

    private let url: ControlURL
    private var clientCount = 10_000
    private var threadCount = 8
    private var joinsPerSecond = 0
    private var seconds = 20
    private var process: Int32?
    private var members: [LoadMember] = []
    private var joinedCount = 0

    init(_ words: [String]) throws {
        guard let text = words.first, !text.hasPrefix("-") else {
            throw Failure(
                description: "control-load URL [--clients N] [--threads N] [--rate N] [--seconds S] [--pid P]"
            )
        }
        url = try ControlURL(text)
        var rest = words.dropFirst()
        while let word = rest.popFirst() {
            guard let number = rest.popFirst().flatMap({ Int($0) }) else {
                throw Failure(description: "\(word) needs a whole number after it")
            }
            switch word {
            case "--clients": clientCount = number
            case "--threads": threadCount = number
            case "--rate": joinsPerSecond = number
            case "--seconds": seconds = number
            case "--pid": process = Int32(number)
            default: throw Failure(description: "there is no option \(word)")
            }
        }
    }

    mutating func run() throws -> Int32 {
        try raiseDescriptorLimit()
        var poller = try Poller()
        let threads = try (0..<threadCount).map { _ in
            try ControlThread(connectionLimit: 2 * clientCount + 256)
        }
        let before = usage()
        let start = MonotonicClock.now
        let limit = start + .seconds(90)
        while joinedCount < clientCount {
            let now = MonotonicClock.now
            if now > limit { break }
            try connectDue(now - start, threads, poller)
            let count = try poller.wait(until: now + .milliseconds(5))
            for index in 0..<count { serve(Int(poller[index].tag)) }
            reportDue(members.indices, MonotonicClock.now)
        }
        let joined = usage()
        let took = MonotonicClock.now - start
        show("joined", joinedCount, took, from: before, to: joined)
        showWaits()
        let steadyFrom = MonotonicClock.now
        let sentBefore = members.reduce(0) { $0 + $1.sentCount }
        while MonotonicClock.now - steadyFrom < .seconds(Int64(seconds)) {
            let count = try poller.wait(until: MonotonicClock.now + .milliseconds(5))
            for index in 0..<count { serve(Int(poller[index].tag)) }
            reportDue(members.indices, MonotonicClock.now)
        }
        let sent = members.reduce(0) { $0 + $1.sentCount } - sentBefore
        show("steady", sent, MonotonicClock.now - steadyFrom, from: joined, to: usage())
        let broken = members.reduce(0) { $0 + $1.brokenCount }
        for reason in Set(members.map(\.lastReason)).sorted() where !reason.isEmpty {
            print("  \(members.count { $0.lastReason == reason }) times: \(reason)")
        }
        print("connections that broke: \(broken); without parents: \(members.count { !$0.hasParents } - 1)")
        return joinedCount == clientCount && broken == 0 ? 0 : 1
    }

    private func raiseDescriptorLimit() throws {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        guard limit.rlim_cur > 2 * clientCount + 256 else {
            throw Failure(description: "\(clientCount) clients need ulimit -n of \(2 * clientCount + 257)")
        }
    }

    // MARK: Clients

    private mutating func connectDue(
        _ passed: Nanoseconds, _ threads: [ControlThread], _ poller: borrowing Poller
    ) throws {
        // The source is there first; at most 200 handshakes are under way at once.
        let allowed =
            joinsPerSecond == 0 ? Int.max : Int(passed.count * Int64(joinsPerSecond) / 1_000_000_000) + 1
        while members.count < clientCount, members.count < allowed, members.count - joinedCount < 200 {
            if members.count == 1, joinedCount == 0 { return }
            let index = members.count
            let from = "127.\(1 + index / 65_000).\(index % 65_000 / 250).\(1 + index % 250)"
            let client = try ControlClient(
                url, seed: UInt64(index), thread: threads[index % threads.count], from: from)
            try poller.add(client.descriptor, tag: UInt64(index))
            members.append(LoadMember(client, index: index, from: from, url: url))
        }
    }

    private mutating func serve(_ index: Int) {
        if members[index].serve(MonotonicClock.now) { joinedCount += 1 }
    }

    private mutating func reportDue(_ range: Range<Int>, _ now: Instant) {
        for index in range where members[index].reportAt <= now { members[index].report(now) }
    }

    // MARK: What it costs

    private struct Usage {
        var nanoseconds: Int64 = 0
        var residentKilobytes = 0
    }

    private func usage() -> Usage {
        guard let process else { return Usage() }
        var usage = Usage()
        let fields = text("/proc/\(process)/stat").split(separator: ")").last?.split(separator: " ") ?? []
        if fields.count > 12, let user = Int64(fields[11]), let system = Int64(fields[12]) {
            usage.nanoseconds = (user + system) * 1_000_000_000 / Int64(sysconf(Int32(_SC_CLK_TCK)))
        }
        for line in text("/proc/\(process)/status").split(separator: "\n") where line.hasPrefix("VmRSS:") {
            usage.residentKilobytes =
                Int(line.dropFirst(6).split(whereSeparator: \.isWhitespace).first ?? "") ?? 0
        }
        return usage
    }

    private func text(_ path: String) -> String {
        let descriptor = open(path, O_RDONLY)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 8_192)
        let count = read(descriptor, &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }

    private func show(_ what: String, _ count: Int, _ span: Nanoseconds, from: Usage, to: Usage) {
        let milliseconds = max(1, span.count / 1_000_000)
        let cpu = (to.nanoseconds - from.nanoseconds) / 1_000_000
        print(
            "\(what): \(count) in \(milliseconds) ms (\(count * 1000 / Int(milliseconds)) a second); "
                + "coordinator: \(cpu) ms CPU (\(cpu * 100 / milliseconds) % of a core), "
                + "\(to.residentKilobytes / 1024) MB resident")
    }

    private func showWaits() {
        let waits = members.compactMap(\.wait).sorted()
        guard !waits.isEmpty else { return }
        func share(_ perMille: Int) -> Int64 {
            waits[min(waits.count - 1, waits.count * perMille / 1000)].count / 1_000
        }
        print(
            "from connect to parents, µs: p50 \(share(500)), p95 \(share(950)), p99 \(share(990)), "
                + "most \(waits[waits.count - 1].count / 1_000)")
    }
}
