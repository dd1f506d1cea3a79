import FreshetCore
import FreshetEngine
import FreshetPipelines
import Testing

/// A source of numbered packets, for tests.
struct CountingSource: Stage, ~Copyable {
    private let count: Int
    private var given = 0

    init(arguments: StageArguments) throws(StageError) { count = arguments.integer("count") ?? 0 }

    static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "test-count", summary: "numbers", takes: .none, gives: .bytes,
            parameters: [StageParameter("count", .integer(0...Int.max), default: "10", "how many packets")],
            example: "")
    }

    mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        while given < count && !output.isFull {
            guard var packet = context.allocate() else { return }
            var value = given
            withUnsafeBytes(of: &value) { packet.append($0.bytes) }
            given += 1
            output.append(packet)
        }
        if given == count { context.finishSource() }
    }
}

/// A sink that checks that packets come in order, none missing.
struct OrderSink: Stage, ~Copyable {
    private var expected = 0
    private let stallAt: Int

    init(arguments: StageArguments) throws(StageError) { stallAt = arguments.integer("fail-at") ?? -1 }

    static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "test-order", summary: "checks order", takes: .bytes, gives: .none,
            parameters: [
                StageParameter("fail-at", .integer(0...Int.max), default: "", "fail at this packet")
            ],
            mayBlock: true, example: "")
    }

    mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        while let packet = input.popFirst() {
            let value = packet.unsafeBytes.loadUnaligned(as: Int.self)
            if value != expected { throw .failure("packet \(value) came where \(expected) was due") }
            if value == stallAt { throw .failure("told to fail at \(value)") }
            expected += 1
            context.counters.add(.packetsIn)
        }
    }
}

@Suite struct PipelineTests {
    private var registry: StageRegistry {
        var registry = StageRegistry()
        registry.add(StageKind(CountingSource.self))
        registry.add(StageKind(OrderSink.self))
        return registry
    }

    private func error(_ text: String) -> String {
        do {
            _ = try Pipeline(text: text, registry: registry)
            return "no error"
        } catch { return "\(error)" }
    }

