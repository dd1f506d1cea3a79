import CAllocationCounter
import FreshetCore
import FreshetEngine
import Glibc

/// An endless transport stream of constant rate made in memory: a PCR in every 25th packet.
private struct EndlessStream: Stage, ~Copyable {
    private var packetIndex = 0

    init() {}
    init(arguments: StageArguments) throws(StageError) {}

    static var descriptor: StageDescriptor {
        StageDescriptor(name: "test-endless", summary: "", takes: .none, gives: .transportStream, example: "")
    }

    mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        while output.count < 8, var packet = context.allocate() {
            for _ in 0..<7 {
                let index = packetIndex
                packet.append(byteCount: 188) { EndlessStream.write(&$0, index) }
                packetIndex += 1
            }
            packet.info.arrival = context.now
            output.append(packet)
        }
    }

    /// One packet of PID 256; a PCR for 8 Mbit/s in every 25th.
    private static func write(_ bytes: inout MutableRawSpan, _ index: Int) {
        func put(_ value: Int, _ offset: Int) {
            bytes.storeBytes(of: UInt8(truncatingIfNeeded: value), toByteOffset: offset, as: UInt8.self)
        }
        let hasPCR = index % 25 == 0
        put(0x47, 0)
        put(0x01, 1)
        put(0x00, 2)
        put((hasPCR ? 0x30 : 0x10) | (index & 15), 3)
        guard hasPCR else { return }
        let base = index * 188 * 8 * 90 / 8_000
        put(7, 4)
        put(0x10, 5)
        put(base >> 25, 6)
        put(base >> 17, 7)
        put(base >> 9, 8)
        put(base >> 1, 9)
        put((base & 1) << 7 | 0x7E, 10)
    }
}

/// Swallows packets and counts them.
private struct CountingSink: Stage, ~Copyable {
    init() {}
    init(arguments: StageArguments) throws(StageError) {}

    static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "test-sink", summary: "", takes: [.rtp, .transportStream], gives: .none, example: "")
    }

    mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        while input.popFirst() != nil { context.counters.add(.packetsIn) }
    }
}

/// One line of stages between the endless stream and the sink, on virtual time.
private final class Case {
    private let line: Line
    private let sink: AnyStage
    private var now = Instant(nanoseconds: 1_000_000_000)

    init(_ names: [String]) throws {
        let registry = StageRegistry()
        let pool = PacketPool(slotCount: 4096)
        func context() -> StageContext { StageContext(pool: pool, random: PRNG(seed: 1)) }
        sink = StageBox(CountingSink(), context: context())
        var stages: [AnyStage] = [StageBox(EndlessStream(), context: context())]
        for name in names {
            guard let kind = registry[name] else { throw StageError.usage("there is no stage \(name)") }
            // A report to a person is a text; none falls into the time that is counted.
            let texts =
                name == "pace" ? [(name: "mode", text: "off")] : name == "stats" ? [("interval", "1h")] : []
            stages.append(
                try kind.make(try StageArguments(descriptor: kind.descriptor, texts: texts), context()))
        }
        stages.append(sink)
        let steps = stages.map { LineStep($0, at: nil, batchCapacity: 64) }
        line = Line(steps, hasOwnSource: true, isBranch: false, release: {})
        try line.start(now: now)
    }

    func run(turns: Int) {
        for _ in 0..<turns {
            now = now + .milliseconds(1)
            _ = line.turn(now: now)
        }
    }

    var packetCount: Int { sink.context.counters[.packetsIn] }
}

/// Counts the calls to the allocator that the packet path makes after its start: there must be none.
@main enum AllocationCheck {
    private static let lines = [
        ["packetize"], ["packetize", "pace"], ["packetize", "reorder", "depacketize"],
        ["packetize", "jitter", "depacketize"], ["packetize", "impair"], ["packetize", "stats"],
    ]

    static func main() {
        var failedCount = 0
        for names in lines {
            do { if try !passes(names) { failedCount += 1 } } catch {
                print("\(names.joined(separator: " ! ")): \(error)")
                failedCount += 1
            }
        }
        do { if try !passesTree() { failedCount += 1 } } catch {
            print("a tree's relay: \(error)")
            failedCount += 1
        }
        do { if try !passesLink() { failedCount += 1 } } catch {
            print("a lossy way: \(error)")
            failedCount += 1
        }
        print("\(lines.count + 2 - failedCount) passed, \(failedCount) failed")
        exit(failedCount == 0 ? 0 : 1)
    }

    private static func passesTree() throws -> Bool {
        let tree = try TreeCase(
            source: { StageBox(EndlessStream(), context: $0) },
            sink: { StageBox(CountingSink(), context: $0) })
        let (allocations, packets) = tree.measure()
        print("a tree's relay with four children: \(allocations) allocations for \(packets) packets")
        return allocations == 0 && packets > 500
    }

    private static func passesLink() throws -> Bool {
        let link = try LinkCase(
            source: { StageBox(EndlessStream(), context: $0) },
            sink: { StageBox(CountingSink(), context: $0) })
        let (allocations, packets, repairs) = link.measure()
        print(
            "over a lossy way: \(allocations) allocations for \(packets) packets, \(repairs) of them sent again"
        )
        return allocations == 0 && packets > 500 && repairs > 5
    }

    private static func passes(_ names: [String]) throws -> Bool {
        let line = try Case(names)
        line.run(turns: 1_000)
        let before = line.packetCount
        allocation_counter_begin()
        line.run(turns: 1_000)
        let allocations = allocation_counter_end()
        let packets = line.packetCount - before
        print("\(names.joined(separator: " ! ")): \(allocations) allocations for \(packets) packets")
        return allocations == 0 && packets > 500
    }
}
