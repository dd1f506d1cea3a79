import Foundation
import Synchronization

/// Times at which this machine stood still: somebody who sleeps 5 ms on a processor was called much too late.
///
/// A virtual machine's host may take its processors away for a tenth of a second at a time. Who sends and receives in
/// real time is then late through no fault of its own, and a latency of 60 ms is missed however good the code.
public enum Standstills {
    /// What counts as one. The load of the tests themselves delays somebody who has slept by less: the scheduler puts
    /// him before those who compute.
    private static let leastMilliseconds = 30

    private static let counter = Atomic<Int>(0)

    /// Standstills seen since the first call, on any processor.
    public static var count: Int {
        _ = watches
        return counter.load(ordering: .relaxed)
    }

    /// A thread for each processor, started once.
    private static let watches: Void = {
        for processor in 0..<sysconf(Int32(_SC_NPROCESSORS_ONLN)) {
            Thread.detachNewThread { watch(processor) }
        }
    }()

    private static func watch(_ processor: Int) {
        stay(on: processor)
        while true {
            let began = ContinuousClock.now
            usleep(5_000)
            if ContinuousClock.now - began > .milliseconds(5 + leastMilliseconds) {
                counter.add(1, ordering: .relaxed)
            }
        }
    }

    /// Keeps the calling thread on one processor; where it may not, it stays where it is.
    private static func stay(on processor: Int) {
        // Glibc declares it for GNU sources alone, which Swift's import is not.
        guard let symbol = dlsym(nil, "sched_setaffinity") else { return }
        typealias SetAffinity = @convention(c) (pid_t, Int, UnsafeRawPointer) -> CInt
        var processors = [UInt64](repeating: 0, count: 16)
        guard processor / 64 < processors.count else { return }
        processors[processor / 64] = 1 << (processor % 64)
        _ = unsafeBitCast(symbol, to: SetAffinity.self)(0, 8 * processors.count, processors)
    }
}
