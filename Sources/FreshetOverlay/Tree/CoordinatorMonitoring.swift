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

    // MARK: Moving up

    /// A member does well: it is stable from now on, and from time to time looked at for a better place.
    private mutating func consider(_ member: Int) {
        records[member].isMature = true
        if let last = records[member].considered, now - last < configuration.reviewInterval { return }
        records[member].considered = now
        if promotions.count < configuration.memberLimit { promotions.append(records[member].id) }
    }

    /// Stable members with an uplink go nearer to the source when that wins enough: a level, or the
    /// configured share of the delay. The budget keeps the tree quiet.
    mutating func promote() {
        let span = now - promotionRenewed
        guard span >= .milliseconds(100) else { return }
        promotionRenewed = now
        flatten()
        let rate = Int64(configuration.moveBudgetPerSecond) * Int64(max(1, memberCount / 50))
        promotionTokens = min(max(1_000, rate * 1_000), promotionTokens + rate * span.count / 1_000_000)
        var looked = 0
        while promotionTokens >= 1_000, !promotions.isEmpty, looked < 64 {
            looked += 1
            let id = promotions.removeFirst()
            guard let member = indexOfMember[id], records[member].connection != nil else { continue }
            if improve(member) {
                promotionTokens -= 1_000
                tally.promotionCount += 1
            }
        }
    }

    /// Who has just moved is left where it is for so long.
    static let moveRest = Nanoseconds.seconds(1)

    /// `member` or somebody below it is deeper than need be: it is given a better place in a moment.
    mutating func flattenLater(_ member: Int) {
        let id = records[member].id
        if deep.count < 4_096, !deep.contains(id) { deep.append(id) }
    }

    /// Looks at some of those that are too deep. A branch that fits nowhere as a whole is flattened from within.
    private mutating func flatten() {
        if deep.isEmpty || settledAt != nil { return }
        let usual = usualDepth
        for _ in 0..<min(deep.count, 16) {
            let id = deep.removeFirst()
            guard let member = indexOfMember[id], records[member].connection != nil else { continue }
            let stripe = records[member].home ?? 0
            guard isTooDeep(member, stripe, usual) else { continue }
            if let last = records[member].lastMoved, now - last < Coordinator.moveRest {
                deep.append(id)
                continue
            }
            if improve(member) { tally.promotionCount += 1 }
            for child in forest.children(member, stripe) where isTooDeep(child, stripe, usual) {
                flattenLater(child)
            }
        }
    }

    private func isTooDeep(_ member: Int, _ stripe: Int, _ usual: Int) -> Bool {
        forest.isAttached(member, stripe)
            && Int(forest[member, stripe].depth) + forest.height(of: member, stripe) > usual
    }

    private mutating func improve(_ member: Int) -> Bool {
        let stripe = records[member].home ?? 0
        guard forest.isAttached(member, stripe), let old = forest.parent(member, stripe) else { return false }
        // Where it is now is reckoned anew: coordinates have settled since.
        renewBranch(old, stripe)
        let depth = Int(forest[member, stripe].depth)
        guard depth > 1 else { return false }
        let height = forest.height(of: member, stripe)
        if records[member].slotLimit > 0, height + depth <= configuration.depthLimit,
            takeLeafPlace(member, stripe, depthBelow: depth, delayBelow: forest[member, stripe].delay)
        {
            return finishMove(member, stripe)
        }
        let search = Search(stripe: stripe, excluded: [old], height: height, depthBelow: depth + 1)
        guard let parent = bestParent(for: member, search) else { return false }
        let now = forest[member, stripe].delay
        let gain = Int64(now) - Int64(delay(of: member, below: parent, stripe))
        let wanted = max(2_000, Int64(now) * Int64(configuration.moveGainPerMille) / 1000)
        let wins = Int(forest[parent, stripe].depth) + 1 < depth
        guard gain >= wanted || wins && gain >= 0 else { return false }
        setParent(member, stripe, to: parent)
        return finishMove(member, stripe)
    }

    /// The predicted way from the source to `member`, were it a child of `parent`, microseconds.
    func delay(of member: Int, below parent: Int, _ stripe: Int) -> Int32 {
        let hop = records[parent].distance(to: records[member]) / 2 + 1_000
        return Int32(clamping: Int64(forest[parent, stripe].delay) + Int64(hop))
    }

    private mutating func finishMove(_ member: Int, _ stripe: Int) -> Bool {
        records[member].lastMoved = now
        chooseBackups(member, stripe)
        tell(member, StripeSet(stripe), isRegraft: true)
        return true
    }
}
