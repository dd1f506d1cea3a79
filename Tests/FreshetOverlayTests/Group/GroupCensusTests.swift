import FreshetCore
import FreshetOverlay
import Testing

@Suite struct GroupCensusTests {
    /// `count` members report as often as the census wants, for `seconds`.
    private func settle(_ count: Int, seconds: Int) -> (census: GroupCensus, reports: Int) {
        var census = GroupCensus(size: 10_000, roundTrip: .milliseconds(100), roundTripLimit: .seconds(1))
        var random = PRNG(seed: 5)
        var reports = 0
        for second in 0..<seconds {
            let interval = census.reportInterval
            reports = second == seconds - 1 ? 0 : reports
            for member in 0..<count where random.chance(1_000_000_000, in: UInt64(interval.count)) {
                reports += 1
                census.note(ssrc: UInt32(member), interval: interval, roundTrip: .milliseconds(30))
            }
            census.turn()
        }
        return (census, reports)
    }

    @Test func theSizeIsFoundFromFewReports() {
        for count in [5, 100, 3000, 50_000] {
            let (census, reports) = settle(count, seconds: 40)
            #expect(census.size >= UInt64(count * 6 / 10) && census.size <= UInt64(count * 16 / 10))
            #expect(reports <= 60)
        }
    }

    @Test func theDistanceIsTheLargestButForOne() {
        var (census, _) = settle(100, seconds: 60)
        #expect(census.roundTrip >= .milliseconds(29) && census.roundTrip <= .milliseconds(34))
        census.note(ssrc: 1 << 30, interval: .seconds(5), roundTrip: .milliseconds(900))
        census.turn()
        #expect(census.roundTrip <= .milliseconds(34))
        census.note(ssrc: 1 << 29, interval: .seconds(5), roundTrip: .milliseconds(800))
        census.turn()
        #expect(census.roundTrip == .milliseconds(800))
    }

    @Test func aReportStandsForNoMoreThanWasAskedFor() {
        var census = GroupCensus(size: 20, roundTrip: .milliseconds(100), roundTripLimit: .seconds(1))
        for second in 0..<8 {
            for member in 0..<20 {
                census.note(ssrc: UInt32(second * 20 + member), interval: .seconds(3600), roundTrip: nil)
            }
            census.turn()
        }
        #expect(census.size < 100_000)
    }
}
