/// How much a link loses, and how many packets in a row: what the first transmissions of a stream tell.
///
/// Two averages of the loss, one over about 500 packets and one over about 4,000: the larger counts, so that
/// repair grows at once and shrinks slowly. Ratios are in parts per million.
public struct LossEstimate: Sendable {
    /// What is assumed of a link before it has shown anything.
    public static let prior = 50_000

    private var expected = 0
    private var lost = 0
    private var fast: Int
    private var slow: Int
    private var windows = 0
    /// Lost packets and runs of them, halved now and then, so that the past fades.
    private var runPackets = 0
    private var runs = 0
    private let windowLength = 256

    /// Nothing seen.
    public init() {
        fast = LossEstimate.prior
        slow = LossEstimate.prior
    }

    /// A packet came that follows on the one before it: `lostBefore` packets are missing in front of it.
    @inline(__always)
    public mutating func note(lostBefore: Int) {
        expected &+= 1 &+ lostBefore
        if lostBefore > 0 { noteRun(lostBefore) }
        if expected >= windowLength { closeWindow() }
    }

    private mutating func noteRun(_ length: Int) {
        lost += length
        runPackets += length
        runs += 1
        if runs >= 128 {
            runPackets /= 2
            runs /= 2
        }
    }

    /// A packet that seemed lost was only late.
    public mutating func takeBack() {
        if lost > 0 { lost -= 1 }
        if runPackets > runs { runPackets -= 1 }
    }

    private mutating func closeWindow() {
        let share = min(lost, expected) * 1_000_000 / expected
        // The first windows count for more than the assumption.
        let weight = min(windows + 1, 16)
        slow += (share - slow) / weight
        fast += (share - fast) / min(weight, 3)
        windows += 1
        expected = 0
        lost = 0
    }

    /// The share of packets lost, in parts per million, rather too high than too low.
    public var partsPerMillion: Int { max(fast, slow, 0) }

    /// The slow average alone: for people.
    public var meanPartsPerMillion: Int { max(slow, 0) }

    /// Mean number of packets lost in a row, in sixteenths.
    public var burstSixteenths: Int { runs < 8 ? 16 : runPackets * 16 / runs }

    /// Mean number of packets lost in a row where that is clearly more than independent losses give; else 1.
    public var burst: Int {
        let independent = 16_000_000 / max(1_000_000 - partsPerMillion, 100_000)
        return burstSixteenths > independent * 3 / 2 ? (burstSixteenths + 8) / 16 : 1
    }
}
