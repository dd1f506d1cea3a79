import Glibc

do {
    var load = try ControlLoad(Array(CommandLine.arguments.dropFirst()))
    exit(try load.run())
} catch {
    print("control-load: \(error)")
    exit(1)
}
