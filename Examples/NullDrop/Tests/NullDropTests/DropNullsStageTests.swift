import Foundation
import FreshetEngine
import NullDrop
import Testing

struct DropNullsStageTests {
    /// Runs `stages` between a file of `packets` and another file; gives the other file's packets by PID.
    private func run(_ stages: String, _ packets: [UInt16]) throws -> [UInt16] {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("drop-nulls-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (from, to) = (folder.appendingPathComponent("in.ts"), folder.appendingPathComponent("out.ts"))
        var stream = Data()
        for pid in packets {
            stream += Data([0x47, UInt8(pid >> 8), UInt8(pid & 255), 0x10])
            stream += Data(repeating: UInt8(pid & 255), count: 184)
        }
        try stream.write(to: from)
        try Engine(Pipeline(text: "demux input=\(from.path) ! \(stages) ! file path=\(to.path)")).run { _ in }
        let got = try Data(contentsOf: to)
        return stride(from: 0, to: got.count, by: 188).map {
            UInt16(got[$0 + 1] & 0x1F) << 8 | UInt16(got[$0 + 2])
        }
    }

    /// Media packets with `nulls` null packets after each.
    private func stream(nulls: Int) -> [UInt16] {
        (0..<200).flatMap { [UInt16(0x100 + $0 % 3)] + [UInt16](repeating: 0x1FFF, count: nulls) }
    }

    @Test("Null packets go, and everything else stays in order")
    func nullsGo() throws {
        #expect(try run("drop-nulls", stream(nulls: 3)) == stream(nulls: 0))
    }

    @Test("One null packet in so many is let through")
    func someStay() throws {
        let got = try run("drop-nulls keep=100", stream(nulls: 3))
        #expect(got.filter { $0 == 0x1FFF }.count == 6)
        #expect(got.filter { $0 != 0x1FFF } == stream(nulls: 0))
    }

    @Test("The stage is known by its name, and a wrong parameter is refused")
    func known() throws {
        #expect(StageRegistry().kinds.contains { $0.descriptor.name == "drop-nulls" })
        #expect(throws: PipelineError.self) { try run("drop-nulls kep=1", stream(nulls: 0)) }
    }
}
