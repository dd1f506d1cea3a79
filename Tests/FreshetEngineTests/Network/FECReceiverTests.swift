import FreshetCore
import FreshetNet
import FreshetWire
import Testing

@testable import FreshetEngine

@Suite struct FECReceiverTests {
    @Test func `a burst is mended by sliding-window parity`() throws {
        let bench = try FECBench(fec: "rlc:20%:60ms")
        bench.isLost = { (40..<46).contains($0) }
        try bench.send(0..<100)
        try bench.receiver.run(untilSeen: 100)
        #expect(bench.received.sorted().elementsEqual(0..<100))
        #expect(bench.receiver.count(.parityIn) == 20 && bench.sender.count(.parityOut) == 20)
        #expect(bench.heard[2] == 20 && bench.heard[4] == nil)
    }

    @Test(arguments: ["2022-1:5x5", "2022-1:5x5:columns", "2022-1:10x10", "2022-1:4x6"])
    func `a loss in each column is mended by parity of the matrix`(_ fec: String) throws {
        let bench = try FECBench(fec: fec)
        bench.isLost = { (203..<206).contains($0) || $0 == 230 }
        try bench.send(0..<420)
        try bench.receiver.run(untilSeen: 420)
        #expect(bench.received.sorted().elementsEqual(0..<420))
        #expect(bench.heard[2] ?? 0 > 0)
        #expect((bench.heard[4] ?? 0 > 0) == !fec.contains("columns"))
    }

    @Test func `what is at the very end is mended too`() throws {
        let bench = try FECBench(fec: "rlc:10%:60ms")
        bench.isLost = { $0 >= 97 }
        try bench.send(0..<100)
        try bench.sender.finish()
        try bench.pass()
        try bench.receiver.run(untilSeen: 100)
        #expect(bench.received.sorted().elementsEqual(0..<100))
    }

    @Test func `the rate follows the loss that receivers report, from its floor to its cap`() throws {
        let bench = try FECBench(fec: "rlc:5%-30%:60ms")
        func share(_ numbers: Range<Int>) throws -> Int {
            let before = bench.heard[2] ?? 0
            try bench.send(numbers)
            return ((bench.heard[2] ?? 0) - before) * 1000 / numbers.count
        }
        // Reports go out every half second.
        #expect(abs(try share(0..<1000) - 50) <= 3)
        bench.reported = 26
        try bench.send(1000..<6000)
        // Ten percent: twice that and a little.
        #expect((200...225).contains(try share(6000..<8000)))
        bench.reported = 255
        try bench.send(8000..<13_000)
        #expect(abs(try share(13_000..<15_000) - 300) <= 3)
        bench.reported = nil
        try bench.send(15_000..<23_000)
        #expect(abs(try share(23_000..<25_000) - 50) <= 3)
    }

    @Test func `without being asked for, parity costs no port`() throws {
        let bench = try FECBench(fec: "rlc:10%", receiving: [])
        bench.isLost = { $0 == 40 }
        try bench.send(0..<60)
        try bench.receiver.run(untilSeen: 59)
        #expect(bench.receiver.count(.parityIn) == 0)
        #expect(!bench.received.contains(40))
    }

    @Test func `parity that lies costs a count and nothing else`() throws {
        let bench = try FECBench(fec: "rlc:20%:60ms")
        var random = PRNG(seed: 9)
        bench.alter = { bytes in
            var scrambled = bytes
            for place in 12..<min(28, bytes.count) {
                scrambled[place] = UInt8(truncatingIfNeeded: random.next())
            }
            let cut = Array(bytes.prefix(Int(random.below(UInt64(bytes.count)))))
            return [scrambled, cut, [], bytes, bytes]
        }
        bench.isLost = { (40..<43).contains($0) }
        try bench.send(0..<100)
        try bench.receiver.run(untilSeen: 100)
        #expect(bench.received.sorted().elementsEqual(0..<100))
        #expect(bench.receiver.count(.malformed) > 20)
    }
}
