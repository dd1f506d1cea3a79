public import FreshetCore
public import FreshetNet

/// Imitates bad networks between real programs: switches between TAP devices and datagram proxies, every
/// link by its own seeded ``LinkModel``.
///
/// One thread, one queue of packets ordered by when they come out, one wait for the next of them or for
/// something to read. Nothing is allocated per packet; when more packets are under way than the plan allows,
/// one more is lost and counted.
public final class LinkEmulator {
    private let links: EmulatedLinks
    private let taps: TapSwitch
    private let proxy: DatagramProxy
    private let seed: UInt64
    private let beginning: Instant
    private var poller: Poller

    private static let signalTag: UInt64 = 1 << 40
    private static let socketTag: UInt64 = 1 << 32

    /// Makes the devices and sockets of `plan`. The links' time begins now.
    public init(_ plan: EmulationPlan) throws(PipelineError) {
        seed = plan.seed
        beginning = MonotonicClock.now
        links = EmulatedLinks(limit: plan.packetLimit, seed: plan.seed, beginning: beginning)
        taps = try TapSwitch(plan.ports, links: links)
        proxy = try DatagramProxy(plan.proxies, links: links)
        do {
            poller = try Poller()
            for port in 0..<taps.portCount {
                try poller.add(taps.descriptor(port), tag: UInt64(port))
            }
            try watchSockets()
        } catch { throw PipelineError(.failure, error.message) }
    }

    private func watchSockets() throws(SystemCallError) {
        try proxy.visitSockets { place, number throws(SystemCallError) in
            try poller.add(number, tag: LinkEmulator.socketTag | UInt64(place))
        }
        proxy.onSocket = { [unowned self] place, number throws(SystemCallError) in
            try poller.add(number, tag: LinkEmulator.socketTag | UInt64(place))
        }
    }

    /// Runs until a signal asks to end or `end` has come; calls `onReport` when a signal asks for a report.
    /// Nothing more is taken then, and what is under way leaves in its time, unless a second signal comes.
    public func run(
        signals: borrowing SignalSource, until end: Instant?, onReport: () -> Void
    ) throws(PipelineError) {
        MonotonicClock.sharpenTimers()
        // Where that is not allowed, packets leave as promptly as the machine's load lets them.
        _ = ThreadPriority.runFirst()
        do {
            try poller.add(signals.number, tag: LinkEmulator.signalTag)
            while true {
                let now = MonotonicClock.now
                if let end, now >= end { break }
                deliver(by: now)
                let count = try poller.wait(until: earliest(links.nextDeparture, end))
                if !serve(count, signals, onReport) { break }
            }
            var last = try Poller()
            try last.add(signals.number, tag: LinkEmulator.signalTag)
            while let departure = links.nextDeparture {
                if try last.wait(until: departure) > 0, signals.next() != nil { return }
                deliver(by: MonotonicClock.now)
            }
        } catch { throw PipelineError(.failure, error.message) }
    }

    /// Serves what is ready; false when a signal asks to end.
    private func serve(
        _ count: Int, _ signals: borrowing SignalSource, _ onReport: () -> Void
    ) -> Bool {
        for index in 0..<count {
            let tag = poller[index].tag
            let now = MonotonicClock.now
            if tag == LinkEmulator.signalTag {
                while let request = signals.next() {
                    if request != .report { return false }
                    onReport()
                }
            } else if tag & LinkEmulator.socketTag != 0 {
                proxy.receive(Int(tag & 0xFFFF_FFFF), now: now)
            } else {
                taps.receive(Int(tag), now: now)
            }
            deliver(by: now)
        }
        return true
    }

    /// Passes on all packets whose time has come.
    private func deliver(by now: Instant) {
        while let exit = links.nextExit(by: now) {
            let packet = links.takePacket()
            // The clock again: how late is judged when the packet really goes.
            let instant = MonotonicClock.now
            if proxy.owns(exit.link) {
                proxy.exit(exit, packet, now: instant)
            } else {
                taps.exit(exit, packet, now: instant)
            }
        }
    }

    /// The figures so far, one JSON object: for each port and proxy what entered its links, what came out, what
    /// was lost and why.
    public func report(isFinal: Bool) -> String {
        let fields = [
            "\"seconds\":\(EmulationReport.seconds(MonotonicClock.now - beginning))",
            "\"cpuSeconds\":\(EmulationReport.seconds(MonotonicClock.processTime))",
            "\"seed\":\(seed)", "\"peakPackets\":\(links.pool.peakUsedCount)", "\"final\":\(isFinal)",
            "\"ports\":[\(taps.report.joined(separator: ","))]",
            "\"proxies\":[\(proxy.report.joined(separator: ","))]",
        ]
        return "{" + fields.joined(separator: ",") + "}"
    }
}
