import FreshetCore
import FreshetStages
import Testing

@Suite struct DepacketizeStageTests {
    /// One RTP packet of `packetCount` TS packets behind a header of `headerByteCount` bytes.
    private func fill(
        _ packet: inout Packet, packetCount: Int, headerByteCount: Int = 12, padding: Int = 0,
        badSyncCount: Int = 0
    ) {
        let byteCount = headerByteCount + packetCount * 188 + padding
        packet.info.headerByteCount = UInt16(headerByteCount)
        packet.info.flags = .hasSequence
        packet.append(byteCount: byteCount) { bytes in
            for offset in 0..<byteCount {
                bytes.storeBytes(
                    of: UInt8(truncatingIfNeeded: offset &* 7), toByteOffset: offset, as: UInt8.self)
            }
            bytes.storeBytes(of: padding > 0 ? 0xA0 : 0x80, toByteOffset: 0, as: UInt8.self)
            for index in 0..<packetCount {
                let sync: UInt8 = index < badSyncCount ? 0x00 : 0x47
                bytes.storeBytes(of: sync, toByteOffset: headerByteCount + index * 188, as: UInt8.self)
            }
            if padding > 0 {
                bytes.storeBytes(of: UInt8(padding), toByteOffset: byteCount - 1, as: UInt8.self)
            }
        }
    }

    private func bytes(_ packet: borrowing Packet) -> [UInt8] { Array(packet.unsafeBytes) }

    @Test(arguments: [(12, 0), (16, 0), (72, 0), (12, 4), (28, 200)])
    func theHeaderAndThePaddingGoAndTheRestIsUntouched(headerByteCount: Int, padding: Int) throws {
        let bench = try StageBench(DepacketizeStage(), slotByteCount: 2048)
        var expected: [UInt8] = []
        var outputs: [[UInt8]] = []
        bench.sink = { packet, _ in
            #expect(packet.info.headerByteCount == 0)
            #expect(!packet.info.flags.contains(.hasSequence))
            outputs.append(Array(packet.unsafeBytes))
        }
        try bench.give(at: milliseconds(1)) { packet in
            fill(&packet, packetCount: 7, headerByteCount: headerByteCount, padding: padding)
            expected = Array(bytes(packet)[headerByteCount..<(headerByteCount + 1316)])
        }
        #expect(outputs == [expected])
    }

    @Test func aSharedPacketKeepsItsHeaderForTheOthers() throws {
        let bench = try StageBench(DepacketizeStage(), slotByteCount: 2048)
        var outputs: [Int] = []
        bench.sink = { packet, _ in outputs.append(packet.byteCount) }
        guard var packet = bench.context.allocate() else { return }
        fill(&packet, packetCount: 7)
        bench.input.append(packet.share())
        try bench.turn()
        #expect(outputs == [1316])
        #expect(packet.info.headerByteCount == 12 && packet.info.flags.contains(.hasSequence))
        _ = consume packet
    }

    @Test func whatIsNoTransportStreamIsDroppedAndCounted() throws {
        let bench = try StageBench(DepacketizeStage(), slotByteCount: 2048)
        try bench.give(at: milliseconds(1)) { fill(&$0, packetCount: 7, badSyncCount: 4) }
        try bench.give(at: milliseconds(2)) { packet in
            fill(&packet, packetCount: 7)
            packet.removeLast(1)
        }
        try bench.give(at: milliseconds(3)) { packet in
            fill(&packet, packetCount: 1, padding: 255)
            packet.removeFirst(200)
        }
        try bench.give(at: milliseconds(4)) { fill(&$0, packetCount: 0) }
        try bench.give(at: milliseconds(5)) { $0.info.headerByteCount = 12 }
        #expect(bench.seen.isEmpty)
        #expect(bench.context.counters[.malformed] == 5)
        try bench.give(at: milliseconds(6)) { fill(&$0, packetCount: 7, badSyncCount: 3) }
        #expect(bench.seen.count == 1)
    }

    @Test func hostileBytesNeverTrap() throws {
        let bench = try StageBench(DepacketizeStage(), slotByteCount: 2048)
        bench.sink = { packet, _ in #expect(packet.byteCount % 188 == 0) }
        var random = PRNG(seed: 5)
        for index in 0..<50_000 {
            try bench.give(at: milliseconds(Int64(index))) { packet in
                packet.info.headerByteCount = UInt16(random.below(100))
                packet.append(byteCount: Int(random.below(1400))) { bytes in
                    guard bytes.byteCount > 0 else { return }
                    bytes.storeBytes(of: UInt8(random.below(256)), toByteOffset: 0, as: UInt8.self)
                    let last = bytes.byteCount - 1
                    bytes.storeBytes(of: UInt8(random.below(256)), toByteOffset: last, as: UInt8.self)
                }
            }
        }
        #expect(bench.context.counters[.malformed] == 50_000)
    }

    @Test func strayBytesOfAKnownSenderPass() throws {
        let bench = try StageBench(DepacketizeStage(), slotByteCount: 2048)
        var sizes: [Int] = []
        bench.sink = { packet, _ in sizes.append(packet.byteCount) }
        /// 100 bytes that are no packet, as a damaged or cut stream has them.
        func stray(_ packet: inout Packet, payloadType: UInt8 = 33, epoch: UInt32 = 0) {
            fill(&packet, packetCount: 0)
            packet.append(byteCount: 100) { _ in }
            packet.modify { $0.storeBytes(of: payloadType, toByteOffset: 1, as: UInt8.self) }
            packet.info.epoch = epoch
        }
        try bench.give(at: milliseconds(1)) { stray(&$0) }
        #expect(sizes.isEmpty)
        try bench.give(at: milliseconds(2)) { fill(&$0, packetCount: 7) }
        try bench.give(at: milliseconds(3)) { stray(&$0) }
        #expect(sizes == [1316, 100])
        try bench.give(at: milliseconds(4)) { stray(&$0, payloadType: 96) }
        try bench.give(at: milliseconds(5)) { stray(&$0, epoch: 1) }
        #expect(sizes == [1316, 100])
        #expect(bench.context.counters[.malformed] == 3)
    }
}
