import FreshetCore
import FreshetWire
import Testing

@testable import FreshetOverlay

@Suite struct LocationSurveyTests {
    private static let home = NetworkCoordinate(x: 30_000, y: -20_000, height: 4_000, errorPerMille: 50)

    private func address(_ index: Int) -> PeerAddress {
        PeerAddress(v4: 0x0A00_0001 + UInt32(index), port: 5004)
    }

    private func landmarks() -> [Landmark] {
        var chance = PRNG(seed: 9)
        return (0..<12).map { index in
            let x = Int32(chance.below(200_000)) - 100_000
            let y = Int32(chance.below(100_000)) - 50_000
            let height = Int32(2_000 + chance.below(9_000))
            return Landmark(
                address: address(index),
                coordinate: NetworkCoordinate(x: x, y: y, height: height, errorPerMille: 50))
        }
    }

    /// Runs a whole survey; those of `silent` do not answer, and each round trip is as long as from `home`.
    private func survey(_ survey: inout LocationSurvey, silent: Set<Int> = [], random: inout PRNG) -> Int {
        let found = landmarks()
        survey.begin(found, now: .zero)
        var greeted = 0
        while let due = survey.due {
            for (address, nonce) in survey.nextRound(random: &random, now: due) {
                greeted += 1
                guard let index = found.firstIndex(where: { $0.address == address }), !silent.contains(index)
                else {
                    continue
                }
                // What a queue adds, in the first round.
                let queue: Int64 = greeted <= found.count ? 7_000 : 0
                let trip = Int64(LocationSurveyTests.home.distance(to: found[index].coordinate)) + queue
                let isTaken = survey.noteAnswer(nonce, from: address, now: due + .microseconds(trip))
                #expect(isTaken)
                // An answer counts once.
                let again = survey.noteAnswer(nonce, from: address, now: due + .microseconds(trip))
                #expect(!again)
            }
        }
        return greeted
    }

    @Test func aSurveyTellsWhereTheNodeIs() {
        var node = LocationSurvey()
        var random = PRNG(seed: 3)
        let greeted = survey(&node, random: &random)
        #expect(greeted == 12 * LocationSurvey.roundCount)
        let place = node.settle(from: NetworkCoordinate(), random: &random)
        #expect(place.errorPerMille < 30, "\(place)")
        for landmark in landmarks() {
            let truth = LocationSurveyTests.home.distance(to: landmark.coordinate)
            #expect(abs(place.distance(to: landmark.coordinate) - truth) < truth / 20 + 500)
        }
    }

    @Test func landmarksThatDoNotAnswerAreLeftOut() {
        var node = LocationSurvey()
        var random = PRNG(seed: 4)
        _ = survey(&node, silent: [0, 3, 5, 7], random: &random)
        let place = node.settle(from: NetworkCoordinate(), random: &random)
        #expect(place.errorPerMille < 50, "\(place)")
    }

    @Test func nobodyToMeasureChangesNothing() {
        var node = LocationSurvey()
        var random = PRNG(seed: 5)
        node.begin([], now: .zero)
        #expect(node.due == nil)
        let place = node.settle(from: LocationSurveyTests.home, random: &random)
        #expect(place == LocationSurveyTests.home)
        let isTaken = node.noteAnswer(0, from: address(0), now: .zero)
        #expect(!isTaken)
    }
}
