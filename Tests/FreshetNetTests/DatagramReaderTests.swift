import FreshetCore
import FreshetNet
import Testing

@Suite struct DatagramReaderTests {
    /// Sends `datagrams` as the kernel's segmented messages, so that a joining receiver gets them in pieces.
    private func sendJoined(_ datagrams: [[UInt8]], to address: SocketAddress) throws {
        let pool = PacketPool(slotCount: 64)
        var packets = try batch(datagrams, from: pool)
        var fanOut = try DatagramFanOut(
            socket: try UDPSocket(.ipv4), destinations: [.init(address: address, stripsHeader: false)])
        let taken = send(packets, by: &fanOut)
        #expect(taken == datagrams.count)
        packets.removeAll()
        #expect(pool.usedCount == 0)
    }

    @Test(arguments: [false, true])
    func `every datagram comes once and whole whatever the limits, while the caller keeps them`(
        isJoining: Bool
    ) throws {
        let listener = try Listener()
        if isJoining { #expect(listener.joins()) }
        let sender = try UDPSocket(.ipv4)
        var sent: [[UInt8]] = []
        // More waits than a call takes; fewer; as many; one: places are filled, left and filled anew.
        for (count, limits) in [
            (100, [64, 5, 64]), (10, [64]), (70, [3, 64, 1, 64]), (1, [64]), (64, [7, 64]),
        ] {
            for _ in 0..<count {
                let bytes = datagram(sent.count, byteCount: 20 + sent.count * 37 % 1400)
                sender.sendSurely(bytes, to: listener.address)
                sent.append(bytes)
            }
            for limit in limits { #expect(try listener.receive(limit: limit) <= 64) }
            try listener.receive(until: sent.count)
        }
        #expect(listener.datagrams == sent)
        let isQuiet = try listener.isQuiet()
        #expect(isQuiet)
    }

    @Test func `pieces that the kernel joined come apart as they were sent`() throws {
        let listener = try Listener()
        #expect(listener.joins())
        var sent: [[UInt8]] = []
        // The last of a piece may be shorter; sizes change between pieces, up and down.
        for (size, count, last) in [
            (1328, 40, 1328), (1328, 40, 200), (1328, 7, 1328), (1400, 20, 1399), (188, 60, 100),
            (1328, 33, 12),
        ] {
            let run = (0..<count).map { datagram(sent.count + $0, byteCount: $0 == count - 1 ? last : size) }
            try sendJoined(run, to: listener.address)
            sent += run
            try listener.receive(until: sent.count)
        }
        #expect(listener.datagrams == sent)
        #expect(listener.messageCount < sent.count / 4)
    }

    @Test func `lone datagrams between joined pieces keep their place and their bytes`() throws {
        let listener = try Listener()
        #expect(listener.joins())
        let sender = try UDPSocket(.ipv4)
        var sent: [[UInt8]] = []
        for round in 0..<12 {
            let run = (0..<10).map { datagram(sent.count + $0, byteCount: 1000) }
            try sendJoined(run, to: listener.address)
            sent += run
            let lone = datagram(sent.count, byteCount: [1500, 12, 1000, 1984, 1001][round % 5])
            sender.sendSurely(lone, to: listener.address)
            sent.append(lone)
            if round % 3 == 2 { try listener.receive(until: sent.count, limit: 1 + round) }
        }
        #expect(listener.datagrams == sent)
    }

    @Test func `a datagram longer than a slot is told as oversized and harms no other`() throws {
        let listener = try Listener(slotByteCount: 1024)
        let sender = try UDPSocket(.ipv4)
        let sizes = [500, 60_000, 960, 961, 10]
        for (index, size) in sizes.enumerated() {
            sender.sendSurely(datagram(index, byteCount: size), to: listener.address)
        }
        var seen: [Int] = []
        var oversized: [Int] = []
        while seen.count < sizes.count {
            let result = listener.reader.receive(
                listener.socket, limit: 64, pool: listener.pool, now: MonotonicClock.now)
            if try result.get() == 0 { try listener.waitUntilReadable() }
            while let packet = listener.reader.next(pool: listener.pool) {
                if listener.reader.isOversized { oversized.append(seen.count) }
                seen.append(packet.byteCount)
                guard packet.byteCount > 0 else { continue }
                let bytes = Array(packet.unsafeBytes)
                #expect(bytes == datagram(seen.count - 1, byteCount: sizes[seen.count - 1]))
            }
        }
        #expect(seen == [500, 0, 960, 0, 10])
        #expect(oversized == [1, 3])
    }

    @Test func `without a packet free nothing is received and nothing lost`() throws {
        let listener = try Listener(slotCount: 4)
        let sender = try UDPSocket(.ipv4)
        let sent = (0..<10).map { datagram($0, byteCount: 100 + $0) }
        for bytes in sent { sender.sendSurely(bytes, to: listener.address) }
        var seen: [[UInt8]] = []
        while seen.count < sent.count {
            if try listener.receive() == 0 { try listener.waitUntilReadable() }
            if listener.kept.count == 4 { #expect(try listener.receive() == 0) }
            seen += listener.datagrams
            listener.kept.removeAll()
        }
        #expect(seen == sent)
    }

    @Test func `a joined piece waits in the middle until there are packets again`() throws {
        let listener = try Listener(slotCount: 12, capacity: 2)
        #expect(listener.joins())
        let sent = (0..<60).map { datagram($0, byteCount: 1000) }
        try sendJoined(sent, to: listener.address)
        var seen: [[UInt8]] = []
        var pauses = 0
        while seen.count < sent.count {
            if listener.reader.isDrained {
                if try listener.receive() == 0 { try listener.waitUntilReadable() }
            } else {
                pauses += 1
                while let packet = listener.reader.next(pool: listener.pool) { listener.kept.append(packet) }
            }
            seen += listener.datagrams
            listener.kept.removeAll()
        }
        #expect(seen == sent)
        #expect(pauses >= 4)
    }

    @Test func `arrivals carry the kernel's time and the sender, not the time of reading`() throws {
        let listener = try Listener()
        listener.socket.reportTimestamps()
        let sender = try UDPSocket(.ipv4)
        try sender.bind(try #require(SocketAddress("127.0.0.1", port: 0)), isShared: false)
        let end = MonotonicClock.now + .seconds(5)
        while true {
            let before = MonotonicClock.now
            sender.sendSurely([1, 2, 3], to: listener.address)
            let after = MonotonicClock.now
            try listener.waitUntilReadable()
            while MonotonicClock.now < after + .milliseconds(20) {}
            let now = MonotonicClock.now
            try listener.receive(until: listener.kept.count + 1)
            let arrival = listener.reader.arrival(now: now)
            #expect(arrival >= before - .milliseconds(1) && arrival <= now)
            let address = sender.localAddress
            #expect(listener.lastSender == address)
            // The kernel begins to stamp a moment after it was asked to.
            if arrival <= after + .milliseconds(5) { return }
            if now > end { throw NotInTime() }
        }
    }

    @Test func `datagrams that the kernel had no room for are counted`() throws {
        let listener = try Listener()
        _ = listener.socket.setReceiveBuffer(20_000)
        listener.socket.reportOverflow()
        let sender = try UDPSocket(.ipv4)
        for index in 0..<200 { sender.sendSurely(datagram(index, byteCount: 1000), to: listener.address) }
        try listener.receive(until: 1)
        while try listener.receive() > 0 {}
        let came = listener.kept.count
        #expect(came > 0 && came < 200)
        // The count travels with the next datagram that fits.
        sender.sendSurely([1], to: listener.address)
        try listener.receive(until: came + 1)
        let dropped = listener.reader.takeOverflowCount()
        let again = listener.reader.takeOverflowCount()
        #expect(dropped == 200 - came)
        #expect(again == 0)
    }
}
