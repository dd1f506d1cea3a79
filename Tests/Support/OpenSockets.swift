import Foundation

/// The sockets that a process has open, as `/proc` tells it.
enum OpenSockets {
    /// The inodes of the sockets of `process` and of all that it started.
    static func ofFamily(_ process: Int32) -> Set<Substring> {
        children(of: process).reduce(into: of(process)) { $0.formUnion(ofFamily($1)) }
    }

    private static func of(_ process: Int32) -> Set<Substring> {
        let folder = "/proc/\(process)/fd"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        let targets = names.compactMap {
            try? FileManager.default.destinationOfSymbolicLink(atPath: folder + "/" + $0)
        }
        return Set(targets.filter { $0.hasPrefix("socket:[") }.map { $0.dropFirst(8).dropLast() })
    }

    /// The children of every thread: any thread may have started a process.
    private static func children(of process: Int32) -> [Int32] {
        let folder = "/proc/\(process)/task"
        let threads = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return threads.flatMap { thread in
            let text = (try? String(contentsOfFile: "\(folder)/\(thread)/children", encoding: .utf8)) ?? ""
            return text.split(separator: " ").compactMap { Int32($0) }
        }
    }
}
