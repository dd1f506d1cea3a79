import FreshetCoding
import FreshetCore
import Glibc

/// Codes against the clock and against each other.
///
///   coding-bench           speed, allocations, a small grid; exit status 1 when a bound is missed
///   coding-bench grid      sliding windows against blocks over bad links, a table
///   coding-bench blocks    sliding windows against a real Reed–Solomon coder over bad links, a table
///   coding-bench curve     what is lost after repair, by overhead
@main enum CodingBench {
    static func main() {
        switch CommandLine.arguments.dropFirst().first {
        case nil: exit(speed() ? 0 : 1)
        case "grid": grid()
        case "blocks": blocks()
        case "curve": curve()
        default:
            print("usage: coding-bench [grid | blocks | curve]")
            exit(2)
        }
    }

    private static func text(_ value: Double, _ places: Int = 1) -> String {
        var scale = 1
        for _ in 0..<places { scale *= 10 }
        let rounded = Int((value * Double(scale)).rounded())
        if places == 0 { return "\(rounded)" }
        let digits = "\(rounded % scale)"
        return "\(rounded / scale)." + String(repeating: "0", count: places - digits.count) + digits
    }

    /// Says whether all bounds hold.
    private static func speed() -> Bool {
        let field = Speed.field()
        print(
            "GF(256) multiply-add: \(text(field.library / 1e9)) GB/s, plain C \(text(field.plain / 1e9, 2)) GB/s,"
        )
        print("  ratio \(text(field.library / field.plain)) (bound: 2 GB/s)")
        let coding = Speed.decoding(losses: 8, window: 64)
        print(
            "8 losses of 64 packets: \(text(coding.decode)) us (bound: 200); a repair \(text(coding.encode)) us"
        )
        let large = Speed.decoding(losses: 32, window: 256)
        print("32 losses of 256 packets: \(text(large.decode)) us; a repair \(text(large.encode)) us")
        let parity = Speed.parityAllocations()
        print(
            "allocations: windows \(coding.allocations + large.allocations), rows and columns \(parity) (bound: 0)"
        )
        let share = gridShare(overhead: 200_000, seeds: 1..<3)
        print("20 ms windows with a hole, at 20 % overhead: \(100 - share) % fewer than blocks (bound: 30)")
        return share <= 70 && field.library >= 2e9 && coding.decode <= 200 && coding.allocations == 0
            && large.allocations == 0
            && parity == 0
    }

    /// Holes over the whole grid with sliding windows, in percent of those with blocks at the same even rate.
    private static func gridShare(overhead: Int, seeds: Range<UInt64>) -> Int {
        var sums = (window: 0, block: 0)
        for run in runs(overhead: overhead) {
            sums.window += run.over(seeds: seeds) { $0.slidingWindow() }.holes
            sums.block += run.over(seeds: seeds) { $0.blocks(.spread) }.holes
        }
        return sums.window * 100 / max(1, sums.block)
    }

    /// Every loss with every burst, at one overhead.
    private static func runs(overhead: Int) -> [LossRun] {
        losses.flatMap { loss in
            bursts.map { burst in
                var run = LossRun()
                run.overhead = overhead
                run.loss = loss
                run.burst = burst
                return run
            }
        }
    }

    private static let losses = [5_000, 10_000, 20_000, 50_000, 100_000]
    private static let bursts = [2, 5, 10, 20]
    private static let seeds: Range<UInt64> = 1..<9

    /// Holes of each code over the grid, in 20 ms windows per 10,000.
    private static func grid() {
        print("20 ms windows with a hole, per 10,000; 8 Mbit/s, every packet within the delay or lost")
        for overhead in [100_000, 200_000, 300_000] {
            var sums = (window: 0, spread: 0, paced: 0, instant: 0)
            print(
                "| overhead | loss | burst | windows | blocks, even rate | fewer | blocks, paced | blocks, at once |"
            )
            for run in runs(overhead: overhead) {
                let window = run.over(seeds: seeds) { $0.slidingWindow() }
                let spread = run.over(seeds: seeds) { $0.blocks(.spread) }.holes
                let paced = run.over(seeds: seeds) { $0.blocks(.paced) }.holes
                let instant = run.over(seeds: seeds) { $0.blocks(.atOnce) }.holes
                sums = (
                    sums.window + window.holes, sums.spread + spread, sums.paced + paced,
                    sums.instant + instant
                )
                func share(_ count: Int) -> String {
                    text(Double(count) * 10_000 / Double(window.windows))
                }
                print(
                    "| \(overhead / 10_000) % | \(text(Double(run.loss) / 10_000)) % | \(run.burst) "
                        + "| \(share(window.holes)) | \(share(spread)) | \(fewer(window.holes, spread)) "
                        + "| \(share(paced)) | \(share(instant)) |")
            }
            print(
                "all at \(overhead / 10_000) %: windows \(sums.window); even rate \(sums.spread) "
                    + "(\(fewer(sums.window, sums.spread)) fewer), paced \(sums.paced) "
                    + "(\(fewer(sums.window, sums.paced)) fewer), at once \(sums.instant) "
                    + "(\(fewer(sums.window, sums.instant)) fewer)")
        }
    }

    /// Windows with a hole by the two coders at equal overhead, rate and delay, in percent.
    private static func blocks() {
        print("20 ms windows with a hole, percent; 8 Mbit/s, every packet within 200 ms or lost")
        print("| overhead | loss | burst | sliding windows | Reed–Solomon | fewer |")
        for overhead in [100_000, 200_000, 300_000] {
            var sums = (window: 0, block: 0)
            for run in runs(overhead: overhead) {
                let window = run.over(seeds: seeds) { $0.slidingWindow() }
                let block = run.over(seeds: seeds) { $0.reedSolomon() }
                let counted = run.over(seeds: seeds) { $0.blocks(.spread) }
                if block.holes != counted.holes { fatalError("the coder is no Reed–Solomon code") }
                sums = (sums.window + window.holes, sums.block + block.holes)
                func percent(_ count: Int) -> String {
                    text(Double(count) * 100 / Double(window.windows), 2)
                }
                print(
                    "| \(overhead / 10_000) % | \(text(Double(run.loss) / 10_000)) % | \(run.burst) "
                        + "| \(percent(window.holes)) | \(percent(block.holes)) "
                        + "| \(fewer(window.holes, block.holes)) |")
            }
            print("all at \(overhead / 10_000) %: \(fewer(sums.window, sums.block)) fewer")
        }
    }

    private static func fewer(_ count: Int, _ others: Int) -> String {
        others == 0 ? "–" : "\(100 - (count * 100 + others / 2) / others) %"
    }

    /// Residual loss by overhead, of sliding windows without feedback.
    private static func curve() {
        for loss in [10_000, 50_000, 100_000] {
            for burst in [1, 5] {
                for overhead in [50_000, 100_000, 150_000, 200_000, 300_000, 400_000] {
                    var run = LossRun()
                    run.overhead = overhead
                    run.loss = loss
                    run.burst = burst
                    let result = run.over(seeds: seeds) { $0.slidingWindow() }
                    print(
                        "loss \(text(Double(loss) / 10_000)) % burst \(burst) overhead \(overhead / 10_000) %: residual "
                            + "\(result.residual) of \(result.packets) "
                            + "(\(text(Double(result.residual) * 1e6 / Double(result.packets), 0)) ppm)")
                }
            }
        }
    }
}
