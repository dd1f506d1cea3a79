import FreshetCore
import FreshetWire
import Testing

@testable import FreshetOverlay

@Suite struct CoordinatorSurveysTests {
    private func surveys(_ messages: [ControlMessage]) -> [SurveyMessage] {
        messages.compactMap {
            if case .survey(let survey) = $0 { return survey }
            return nil
        }
    }

    private func bench() -> CoordinatorBench {
        let bench = CoordinatorBench()
        _ = bench.join(.source)
        for index in 0..<20 {
            _ = bench.join {
                $0.coordinate = NetworkCoordinate(
                    x: Int32(index) * 1_000, y: -500, height: 900, errorPerMille: 40)
            }
        }
        return bench
    }

    private func report(_ bench: CoordinatorBench, _ connection: UInt32, error: Int32) {
        var message = ReportMessage()
        message.coordinate = NetworkCoordinate(x: 1, y: 1, height: 500, errorPerMille: error)
        bench.say(.report(message), connection)
    }

    @Test func whoReportsIsToldSomeToMeasureTheWayTo() throws {
        let bench = bench()
        let viewer = bench.join()
        #expect(surveys(bench.take(viewer)).isEmpty, "first of all it needs a parent")
        report(bench, viewer, error: 1000)
        let survey = try #require(surveys(bench.take(viewer)).first)
        #expect(survey.landmarks.count >= 8)
        #expect(Set(survey.landmarks.map(\.address)).count == survey.landmarks.count)
        let own = PeerAddress(v4: 0x0A00_0000 | viewer, port: 5004)
        #expect(!survey.landmarks.contains { $0.address == own })
    }

    @Test func whoKnowsItsPlaceIsLeftInPeace() {
        let bench = bench()
        let viewer = bench.join {
            $0.coordinate = NetworkCoordinate(x: 5, y: 5, height: 5, errorPerMille: 30)
        }
        #expect(surveys(bench.take(viewer)).isEmpty)
    }

    @Test func whoIsNotSureIsAskedAgainAfterSomeSeconds() {
        let bench = bench()
        let viewer = bench.join()
        report(bench, viewer, error: 400)
        _ = bench.take(viewer)
        bench.pass(.seconds(1))
        report(bench, viewer, error: 400)
        #expect(surveys(bench.take(viewer)).isEmpty)
        bench.pass(.seconds(3))
        report(bench, viewer, error: 400)
        #expect(surveys(bench.take(viewer)).count == 1)
        bench.pass(.seconds(4))
        report(bench, viewer, error: 20)
        #expect(surveys(bench.take(viewer)).isEmpty)
    }

    @Test func aloneWithTheSourceNobodyMeasures() {
        let bench = CoordinatorBench()
        _ = bench.join(.source)
        let viewer = bench.join()
        report(bench, viewer, error: 400)
        #expect(surveys(bench.take(viewer)).isEmpty)
    }
}
