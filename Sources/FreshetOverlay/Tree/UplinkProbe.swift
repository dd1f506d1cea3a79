import FreshetCore
import FreshetWire

/// A member measures what its line carries out: a train of packets leaves back to back, the narrowest link on the way
/// spreads them, and a mirror tells when each came (packet dispersion: Dovrolis, Ramanathan, Moore, INFOCOM 2001). Three
/// short trains a second apart, 28.8 KB in all, after the first parents have been asked; the median of what they say.
///
/// It says what the line lets through in a burst: a line that is shaped by a bucket lets the burst through and carries less
/// for long, so it is used only to promise less than usual, never more.
struct UplinkProbe {
    /// Packets of a train.
    static let packetCount = 8
    static let trainCount = 3
    static let interval = Nanoseconds.seconds(1)
    /// Those who ask for their first packets are not kept waiting.
    static let delay = Nanoseconds.milliseconds(500)
    /// More is not told apart from the time that sending takes.
    static let kilobitLimit: UInt32 = 1_000_000
    /// IPv4 and UDP headers.
    private static let headerByteCount = 28

    private var mirror: PeerAddress?
    private var nonce: UInt64 = 0
    private var trainsLeft = 0
    private var arrivals = [UInt64?](repeating: nil, count: UplinkProbe.packetCount)
    private var results: [UInt32] = []
    /// When the next train leaves; `nil` when none does.
    private(set) var deadline: Instant?
    /// Kilobits a second; 0 before it is known.
    private(set) var kilobits: UInt32 = 0

    /// Measures the way to `mirror`, once.
    mutating func begin(_ mirror: PeerAddress, now: Instant) {
        if self.mirror != nil { return }
        self.mirror = mirror
        trainsLeft = UplinkProbe.trainCount
        deadline = now + UplinkProbe.delay
    }

    /// The train that leaves at `now`, whose nonce nobody can guess; `nil` when none is due.
    mutating func next(now: Instant, _ random: inout PRNG) -> (mirror: PeerAddress, nonce: UInt64)? {
        guard let due = deadline, due <= now, let mirror else { return nil }
        evaluate()
        guard trainsLeft > 0 else {
            deadline = nil
            nonce = 0
            conclude()
            return nil
        }
        trainsLeft -= 1
        deadline = now + UplinkProbe.interval
        nonce = random.next() | 1
        return (mirror, nonce)
    }

    /// A packet of the train came at `stamp` of the mirror's clock; false when nobody asked.
    mutating func note(_ nonce: UInt64, _ index: UInt8, _ stamp: UInt64, from address: PeerAddress) -> Bool {
        guard address == mirror, nonce == self.nonce, nonce != 0, Int(index) < arrivals.count else {
            return false
        }
        arrivals[Int(index)] = arrivals[Int(index)] ?? stamp
        return true
    }

    /// What came behind the first to come, in the time that it took.
    private mutating func evaluate() {
        let came = arrivals.compactMap { $0 }
        arrivals = Array(repeating: nil, count: UplinkProbe.packetCount)
        guard came.count >= UplinkProbe.packetCount / 2, let first = came.min(), let last = came.max() else {
            return
        }
        let bits =
            UInt64(came.count - 1) * UInt64(LinkMessage.trainByteCount + UplinkProbe.headerByteCount) * 8
        let span = last - first
        // Bits a nanosecond, times a million.
        let rate =
            span == 0 ? UInt64(UplinkProbe.kilobitLimit) : bits * 1_000_000 / max(1, min(span, 1 << 40))
        results.append(UInt32(clamping: min(rate, UInt64(UplinkProbe.kilobitLimit))))
    }

    private mutating func conclude() {
        guard results.count >= 2 else { return }
        results.sort()
        kilobits = max(1, results[(results.count - 1) / 2])
    }
}
