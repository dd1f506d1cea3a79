/// A member of a tree, numbered by its coordinator; the source is a member too. 0 is nobody.
public struct MemberID: Hashable, Comparable, Sendable {
    /// The number.
    public var number: UInt32
    /// The member with that number.
    @inlinable public init(_ number: UInt32) { self.number = number }
    /// Nobody.
    public static let none = MemberID(0)
    /// Orders members by number.
    @inlinable public static func < (a: MemberID, b: MemberID) -> Bool { a.number < b.number }
}

/// A set of the stripes that a stream is split into: packet n is in stripe n mod k; parity is the stripe behind the last.
public struct StripeSet: OptionSet, Hashable, Sendable {
    /// One bit a stripe, stripe 0 the lowest.
    public let rawValue: UInt16
    /// The stripes whose bits are set in `rawValue`.
    @inlinable public init(rawValue: UInt16) { self.rawValue = rawValue }
    /// Stripe `index` alone, 0 to 15.
    @inlinable public init(_ index: Int) { rawValue = 1 << UInt16(truncatingIfNeeded: index & 15) }
    /// The first `count` stripes.
    public init(first count: Int) {
        rawValue = count >= Self.countLimit ? .max : 1 << UInt16(truncatingIfNeeded: count) &- 1
    }
    /// How many stripes a stream may have, parity counted.
    public static let countLimit = 16
    /// How many stripes are in the set.
    @inlinable public var count: Int { rawValue.nonzeroBitCount }
    /// True when stripe `index` is in the set.
    @inlinable public func has(_ index: Int) -> Bool {
        rawValue >> UInt16(truncatingIfNeeded: index & 15) & 1 == 1
    }
}

/// The members between a node and the source on one stripe: the source first, the node's parent last. At most
/// ``countLimit``; a tree is never deeper.
public struct AncestorPath: Sendable, Equatable {
    /// How many ancestors fit.
    public static let countLimit = 16
    private var members: InlineArray<16, UInt32>
    /// How many there are: the depth of the node below them.
    public private(set) var count: Int

    /// Nobody: the path of the source itself.
    public init() {
        members = InlineArray(repeating: 0)
        count = 0
    }

    /// The ancestor at `index`, the source at 0.
    public subscript(index: Int) -> MemberID {
        precondition(index >= 0 && index < count)
        return MemberID(members[index])
    }

    /// True when no more fit.
    public var isFull: Bool { count == AncestorPath.countLimit }

    /// Adds `member` at the end; ignored when full.
    public mutating func append(_ member: MemberID) {
        guard !isFull else { return }
        members[count] = member.number
        count += 1
    }

    /// True when `member` is among them.
    public func contains(_ member: MemberID) -> Bool {
        for index in 0..<count where members[index] == member.number { return true }
        return false
    }

    /// True when both name the same members in the same order.
    public static func == (a: AncestorPath, b: AncestorPath) -> Bool {
        guard a.count == b.count else { return false }
        for index in 0..<a.count where a.members[index] != b.members[index] { return false }
        return true
    }
}

/// Where a node is in the network, as Vivaldi tells it (Dabek, Cox, Kaashoek, Morris, SIGCOMM 2004): the round trip
/// between two nodes is about the distance of their points plus both heights. Integers, in microseconds.
public struct NetworkCoordinate: Hashable, Sendable {
    /// Place on the plane, microseconds.
    public var x: Int32
    /// Place on the plane, microseconds.
    public var y: Int32
    /// The way from the node to the plane (its access link), microseconds, never negative.
    public var height: Int32
    /// How far off predictions from here are, in thousandths of the measured round trip; 1000 knows nothing.
    public var errorPerMille: Int32

    /// A coordinate of these values.
    public init(x: Int32 = 0, y: Int32 = 0, height: Int32 = 0, errorPerMille: Int32 = 1000) {
        self.x = x
        self.y = y
        self.height = height
        self.errorPerMille = errorPerMille
    }
}