    @Test func wrongPlugsNameBothStages() {
        #expect(
            error("test-count")
                == "pipeline:1:1: test-count gives bytes to nobody; end the line with a sink such as \(sinks)"
        )
        #expect(
            error("test-order").hasPrefix("pipeline:1:1: test-order takes bytes and cannot begin a pipeline"))
        #expect(
            error("test-count ! reorder ! test-order").hasPrefix(
                "pipeline:1:14: test-count gives bytes but reorder takes"))
        #expect(
            error("test-count ! test-order ! test-order")
                == "pipeline:1:27: test-order gives nothing, so nothing can follow it")
        #expect(
            error("test-count ! test-count ! test-order").hasPrefix(
                "pipeline:1:14: test-count gives bytes but test-count takes nothing"))
    }

    private var sinks: String {
        let sinks = ["record", "stdout", "udp-send", "multicast-send"].filter { registry[$0] != nil }
        return sinks.isEmpty ? "file" : sinks.joined(separator: ", ")
    }

    @Test func unknownNamesSuggestTheNearest() {
        #expect(
            error("test-cuont ! test-order")
                == "pipeline:1:1: there is no stage 'test-cuont'; did you mean test-count?")
        #expect(
            error("test-count cuont=3 ! test-order")
                == "pipeline:1:12: test-count has no parameter 'cuont'; did you mean count?")
        #expect(
            error("test-count count=x ! test-order")
                == "pipeline:1:12: test-count: count must be a whole number from 0, not 'x'")
        #expect(error("test-count count=1 count=2 ! test-order") == "pipeline:1:20: count is given twice")
        #expect(error("test-count ! tee") == "pipeline:1:14: tee needs branches: tee [ … ] [ … ]")
        #expect(error("test-count [ test-order ]") == "pipeline:1:1: only tee has branches, not test-count")
    }

    @Test func drawingShowsEveryStageAndBranch() throws {
        let pipeline = try Pipeline(
            text: "test-count count=5 ! tee [ test-order ] [ exec command='cat -' ! test-order ]",
            registry: registry)
        #expect(
            PipelineDiagram.draw(pipeline) == """
                test-count count=5 ! tee [ test-order ] [ exec command='cat -' ! test-order ]

                test-count  count=5
                  │ bytes
                tee
                  ├─ bytes
                  │  test-order
                  └─ bytes
                     exec  command='cat -'
                       │ transportStream|bytes
                     test-order
                """)
    }

    @Test(arguments: ThreadingMode.allCases) func everyPacketComesInOrder(_ mode: ThreadingMode) throws {
        let count = 50_000
        let pipeline = try Pipeline(text: "test-count count=\(count) ! test-order", registry: registry)
        var options = EngineOptions()
        options.threads = mode
        let engine = try Engine(pipeline, options: options)
        try engine.run { _ in }
        #expect(engine.counters().last { $0.name == "test-order" }?.counters[.packetsIn] == count)
    }

    @Test func aFileSourceHasAThreadOfItsOwnWhereSomethingKeepsTime() throws {
        let file = #filePath
        func threads(_ text: String) throws -> Int {
            try Engine(try Pipeline(text: text, registry: registry)).threadCount
        }
        #expect(try threads("demux input=\(file) ! packetize ! pace ! udp-send to=rtp://127.0.0.1:9") == 2)
        #expect(
            try threads("demux input=\(file) ! packetize ! pace mode=off ! udp-send to=rtp://127.0.0.1:9")
                == 1)
        #expect(try threads("demux input=- ! packetize ! udp-send to=rtp://127.0.0.1:9") == 2)
    }

    @Test func aFailingBranchLeavesItsSiblingAlone() throws {
        let pipeline = try Pipeline(
            text: "test-count count=20000 ! tee policy=wait [ test-order fail-at=100 ] [ test-order ]",
            registry: registry)
        let engine = try Engine(pipeline)
        #expect(throws: PipelineError.self) { try engine.run { _ in } }
        let counts = engine.counters().filter { $0.name == "test-order" }.map { $0.counters[.packetsIn] }
        #expect(counts.sorted() == [100, 20000])
        #expect(engine.failure?.message == "told to fail at 100")
    }

    @Test func aFullBranchLosesItsOwnPacketsOnly() throws {
        // Inline: the first branch's stage is never given time before the tee has pushed a whole batch.
        let pipeline = try Pipeline(
            text:
                "test-count count=20000 ! tee queue=8 policy=drop-oldest [ exec-sink command='sleep 0.3' ] [ test-order ]",
            registry: registry)
        var options = EngineOptions()
        options.threads = .split
        let engine = try Engine(pipeline, options: options)
        do { try engine.run { _ in } } catch { #expect("\(error)".contains("came where")) }
        #expect(engine.counters().contains { $0.name == "tee" && $0.counters[.queueDrops] > 0 })
    }

    @Test func everyEmbeddedPipelineCanBeChecked() throws {
        for (name, text) in EmbeddedPipelines.all {
            let description = try PipelineFile.read(text, name: name, file: name)
            #expect(!description.summary.isEmpty && !description.examples.isEmpty)
        }
    }

    @Test func queryOfTheSourceSetsTheLatencyUnlessItIsGiven() throws {
        let pipeline = try embedded("watch")
        func latency(_ given: [(name: String, text: String)]) throws -> String? {
            let stages = try PipelineParameters(of: pipeline, given: given).resolvedStages()
            let jitter = try #require(stages.first { $0.name == "jitter" })
            return jitter.arguments.first { $0.name == "latency" }?.text
        }
        let source = "rtp://239.77.1.1:5004?interface=lo&latency=750"
        #expect(try latency([("source", source)]) == "750")
        #expect(try latency([("source", source), ("latency", "90ms")]) == "90ms")
        #expect(try latency([("source", "rtp://239.77.1.1:5004")]) == "200ms")
        #expect(throws: PipelineError.self) {
            try latency([("source", "rtp://239.77.1.1:5004?latency=soon")])
        }
    }

    @Test(arguments: ["-", "srt://127.0.0.1:7000", "rtmp://h/live", "/dev/video0"])
    func paceFollowsTheClockOfALiveSource(input: String) throws {
        #expect(try follows(input))
        #expect(try !follows("clip.mp4"))
    }

    private func follows(_ input: String) throws -> Bool {
        let parameters = try PipelineParameters(
            of: try embedded("send"), given: [("input", input), ("to", "rtp://239.77.1.1:5004")])
        let pace = try #require(try parameters.resolvedStages().first { $0.name == "pace" })
        return pace.arguments.contains { $0.name == "follow" && $0.text == "true" }
    }

    private func embedded(_ name: String) throws -> PipelineDescription {
        let text = try #require(EmbeddedPipelines.text(of: name))
        return try PipelineFile.read(text, name: name, file: name)
    }
}
