import FreshetCore
import FreshetWire

/// Round trips by which a node finds its place: those to landmarks that the coordinator names, each taken some times,
/// and those to its neighbours. Its coordinate is fitted to all of them again and again.
///
/// A node's own neighbours alone do not tell: three round trips leave the place open, and the neighbours' places come
/// from as few.
struct LocationSurvey {
    /// Round trips that are remembered.
    static let sampleLimit = 32
    /// The others move too: what was told longer ago than this before a survey is forgotten with it.
    static let memory = Nanoseconds.seconds(10)
    /// Each landmark is greeted so often…
    static let roundCount = 2
    /// …and so long after the time before.
    static let pause = Nanoseconds.milliseconds(250)

    private struct Sample {
        var address: PeerAddress
        var coordinate: NetworkCoordinate
        /// Microseconds; the least of a round of greetings, since all that a queue does is add.
        var roundTrip: Int32
        /// When its coordinate was told.
        var told: Instant
    }
    private var samples: [Sample] = []
    private var nextPlace = 0
    private var nextFit = 0

    private var landmarks: [Landmark] = []
    /// What the last greeting of each was sent with, and when.
    private var greetings: [(nonce: UInt64, sent: Instant)] = []
    private var shortest: [Int32] = []
    private var roundsLeft = 0
    /// When the next round of greetings, or the end, is due; `nil` when there is no survey.
    private(set) var due: Instant?

    /// Begins a survey of `landmarks`; what was under way is dropped.
    mutating func begin(_ found: [Landmark], now: Instant) {
        landmarks = found.filter { $0.coordinate.isSane }
        greetings = Array(repeating: (0, .zero), count: landmarks.count)
        shortest = Array(repeating: .max, count: landmarks.count)
        roundsLeft = LocationSurvey.roundCount
        due = landmarks.isEmpty ? nil : now
    }

    /// The addresses to greet now and the nonces to do it with; empty when the survey is over: then its results are
    /// among the samples.
    mutating func nextRound(random: inout PRNG, now: Instant) -> [(address: PeerAddress, nonce: UInt64)] {
        guard roundsLeft > 0 else {
            finish(now: now)
            return []
        }
        roundsLeft -= 1
        due = now + LocationSurvey.pause
        var round: [(address: PeerAddress, nonce: UInt64)] = []
        for place in landmarks.indices {
            greetings[place] = (random.next(), now)
            round.append((landmarks[place].address, greetings[place].nonce))
        }
        return round
    }

    private mutating func finish(now: Instant) {
        due = nil
        samples.removeAll { now - $0.told > LocationSurvey.memory }
        for place in landmarks.indices where shortest[place] < .max {
            let landmark = landmarks[place]
            note(shortest[place], to: landmark.coordinate, at: landmark.address, now: now, isShortest: true)
        }
        landmarks = []
    }

    /// A COOKIE with `nonce` came from `address`; false when it answers no greeting of a survey.
    mutating func noteAnswer(_ nonce: UInt64, from address: PeerAddress, now: Instant) -> Bool {
        for place in landmarks.indices
        where greetings[place].nonce == nonce && landmarks[place].address == address && nonce != 0 {
            let took = Int32(clamping: max(1, (now - greetings[place].sent).count / 1_000))
            shortest[place] = min(shortest[place], took)
            greetings[place].nonce = 0
            return true
        }
        return false
    }

    /// Notes a round trip to somebody at `coordinate`: one of many, or the shortest of some.
    mutating func note(
        _ roundTrip: Int32, to coordinate: NetworkCoordinate, at address: PeerAddress, now: Instant,
        isShortest: Bool = false
    ) {
        guard coordinate.isSane, coordinate.errorPerMille < 1000 else { return }
        if let place = samples.firstIndex(where: { $0.address == address }) {
            let old = samples[place].roundTrip
            samples[place].coordinate = coordinate
            samples[place].told = now
            samples[place].roundTrip =
                isShortest || roundTrip < old ? roundTrip : old + (roundTrip - old) / 8
            return
        }
        let sample = Sample(address: address, coordinate: coordinate, roundTrip: roundTrip, told: now)
        if samples.count < LocationSurvey.sampleLimit {
            samples.append(sample)
        } else {
            samples[nextPlace] = sample
            nextPlace = (nextPlace + 1) % LocationSurvey.sampleLimit
        }
    }

    /// Fits `place` to the next `steps` samples.
    mutating func fit(_ place: inout NetworkCoordinate, steps: Int, random: inout PRNG) {
        guard !samples.isEmpty else { return }
        for _ in 0..<steps {
            nextFit = (nextFit + 1) % samples.count
            place.learn(
                roundTripMicroseconds: samples[nextFit].roundTrip, to: samples[nextFit].coordinate,
                chance: &random)
        }
    }

    /// Where all samples together say that the node is: fitted from `place`, and from where the nearest of them is, since
    /// a spring may rest on the wrong side of the others.
    mutating func settle(from place: NetworkCoordinate, random: inout PRNG) -> NetworkCoordinate {
        guard let nearest = samples.min(by: { $0.roundTrip < $1.roundTrip }) else { return place }
        var start = nearest.coordinate
        start.height = min(start.height, nearest.roundTrip / 2)
        start.errorPerMille = place.errorPerMille
        var best = place
        var least = Int64.max
        for begin in [place, start] {
            var fitted = begin
            fit(&fitted, steps: LocationSurvey.settleRounds * samples.count, random: &random)
            fitted = average(from: fitted, random: &random)
            let miss = missPerMille(of: fitted)
            if miss < least {
                least = miss
                best = fitted
            }
        }
        best.errorPerMille = Int32(clamping: max(10, min(999, least)))
        return best
    }

    private static let settleRounds = 20

    /// The spring goes on swinging a little: where it is on average.
    private mutating func average(from place: NetworkCoordinate, random: inout PRNG) -> NetworkCoordinate {
        var swinging = place
        var sum: (x: Int64, y: Int64, height: Int64) = (0, 0, 0)
        let count = Int64(LocationSurvey.averageRounds * samples.count)
        for _ in 0..<count {
            fit(&swinging, steps: 1, random: &random)
            sum.x += Int64(swinging.x)
            sum.y += Int64(swinging.y)
            sum.height += Int64(swinging.height)
        }
        swinging.x = Int32(clamping: sum.x / count)
        swinging.y = Int32(clamping: sum.y / count)
        swinging.height = Int32(clamping: sum.height / count)
        return swinging
    }

    private static let averageRounds = 8

    /// How far off the samples are from `place`, on average, in thousandths of the round trip.
    private func missPerMille(of place: NetworkCoordinate) -> Int64 {
        var sum: Int64 = 0
        for sample in samples {
            let miss = abs(Int64(place.distance(to: sample.coordinate)) - Int64(sample.roundTrip))
            sum += min(1000, 1000 * miss / Int64(max(1, sample.roundTrip)))
        }
        return sum / Int64(max(1, samples.count))
    }
}
