/// A span of time in whole nanoseconds; may be negative.
///
/// The standard library's `Duration` is 16 bytes of attoseconds; a packet carries several spans, so this one
/// is 8.
public struct Nanoseconds: Comparable, Hashable, Sendable {
    /// The length in nanoseconds.
    public var count: Int64

    /// A span of `count` nanoseconds.
    @inlinable public init(_ count: Int64) { self.count = count }

    /// A span of whole microseconds.
    @inlinable public static func microseconds(_ count: Int64) -> Nanoseconds { .init(count &* 1_000) }
    /// A span of whole milliseconds.
    @inlinable public static func milliseconds(_ count: Int64) -> Nanoseconds { .init(count &* 1_000_000) }
    /// A span of whole seconds.
    @inlinable public static func seconds(_ count: Int64) -> Nanoseconds { .init(count &* 1_000_000_000) }
    /// No time at all.
    @inlinable public static var zero: Nanoseconds { .init(0) }

    /// Orders spans by length.
    @inlinable public static func < (a: Nanoseconds, b: Nanoseconds) -> Bool { a.count < b.count }
    /// The sum of two spans.
    @inlinable public static func + (a: Nanoseconds, b: Nanoseconds) -> Nanoseconds {
        .init(a.count &+ b.count)
    }
    /// The difference of two spans.
    @inlinable public static func - (a: Nanoseconds, b: Nanoseconds) -> Nanoseconds {
        .init(a.count &- b.count)
    }
    /// A span `factor` times as long.
    @inlinable public static func * (a: Nanoseconds, factor: Int64) -> Nanoseconds {
        .init(a.count &* factor)
    }
    /// A span divided, rounded towards zero.
    @inlinable public static func / (a: Nanoseconds, divisor: Int64) -> Nanoseconds {
        .init(a.count / divisor)
    }
}

/// A point on one host's monotonic clock, in nanoseconds.
///
/// Pure rooms never read a clock: an instant is always an argument, read once per turn at the edge. Instants
/// of two hosts are not comparable.
public struct Instant: Comparable, Hashable, Sendable {
    /// Nanoseconds since the clock's own zero.
    public var nanoseconds: Int64

    /// The instant `nanoseconds` after the clock's zero.
    @inlinable public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// The clock's zero.
    @inlinable public static var zero: Instant { .init(nanoseconds: 0) }
    /// Later than every instant a clock can show: "never".
    @inlinable public static var distantFuture: Instant { .init(nanoseconds: .max) }

    /// Orders instants by time.
    @inlinable public static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }
    /// The instant `span` later.
    @inlinable public static func + (a: Instant, span: Nanoseconds) -> Instant {
        .init(nanoseconds: a.nanoseconds &+ span.count)
    }
    /// The instant `span` earlier.
    @inlinable public static func - (a: Instant, span: Nanoseconds) -> Instant {
        .init(nanoseconds: a.nanoseconds &- span.count)
    }
    /// The span from `b` to `a`.
    @inlinable public static func - (a: Instant, b: Instant) -> Nanoseconds {
        .init(a.nanoseconds &- b.nanoseconds)
    }
}

/// The earlier of two optional deadlines; `nil` means "none".
@inlinable public func earliest(_ a: Instant?, _ b: Instant?) -> Instant? {
    guard let a else { return b }
    guard let b else { return a }
    return a < b ? a : b
}
