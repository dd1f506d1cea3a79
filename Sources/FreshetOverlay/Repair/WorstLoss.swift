public import FreshetCore

/// The worst loss that receivers report, for parity that is to serve them all.
///
/// A fixed table of reporters. Each one's loss is an average that grows fast and shrinks slowly, and one who is silent
/// for ``patience`` has gone. When the table is full the reporter who loses least gives way.
public struct WorstLoss: Sendable {
    /// After so long without a report a reporter has gone.
    public static let patience = Nanoseconds.seconds(5)
    private static let capacity = 32

    private struct Reporter {
        var ssrc: UInt32
        var loss: Int
        var heard: Instant
    }

    private var reporters: [Reporter] = []

    /// Nobody reported.
    public init() { reporters.reserveCapacity(WorstLoss.capacity) }

    /// The receiver `ssrc` lost `fraction` 256ths of what was sent since its last report (RFC 3550 §6.4.1).
    public mutating func note(ssrc: UInt32, fraction: UInt8, now: Instant) {
        let loss = Int(fraction) * 1_000_000 / 256
        var place = 0
        for index in reporters.indices {
            if reporters[index].ssrc == ssrc {
                let step = loss - reporters[index].loss
                reporters[index].loss += step > 0 ? (step + 1) / 2 : step / 16
                reporters[index].heard = now
                return
            }
            if value(index, now) < value(place, now) { place = index }
        }
        let new = Reporter(ssrc: ssrc, loss: loss / 2, heard: now)
        if reporters.count < WorstLoss.capacity {
            reporters.append(new)
        } else if value(place, now) < new.loss {
            reporters[place] = new
        }
    }

    private func value(_ index: Int, _ now: Instant) -> Int {
        now - reporters[index].heard <= WorstLoss.patience ? reporters[index].loss : -1
    }

    /// In parts per million, as far as anybody reported lately; else 0.
    public func partsPerMillion(now: Instant) -> Int {
        var worst = 0
        for index in reporters.indices { worst = max(worst, value(index, now)) }
        return worst
    }
}
