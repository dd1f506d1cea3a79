import FreshetCore
import FreshetOverlay
import FreshetWire

/// The coordinator, and the connections to it: in order and without loss, as TCP's are.
extension TreeSimulation {
    mutating func startCoordinator() {
        var configuration = CoordinatorConfiguration()
        configuration.stream = "show"
        configuration.stripeCount = scenario.stripeCount
        configuration.defaultChildren = scenario.children
        configuration.firstEra = eraBase
        if scenario.scheme == .prm { configuration.backupCount = 0 }
        coordinator.put(
            Coordinator(
                configuration: configuration, key: SipKey(low: 5, high: 6),
                random: nodeChance.split(by: 0x1_0000_0000 + UInt64(eraBase))))
        eraBase += 1
    }

    private mutating func stow(_ message: ControlMessage) -> Int32 {
        if let place = freeMessages.popLast() {
            messages[Int(place)] = message
            return place
        }
        messages.append(message)
        return Int32(messages.count - 1)
    }

    private mutating func unstow(_ place: Int32) -> ControlMessage? {
        freeMessages.append(place)
        return messages[Int(place)].take()
    }

    private mutating func count(_ message: ControlMessage) {
        guard now >= .zero + scenario.measureFrom else { return }
        totals.coordinatorMessageCount += 1
        // TCP, IP, TLS and WebSocket add so much.
        totals.coordinatorByteCount += Int64(measuredMessages.byteCount(of: message) + 40 + 29 + 6)
    }

    /// A member says something to the coordinator.
    mutating func petition(_ message: ControlMessage, from index: Int32) {
        let connection = hosts[Int(index)].connection
        guard connection != 0 else { return }
        count(message)
        queue.insert(
            .petition, at: now + Nanoseconds(map.delay(index, 0)), target: index, cargo: stow(message),
            extra: Int32(connection))
    }

    mutating func petitionArrives(_ place: Int32, connection: UInt32, from index: Int32) {
        guard let message = unstow(place), let coordinator = coordinator.value else { return }
        digest.mix(UInt64(bitPattern: now.nanoseconds) ^ UInt64(connection) << 32)
        let observed = address(index, life: lives[Int(index)])
        let began = threadTime()
        coordinator.pointee.receive(message, from: connection, observed: observed, now: now)
        coordinatorNanoseconds += threadTime() - began
        deliverOrders()
    }

    mutating func coordinatorWakes() {
        queue.insert(.coordinatorWake, at: now + .milliseconds(10), target: 0)
        guard let coordinator = coordinator.value else { return }
        let began = threadTime()
        if let due = coordinator.pointee.nextDeadline, due <= now { coordinator.pointee.advance(to: now) }
        coordinatorNanoseconds += threadTime() - began
        deliverOrders()
    }

    mutating func hangUp(_ connection: UInt32) {
        guard let coordinator = coordinator.value else { return }
        let began = threadTime()
        coordinator.pointee.disconnected(connection, now: now)
        coordinatorNanoseconds += threadTime() - began
        deliverOrders()
    }

    /// The coordinator's messages go on their way.
    private mutating func deliverOrders() {
        guard let coordinator = coordinator.value else { return }
        while let order = coordinator.pointee.nextMessage() {
            count(order.message)
            let index = hostOfConnection[Int(order.connection)]
            queue.insert(
                .message, at: now + Nanoseconds(map.delay(0, index)), target: index,
                cargo: stow(order.message), extra: Int32(order.connection))
        }
    }

    mutating func messageArrives(_ place: Int32, at index: Int32, connection: UInt32) {
        guard let message = unstow(place), isAlive[Int(index)],
            hosts[Int(index)].connection == connection
        else { return }
        digest.mix(UInt64(bitPattern: now.nanoseconds) ^ UInt64(connection) << 33)
        if case .welcome(let welcome) = message {
            hosts[Int(index)].member = welcome.member
            hosts[Int(index)].ticketKey = welcome.ticketKey
            hostOfMember[welcome.member.number] = index
        }
        if case .leave = message {
            // The coordinator has given it up; it is there all the same, and says so.
            hosts[Int(index)].connection = 0
            hosts[Int(index)].node.disconnected(now: now)
            queue.insert(.join, at: now + .milliseconds(200), target: index)
            return
        }
        hosts[Int(index)].node.receive(message, now: now)
        settle(index)
    }

    /// The coordinator is gone, and all connections with it.
    mutating func stopCoordinator() {
        coordinator.clear()
        for index in present {
            hosts[Int(index)].connection = 0
            hosts[Int(index)].node.disconnected(now: now)
            let pause = Nanoseconds.milliseconds(100 + Int64(fate.below(400)))
            queue.insert(.join, at: now + pause, target: index)
        }
    }
}

/// How long messages are as text: the first of each kind are measured, then one in sixteen, and the others
/// count as much as the last one measured.
struct MessageSizes {
    private var last: [Int: Int] = [:]
    private var counts: [Int: Int] = [:]

    mutating func byteCount(of message: ControlMessage) -> Int {
        let kind = number(of: message)
        let count = counts[kind, default: 0]
        counts[kind] = count + 1
        if count >= 64, count % 16 != 0, let size = last[kind] { return size }
        let size = message.text.count
        last[kind] = size
        return size
    }

    private func number(of message: ControlMessage) -> Int {
        switch message {
        case .join: 0
        case .welcome: 1
        case .probe: 2
        case .probeReply: 3
        case .assign(let assign): 16 + assign.offers.count
        case .regraft(let assign): 64 + assign.offers.count
        case .forward: 4
        case .report: 5
        case .starving: 6
        case .leave: 7
        case .moved: 8
        case .streamState: 9
        default: 10
        }
    }
}
