/// The 16-bit sequence numbers of RTP, extended to 64 bits (RFC 3550 appendix A.1).
///
/// Raw 16-bit numbers are never compared anywhere else: they wrap every 2.3 minutes at 5 Mbit/s.
public struct SequenceExtender: Sendable {
    @usableFromInline var unwrapper = CounterUnwrapper(bitCount: 16)

    /// An extender that has seen nothing.
    public init() {}

    /// The extended number nearest to the last one, remembered only when it moves forward, so that a late
    /// packet of the past cannot drag the window back.
    public mutating func extend(_ sequenceNumber: UInt16) -> Int64 {
        let value = unwrapper.peek(UInt64(sequenceNumber))
        if let last = unwrapper.last, value <= last { return value }
        return unwrapper.unwrap(UInt64(sequenceNumber))
    }

    /// The extended number nearest to the last one; remembers nothing.
    public func peek(_ sequenceNumber: UInt16) -> Int64 { unwrapper.peek(UInt64(sequenceNumber)) }

    /// Forgets the past; the next number is the one nearest to `sequence`, which somebody who knows has told.
    public mutating func reset(near sequence: Int64) { unwrapper.reset(to: sequence) }

    /// The highest extended number so far; `nil` before the first.
    public var highest: Int64? { unwrapper.last }

    /// Forgets the past, as a new stream epoch requires. `base` is the first extended number's multiple of
    /// 65536.
    public mutating func reset() { unwrapper.reset() }
}
