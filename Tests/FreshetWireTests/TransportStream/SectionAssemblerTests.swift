import FreshetCore
import FreshetWire
import Testing

@Suite struct SectionAssemblerTests {
    /// Cuts `sections`, one after the other, into packets of `pid`.
    private func packets(_ sections: [Wire], pid: UInt16) -> [Wire] {
        var packets: [Wire] = []
        for section in sections {
            var rest = [0] + section.bytes
            var isFirst = true
            while !rest.isEmpty {
                let counter = UInt8(packets.count & 0x0F)
                let head: [UInt8] = [
                    0x47, UInt8(pid >> 8) | (isFirst ? 0x40 : 0), UInt8(pid & 0xFF), 0x10 | counter,
                ]
                let part = rest.prefix(184)
                packets.append(Wire(head + part + Array(repeating: 0xFF, count: 184 - part.count)))
                rest.removeFirst(part.count)
                isFirst = false
            }
        }
        return packets
    }

    private func stream(count: Int) -> Wire {
        let entries = (0..<count).flatMap { index -> [UInt8] in [0x1B, 0xE1, UInt8(index & 0xFF), 0xF0, 0] }
        return ProgramTablesTests.section(tableID: 2, number: 1, [0xE1, 0x00, 0xF0, 0x00] + entries)
    }

    /// How many streams each completed section names.
    private func assemble(_ packets: [Wire]) -> [Int] {
        var assembler = SectionAssembler()
        var counts: [Int] = []
        for wire in packets {
            wire.read { bytes in
                guard let packet = TSPacket(parsing: bytes) else { return }
                assembler.take(packet, bytes: bytes) { section in
                    var streams = section.streams
                    var count = 0
                    while streams.next() != nil { count += 1 }
                    counts.append(count)
                }
            }
        }
        return counts
    }

    @Test func putsSectionsOfManyPacketsTogether() {
        #expect(
            assemble(packets([stream(count: 1), stream(count: 150), stream(count: 200)], pid: 0x20)) == [
                1, 150, 200,
            ])
    }

    @Test func dropsASectionThatLostAPacketAndTakesTheNext() {
        var wires = packets([stream(count: 150), stream(count: 3)], pid: 0x20)
        wires.remove(at: 2)
        #expect(assemble(wires) == [3])
    }

    @Test func takesADuplicateOnce() {
        let wires = packets([stream(count: 150)], pid: 0x20)
        #expect(assemble(wires.flatMap { [$0, $0] }) == [150])
    }

    @Test func neverTraps() {
        var random = PRNG(seed: 44)
        let wires = packets([stream(count: 1), stream(count: 100)], pid: 0x20)
        for _ in 0..<3_000 {
            let counts = assemble(wires.map { random.chance(1, in: 3) ? $0.mutated(&random) : $0 })
            #expect(counts.count <= 2)
        }
    }
}
