import FreshetCore

/// What breaks and what mends.
extension World where Node: ~Copyable {
    /// Fault `index` happens.
    mutating func breaks(_ index: Int) {
        let item = faults.items[index]
        let plan = scenario.faults[item.plan]
        digest.mix(now, 5, item.segment, item.station, Int32(index))
        switch plan.action {
        case .cut:
            cut(item, plan.direction, true)
        case .crash, .leave:
            guard item.station >= 0, net.stations[Int(item.station)].isPresent else { return }
            if plan.action == .leave {
                touch(item.station) { $0.finish(&$1) }
            }
            depart(item.station)
        }
        if item.lasting > .zero {
            queue.insert(.remedy, at: now + item.lasting, target: Int32(index), extra: item.station)
        }
    }

    /// Fault `index` is over; −1: a host comes for the first time.
    mutating func mends(_ index: Int, extra: Int32) {
        if index < 0 { return arrive(extra) }
        let item = faults.items[index]
        switch scenario.faults[item.plan].action {
        case .cut: cut(item, scenario.faults[item.plan].direction, false)
        case .crash, .leave: arrive(item.station)
        }
    }

    private mutating func cut(
        _ item: FaultSchedule.Item, _ direction: FaultPlan.Direction, _ isCut: Bool
    ) {
        if item.segment >= 0 {
            if direction != .down { net.segments[Int(item.segment)].isUpCut = isCut }
            if direction != .up { net.segments[Int(item.segment)].isDownCut = isCut }
            return
        }
        let places = net.stations[Int(item.station)].attachments
        catchUp(item.station)
        for path in 0..<places.count where places[path] >= 0 {
            let place = places[path]
            if direction != .down { net.attachments[Int(place)].isUpCut = isCut }
            if direction == .up { continue }
            net.attachments[Int(place)].isDownCut = isCut
            let group = Int(net.attachments[Int(place)].group)
            if !net.groups[group].isPersonal {
                net.groups[group].wake(Int(net.attachments[Int(place)].member))
            }
        }
    }

    /// A host comes, as new.
    mutating func arrive(_ node: Int32) {
        guard !net.stations[Int(node)].isPresent else { return }
        net.stations[Int(node)].isPresent = true
        net.stations[Int(node)].life += 1
        net.stations[Int(node)].scheduledAt = .distantFuture
        if net.stations[Int(node)].role == .receiver { line.checkers.presence(node, true) }
        let places = net.stations[Int(node)].attachments
        for path in 0..<places.count where places[path] >= 0 {
            let place = places[path]
            let attachment = net.attachments[Int(place)]
            net.groups[Int(attachment.group)].isPresent[Int(attachment.member)] = true
            net.groups[Int(attachment.group)].passedCount[Int(attachment.member)] =
                passings[Int(attachment.group)].end
            net.groups[Int(attachment.group)].wake(Int(attachment.member))
        }
        create(node)
        touch(node) { $0.advance(&$1) }
    }

    /// A host is gone.
    private mutating func depart(_ node: Int32) {
        catchUp(node)
        net.stations[Int(node)].isPresent = false
        net.stations[Int(node)].scheduledAt = .distantFuture
        line.checkers.presence(node, false)
        let places = net.stations[Int(node)].attachments
        for path in 0..<places.count where places[path] >= 0 {
            let place = places[path]
            let attachment = net.attachments[Int(place)]
            net.groups[Int(attachment.group)].leave(Int(attachment.member))
        }
        destroy(node)
    }
}
