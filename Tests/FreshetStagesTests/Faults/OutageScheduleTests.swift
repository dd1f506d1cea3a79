import FreshetCore
import Testing

@testable import FreshetStages

@Suite struct OutageScheduleTests {
    /// For each millisecond of `seconds`, whether the thing is away.
    private func timeline(_ schedule: OutageSchedule, seconds: Int) -> [Bool] {
        var schedule = schedule
        return (0..<seconds * 1000).map { schedule.isAway(at: .milliseconds(Int64($0))) }
    }

    private func chance(
        _ up: Int64, _ down: Int64, _ change: (inout OutageSchedule.Chance) -> Void = { _ in }
    ) -> OutageSchedule.Chance {
        var chance = OutageSchedule.Chance()
        chance.meanUp = .milliseconds(up)
        chance.meanDown = .milliseconds(down)
        change(&chance)
        return chance
    }

    @Test func `given outages begin and end when they are told to`() {
        let schedule = OutageSchedule(
            given: [
                .init(start: .milliseconds(700), length: .milliseconds(100)),
                .init(start: .milliseconds(200), length: .milliseconds(50)),
            ], seed: 1)
        let line = timeline(schedule, seconds: 1)
        let away = line.indices.filter { line[$0] }
        #expect(away == Array(200..<250) + Array(700..<800))
    }

    @Test func `random outages have their means, and the same seed has the same moments`() {
        let schedule = OutageSchedule(chance: chance(900, 100), seed: 3)
        let away = timeline(schedule, seconds: 400)
        #expect(away == timeline(OutageSchedule(chance: chance(900, 100), seed: 3), seconds: 400))
        #expect(away != timeline(OutageSchedule(chance: chance(900, 100), seed: 4), seconds: 400))
        let total = away.filter { $0 }.count
        let begins = zip(away, away.dropFirst()).filter { !$0 && $1 }.count
        #expect(abs(total - 40_000) < 6000)
        #expect(abs(total / begins - 100) < 15)
    }

    @Test func `the moments do not depend on when one looks`() {
        var sparse = OutageSchedule(chance: chance(90, 10), seed: 5)
        let dense = timeline(OutageSchedule(chance: chance(90, 10), seed: 5), seconds: 100)
        for index in stride(from: 0, to: dense.count, by: 777) {
            #expect(sparse.isAway(at: .milliseconds(Int64(index))) == dense[index])
        }
    }

    @Test func `of those that take turns at most one is away, and each is at times`() {
        let lines = (0..<3).map { member in
            timeline(
                OutageSchedule(
                    chance: chance(300, 200) {
                        $0.memberCount = 3
                        $0.member = member
                    }, seed: 6), seconds: 100)
        }
        for index in lines[0].indices { #expect(lines.filter { $0[index] }.count <= 1) }
        for line in lines { #expect(line.contains(true)) }
    }

    @Test func `outages stay apart and their number is kept`() {
        var schedule = OutageSchedule(
            chance: chance(50, 20) {
                $0.leastUp = .milliseconds(40)
                $0.count = 25
            }, seed: 7)
        let away = (0..<60_000).map { schedule.isAway(at: .milliseconds(Int64($0))) }
        let begins = away.indices.dropFirst().filter { away[$0] && !away[$0 - 1] }
        let ends = away.indices.dropFirst().filter { !away[$0] && away[$0 - 1] }
        #expect(schedule.beginCount == 25)
        for (end, begin) in zip(ends, begins.dropFirst()) { #expect(begin - end >= 39) }
    }

    @Test func `the logarithm is right to seven digits`() {
        // −ln of 1/2, 1/4 and 1 − 2⁻³² or so, in units of 2⁻²⁴.
        #expect(abs(OutageSchedule.negativeLogarithm(1 << 63) - 11_629_080) <= 2)
        #expect(abs(OutageSchedule.negativeLogarithm(1 << 62) - 23_258_160) <= 2)
        #expect(abs(OutageSchedule.negativeLogarithm(3 << 62) - 4_826_505) <= 2)
        #expect(OutageSchedule.negativeLogarithm(.max) <= 1)
        #expect(OutageSchedule.negativeLogarithm(0) > 740_000_000)
    }
}
