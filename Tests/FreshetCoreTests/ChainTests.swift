import FreshetCore
import Testing

/// Holds every packet until a number of them has come, for tests.
private struct HoldStage: Stage, ~Copyable {
    private var held = FixedRing<Packet>(capacity: 16)
    private let count: Int

    init(_ count: Int) { self.count = count }
    init(arguments: StageArguments) throws(StageError) { count = arguments.integer("count") ?? 1 }

    static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "hold", summary: "", takes: .bytes, gives: .bytes,
            parameters: [StageParameter("count", .integer(1...16), default: "2", "")], example: "")
    }

    mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        while held.count < count, let packet = input.popFirst() { held.append(packet) }
        if held.count == count { give(&output) }
    }

    private mutating func give(_ output: inout PacketBatch) {
        while !output.isFull, let packet = held.popFirst() { output.append(packet) }
    }

    mutating func finish(
        into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) -> Bool {
        give(&output)
        return held.isEmpty
    }
}

@Suite struct ChainTests {
    @Test func twoStagesDrainThroughEachOther() throws {
        let pool = PacketPool(slotCount: 32)
        var context = StageContext(pool: pool, random: PRNG(seed: 1))
        var chain = Chain(HoldStage(3), Chain(HoldStage(2), HoldStage(4)))
        var input = PacketBatch(capacity: 8)
        var output = PacketBatch(capacity: 8)
        for value in 0..<5 {
            guard var packet = pool.allocate() else { return }
            packet.append(byteCount: 1) { $0.storeBytes(of: UInt8(value), toByteOffset: 0, as: UInt8.self) }
            input.append(packet)
        }
        try chain.start(context: &context)
        while !input.isEmpty { try chain.process(&input, into: &output, context: &context) }
        var rounds = 0
        while try !chain.finish(into: &output, context: &context) {
            try chain.process(&input, into: &output, context: &context)
            rounds += 1
            check(rounds < 20)
            if rounds >= 20 { return }
        }
        var values: [UInt8] = []
        while let packet = output.popFirst() { values.append(packet.unsafeBytes[0]) }
        check(values == [0, 1, 2, 3, 4])
        check(pool.usedCount == 0)
    }

    @Test func aBoxRunsTheStageInside() throws {
        let pool = PacketPool(slotCount: 4)
        let box = StageBox(HoldStage(1), context: StageContext(pool: pool, random: PRNG(seed: 1)))
        var input = PacketBatch(capacity: 2)
        var output = PacketBatch(capacity: 2)
        if let packet = pool.allocate() { input.append(packet) }
        try box.process(&input, into: &output)
        check(output.count == 1 && input.isEmpty && box.descriptor.name == "hold")
    }

    @Test func argumentsAreReadAgainstTheDescriptor() throws {
        let descriptor = HoldStage.descriptor
        #expect(try StageArguments(descriptor: descriptor, texts: []).integer("count") == 2)
        #expect(throws: StageError.self) {
            try StageArguments(descriptor: descriptor, texts: [("cont", "3")])
        }
        #expect(throws: StageError.self) {
            try StageArguments(descriptor: descriptor, texts: [("count", "99")])
        }
    }

    @Test func portsFlowWhereTheyFit() {
        check(PortKinds.transportStream.flowing(into: .bytes) == .transportStream)
        check(PortKinds.bytes.flowing(into: .transportStream) == .none)
        check(PortKinds([.samples, .rtp]).flowing(into: [.rtp, .bytes]) == .rtp)
        check(
            PortKinds([.samples, .rtp]).description == "samples|rtp"
                && PortKinds.none.description == "nothing")
    }
}
