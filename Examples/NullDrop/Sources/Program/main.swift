import FreshetEngine
import Glibc
import NullDrop

// Any pipeline, with one stage more than Freshet has:
//   null-drop 'demux input=a.ts ! drop-nulls ! packetize ! pace ! multicast-send group=239.77.1.1:5004'
guard CommandLine.arguments.count == 2 else {
    print("usage: null-drop 'STAGE name=value … ! drop-nulls ! STAGE …'")
    print("stages: " + StageRegistry().kinds.map(\.descriptor.name).joined(separator: " "))
    exit(2)
}
do throws(PipelineError) {
    let engine = try Engine(Pipeline(text: CommandLine.arguments[1]))
    try engine.run { engine in
        for report in engine.takeEvents() { print("\(report.stage): \(report.event)") }
    }
} catch {
    print("null-drop: \(error)")
    exit(1)
}
