import CLinux
public import FreshetCore

/// This host's clocks. The only reader of a clock in the whole program: everything else is told the time.
public enum MonotonicClock {
    /// Now, on CLOCK_MONOTONIC.
    public static var now: Instant { Instant(nanoseconds: clinux_monotonic_nanoseconds()) }

    /// CPU time that the calling thread has used.
    public static var threadTime: Nanoseconds { Nanoseconds(clinux_thread_cpu_nanoseconds()) }

    /// CPU time that the process has used, in user and kernel.
    public static var processTime: Nanoseconds { Nanoseconds(clinux_process_cpu_nanoseconds()) }

    /// Lets the kernel wake the calling thread at most 1 ns late by choice (it groups wake-ups in 50 µs
    /// otherwise).
    public static func sharpenTimers() { _ = clinux_set_timer_slack(1) }
}

/// A wall-clock time: nanoseconds since 1970-01-01 00:00 UTC, leap seconds left out (CLOCK_REALTIME).
public struct WallTime: Comparable, Hashable, Sendable {
    /// Nanoseconds since 1970.
    public var nanoseconds: Int64

    /// The time `nanoseconds` after 1970.
    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// Now, on CLOCK_REALTIME.
    public static var now: WallTime { WallTime(nanoseconds: clinux_realtime_nanoseconds()) }

    /// Orders times.
    public static func < (a: WallTime, b: WallTime) -> Bool { a.nanoseconds < b.nanoseconds }

    /// As the 64-bit fixed-point NTP timestamp of RTCP sender reports: seconds since 1900 and 2⁻³² fractions
    /// (RFC 3550 §4).
    public var ntpTimestamp: UInt64 {
        let seconds = UInt64(bitPattern: nanoseconds / 1_000_000_000) &+ 2_208_988_800
        let rest = UInt64(nanoseconds % 1_000_000_000)
        return (seconds << 32) | ((rest << 32) / 1_000_000_000)
    }
}

/// Where the wall clock stands against the monotonic one, measured at one moment.
///
/// The kernel stamps datagrams with the wall clock; this turns such a stamp into an ``Instant``. Measure
/// again now and then (``refresh(at:)``), for the wall clock may be stepped or slewed.
public struct ClockMapping: Sendable {
    /// Wall-clock time minus monotonic time.
    public private(set) var offset: Nanoseconds
    private var refreshDeadline: Instant

    /// The mapping now.
    public init() {
        offset = ClockMapping.measure()
        refreshDeadline = MonotonicClock.now + .seconds(1)
    }

    /// Measures again when a second has passed since the last time.
    @inline(__always)
    public mutating func refresh(at now: Instant) {
        if now >= refreshDeadline { remeasure(now) }
    }

    @inline(never)
    private mutating func remeasure(_ now: Instant) {
        offset = ClockMapping.measure()
        refreshDeadline = now + .seconds(1)
    }

    /// The monotonic instant of the wall-clock time `wall`.
    @inline(__always)
    public func instant(_ wall: WallTime) -> Instant {
        Instant(nanoseconds: wall.nanoseconds &- offset.count)
    }

    /// The wall-clock time of `instant`.
    public func wallTime(_ instant: Instant) -> WallTime {
        WallTime(nanoseconds: instant.nanoseconds &+ offset.count)
    }

    /// The tightest of three readings: a wall-clock reading between two monotonic ones.
    private static func measure() -> Nanoseconds {
        var best = Int64.max
        var offset: Int64 = 0
        for _ in 0..<3 {
            let before = clinux_monotonic_nanoseconds()
            let wall = clinux_realtime_nanoseconds()
            let after = clinux_monotonic_nanoseconds()
            if after &- before < best {
                best = after &- before
                offset = wall &- (before &+ (after &- before) / 2)
            }
        }
        return Nanoseconds(offset)
    }
}
