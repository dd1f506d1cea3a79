import Glibc

do {
    let load = try TreeLoad(LoadOptions(Array(CommandLine.arguments.dropFirst())))
    exit(try load.run())
} catch {
    print("tree-load: \(error)")
    exit(1)
}
