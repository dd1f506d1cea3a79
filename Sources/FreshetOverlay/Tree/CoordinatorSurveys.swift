import FreshetCore
import FreshetWire

/// Finding the network location of a member: it is told some members whose places are known, and measures the way to
/// them.
extension Coordinator {
    /// A place with less error than this is good for choosing parents.
    static let certainPerMille: Int32 = 60
    /// Landmarks of one survey: some from anywhere, and some of the nearest.
    static let landmarkCount = 10
    static let nearCount = 4
    /// Members that are looked at for them.
    private static let drawCount = 40
    /// A place that is still uncertain is surveyed again after so long, so often…
    private static let surveyPause = Nanoseconds.seconds(3)
    private static let surveyLimit = 10
    /// …and every place after so long, since those of the landmarks move.
    private static let surveyInterval = Nanoseconds.seconds(30)

    /// `member` has said where it is: when it is not sure, or was long ago, it is asked to measure again.
    mutating func surveyIfUncertain(_ member: Int) {
        let isUncertain =
            records[member].coordinate.errorPerMille > Coordinator.certainPerMille || member == source
        let mayAgain = isUncertain && records[member].surveyCount < Coordinator.surveyLimit
        let pause = mayAgain ? Coordinator.surveyPause : Coordinator.surveyInterval
        if let last = records[member].surveyed, now - last < pause { return }
        survey(member)
    }

    /// Asks `member` to measure the way to some whose places are known.
    mutating func survey(_ member: Int) {
        records[member].surveyed = now
        var message = SurveyMessage()
        for place in landmarks(for: member) {
            message.landmarks.append(
                Landmark(address: records[place].address, coordinate: records[place].coordinate))
        }
        // Fewer tell nothing.
        guard message.landmarks.count >= 3 else { return }
        records[member].surveyCount += 1
        send(.survey(message), to: member)
    }

    private mutating func landmarks(for member: Int) -> [Int] {
        var found: [Int] = []
        if let source, source != member { found.append(source) }
        var others: [(way: Int32, member: Int)] = []
        for _ in 0..<Coordinator.drawCount {
            let place = Int(random.below(UInt64(records.count)))
            guard place != member, isLandmark(place), !found.contains(place) else { continue }
            if found.count < Coordinator.landmarkCount {
                found.append(place)
            } else if !others.contains(where: { $0.member == place }) {
                others.append((distance(member, place), place))
            }
        }
        guard records[member].coordinate.errorPerMille < 1000 else { return found }
        others.sort { ($0.way, $0.member) < ($1.way, $1.member) }
        return found + others.prefix(Coordinator.nearCount).map(\.member)
    }

    private func isLandmark(_ member: Int) -> Bool {
        records[member].coordinate.errorPerMille < MemberRecord.vaguePerMille && !records[member].isRemoved
            && records[member].connection != nil && records[member].reach == .open
    }
}
