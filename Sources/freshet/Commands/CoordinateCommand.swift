import FreshetCore
import FreshetEngine
import FreshetNet
import FreshetOverlay

/// `freshet coordinate`: directs the relay trees of one or many streams.
struct CoordinateCommand {
    private static let help = """
        Direct relay trees: say who forwards to whom, for one stream or many. No media passes through here.

        usage: freshet coordinate [--listen ADDRESS:PORT] [--token T] [options]

          --listen ADDRESS:PORT     TCP, for sources, viewers and `freshet top` (default :7400, any address of IPv4)
          --host NAME               the host that join URLs name (default: an address of this host)
          --stream NAME             only this stream may be opened; may be given several times (default: any name)
          --token T                 what sources, viewers and onlookers must show (default: open to all)
          --source-token T          what the source of a stream must show beside (default: one that follows from the key
                                    and the stream's name; without --stream, one for all names)
          --certificate FILE        the certificate as PEM, with --key FILE (default: one made here and kept in
          --key FILE                $XDG_STATE_HOME/freshet or ~/.local/state/freshet); the join URL pins its key
          --depth N                 members between the source and the farthest viewer, at most (default 10)
          --children N              children of a member that says nothing of its uplink (default 4)
          --stripes N               stripes that a stream is split into, 1 to 15 (default 1)
          --parity                  one more stripe with parity behind them
          --backups N               warm backup parents per stripe, 0 to 2 (default 2)
          --wait N                  give nobody a parent before N members are there, or 30 s have passed
          --members N               members of one stream, at most (default 250000)
          --connections N           connections at once (default 16384)
          --per-address N           of these from one address (default 256)
          --seed N                  seed of every random choice (default: the system's randomness)
          --quiet                   print no URL

        Printed are two URLs for each stream: the first is for viewers; the second, with source=…, is for the source alone.

        The pages https://HOST:PORT/streams and /streams/NAME (with ?token=…) show the same as `freshet top`, as JSON.

        examples:
          freshet coordinate --listen :7400 --token "open sesame"
          freshet send clip.mp4 --to 'freshet://origin:7400/show?pin=…&source=…'
          freshet watch 'freshet://origin:7400/show?pin=…'

        Members go on without a coordinator, and come back to it when it is there again. Exit status: 0 ended by SIGINT or
        SIGTERM, 1 could not go on, 2 wrong usage.
        """
    private static let valued = [
        "listen", "host", "stream", "token", "source-token", "certificate", "key", "depth", "children",
        "stripes", "backups",
        "wait", "members", "connections", "per-address", "seed",
    ]

    /// Runs the command.
    static func run(_ words: [String]) throws(PipelineError) -> Int32 {
        if OptionWords.wantsHelp(words) {
            Terminal.print(help)
            return CommandLineTool.Status.done
        }
        let given = try OptionWords(words, of: "coordinate", valued: valued, flags: ["parity", "quiet"])
        if let word = given.rest.first {
            throw .usage("coordinate does not know what to do with '\(word)'; see freshet coordinate --help")
        }
        let options = try options(given)
        // Before any thread is made: the signals are this thread's.
        let signals = try Signals()
        let service: CoordinatorService
        do { service = try CoordinatorService.start(options) } catch { throw PipelineError(error) }
        if !given.flags.contains("quiet") {
            let names = options.streamNames.isEmpty ? ["NAME"] : options.streamNames
            do {
                for name in names {
                    Terminal.print("\(service.joinURL(name: name))")
                    Terminal.print("\(try service.sourceURL(name: name))")
                }
            } catch { throw PipelineError(error) }
        }
        Terminal.error("freshet: coordinating on port \(service.port)")
        try signals.wait()
        service.stop()
        return CommandLineTool.Status.done
    }

    private static func options(_ given: OptionWords) throws(PipelineError) -> CoordinatorOptions {
        var options = CoordinatorOptions()
        options.listen = given.text("listen") ?? options.listen
        options.publicHost = given.text("host") ?? ""
        options.streamNames = given.texts("stream")
        options.token = given.text("token") ?? ""
        options.sourceToken = given.text("source-token") ?? ""
        options.certificatePath = given.text("certificate")
        options.keyPath = given.text("key")
        options.tree.depthLimit = try given.number("depth", in: 1...15) ?? options.tree.depthLimit
        options.tree.defaultChildren =
            try given.number("children", in: 0...1_000) ?? options.tree.defaultChildren
        options.tree.stripeCount = try given.number("stripes", in: 1...15) ?? options.tree.stripeCount
        options.tree.hasParity = given.flags.contains("parity")
        options.tree.backupCount = try given.number("backups", in: 0...2) ?? options.tree.backupCount
        options.tree.waitForMembers = try given.number("wait", in: 0...1_000_000) ?? 0
        options.tree.memberLimit = try given.number("members", in: 1...10_000_000) ?? options.tree.memberLimit
        options.limits.connectionCount =
            try given.number("connections", in: 1...1_000_000) ?? options.limits.connectionCount
        options.limits.connectionsPerAddress =
            try given.number("per-address", in: 1...1_000_000) ?? options.limits.connectionsPerAddress
        options.seed = UInt64(try given.number("seed", in: 0...Int.max) ?? Int(SystemRandom.next() >> 1))
        return options
    }
}

/// SIGINT and SIGTERM, waited for.
struct Signals: ~Copyable {
    private let source: SignalSource

    /// Takes them from now on.
    init() throws(PipelineError) {
        do { source = try SignalSource() } catch { throw PipelineError(.failure, error.message) }
    }

    /// Waits for one, at most until `deadline`; true when one came.
    @discardableResult
    func wait(until deadline: Instant? = nil, orFor descriptor: Int32? = nil) throws(PipelineError) -> Bool {
        do {
            var poller = try Poller()
            try poller.add(source.number, tag: 1)
            if let descriptor { try poller.add(descriptor, tag: 2) }
            while true {
                _ = try poller.wait(until: deadline)
                if source.next() != nil { return true }
                if descriptor != nil { return false }
                if let deadline, deadline <= MonotonicClock.now { return false }
            }
        } catch { throw PipelineError(.failure, error.message) }
    }
}
