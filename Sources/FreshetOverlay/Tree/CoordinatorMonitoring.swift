import FreshetCore
import FreshetWire

/// Watching how members do (figure 7): reports are credited to the transmitter too, a bad one moves the
/// receiver, and who does well for long is moved up.
extension Coordinator {
    mutating func noteReport(_ member: Int, _ report: ReportMessage) {
        highestSequence = max(highestSequence, member == source ? report.highestSequence : Int64.min)
        if let coordinate = report.coordinate, coordinate.isSane {
            let cell = Buckets.cell(of: coordinate, subnet: records[member].address.subnet)
            records[member].coordinate = coordinate
            records[member].cell = cell
            let network = records[member].address.subnet
            if networks.count < configuration.memberLimit || networks[network] != nil {
                networks[network] = coordinate
            }
        }
        records[member].note(report.delivery)
        noteUplink(member, report.uplinkKilobits)
        surveyIfUncertain(member)
        if member == source {
            if report.delivery.kilobits > 0 { noteRate(report.delivery.kilobits) }
            return refresh(member)
        }
        var worst: Int32 = 1000
        var stripes = 0
        for place in report.places where Int(place.stripe) < forest.stripeCount {
            let stripe = Int(place.stripe)
            guard stripes & 1 << stripe == 0 else { continue }
            stripes |= 1 << stripe
            reconcile(member, stripe, with: place.parent)
            let share = Int32(place.receivedPerMille)
            worst = min(worst, share)
            // Step 702: the transmitter's performance is what its receivers say, not what it says.
            if let parent = indexOfMember[place.parent], forest.parent(member, stripe) == parent {
                records[parent].transmitPerMille += (share - records[parent].transmitPerMille) / 8
            }
        }
        guard stripes != 0 else { return refresh(member) }
        records[member].receivePerMille += (worst - records[member].receivePerMille) / 4
        judge(member, report, worst: worst)
        moveSlow(report.slowChildren, of: member)
        refresh(member)
    }

    /// Step 704: below the threshold the receiver gets a new transmitter, once it was twice so and not more often than
    /// every few seconds.
    private mutating func judge(_ member: Int, _ report: ReportMessage, worst: Int32) {
        guard worst < Int32(configuration.receiveThresholdPerMille) else {
            records[member].badReportCount = 0
            let since = records[member].goodSince ?? now
            records[member].goodSince = since
            if now - since >= configuration.maturityInterval { consider(member) }
            return
        }
        records[member].goodSince = nil
        records[member].badReportCount += 1
        guard records[member].badReportCount >= 2 else { return }
        if let last = records[member].lastMoved, now - last < .seconds(5) { return }
        records[member].badReportCount = 0
        for place in report.places
        where Int(place.stripe) < forest.stripeCount
            && Int(place.receivedPerMille) < configuration.receiveThresholdPerMille
        {
            guard let parent = forest.parent(member, Int(place.stripe)) else { continue }
            // What its parent does not get either is not the parent's fault: the branch is moved by its top.
            if parent != source, records[parent].badReportCount > 0 { continue }
            complain(about: parent, by: member)
            regraft(member, Int(place.stripe), awayFrom: parent)
        }
    }

    /// Children that a parent cannot keep up with are moved; a parent may give away only its own.
    private mutating func moveSlow(_ children: [MemberID], of parent: Int) {
        for id in children {
            guard let child = indexOfMember[id] else { continue }
            // Who does not keep up anywhere is not sent from one to the next.
            if let last = records[child].lastMoved, now - last < configuration.complaintInterval { continue }
            for stripe in 0..<forest.stripeCount where forest.parent(child, stripe) == parent {
                regraft(child, stripe, awayFrom: parent)
            }
        }
    }

    /// The member knows best who sends to it: the record follows.
    private mutating func reconcile(_ member: Int, _ stripe: Int, with parent: MemberID) {
        guard parent != .none, let index = indexOfMember[parent], index != member else { return }
        guard forest.parent(member, stripe) != index else { return }
        // Just told to move: the report may be older than that.
        if let moved = records[member].lastMoved, now - moved < .seconds(3) { return }
        adopt(member, stripe, by: index)
    }

    /// Records that `member` receives from `parent`, whatever was recorded before.
    mutating func adopt(_ member: Int, _ stripe: Int, by parent: Int) {
        guard member != source, member != parent else { return }
        if forest.isAtOrAbove(member, of: parent, stripe) {
            // By the records the parent is below the member: they are older than the message. Cut the branch
            // right below the member; whoever is cut says soon where it is.
            var current = parent
            while let above = forest.parent(current, stripe), above != member { current = above }
            setParent(current, stripe, to: nil)
            if current == parent, forest.isAtOrAbove(member, of: parent, stripe) { return }
        }
        setParent(member, stripe, to: parent)
    }
}
