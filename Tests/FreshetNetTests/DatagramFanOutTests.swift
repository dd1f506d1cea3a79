import FreshetCore
import FreshetNet
import Testing

@Suite struct DatagramFanOutTests {
    private func fanOut(
        _ destinations: [DatagramFanOut.Destination], packetLimit: Int = 64
    ) throws -> DatagramFanOut {
        try DatagramFanOut(
            socket: try UDPSocket(.ipv4), destinations: destinations, packetLimit: packetLimit)
    }

    @Test func `every destination gets every packet, bare ones without the header`() throws {
        let pool = PacketPool(slotCount: 64)
        let whole = try Listener()
        let bare = try Listener()
        let third = try Listener()
        let sent = (0..<20).map { datagram($0, byteCount: 1328 - $0 % 3) }
        var packets = try batch(sent, headerByteCount: 12, from: pool)
        var fanOut = try fanOut([
            .init(address: whole.address, stripsHeader: false),
            .init(address: bare.address, stripsHeader: true),
            .init(address: third.address, stripsHeader: false),
        ])
        let taken = send(packets, by: &fanOut)
        #expect(taken == 20)
        packets.removeAll()
        for listener in [whole, bare, third] { try listener.receive(until: 20) }
        #expect(whole.datagrams == sent)
        #expect(third.datagrams == sent)
        #expect(bare.datagrams == sent.map { Array($0.dropFirst(12)) })
        let counts = fanOut.destinations.map(\.sentCount)
        #expect(counts == [20, 20, 20])
        #expect(try whole.isQuiet() && bare.isQuiet() && third.isQuiet())
    }

    @Test func `segmented runs and lone packets come as the same datagrams`() throws {
        let pool = PacketPool(slotCount: 64)
        let sizes = [1328, 1328, 1328, 700, 1328, 12, 12, 1328, 1329, 1329, 1, 1328]
        let sent = sizes.enumerated().map { datagram($0, byteCount: $1) }
        let joined = try Listener()
        let lone = try Listener()
        var packets = try batch(sent, from: pool)
        var segmenting = try fanOut([.init(address: joined.address, stripsHeader: false)])
        let joinedCount = send(packets, by: &segmenting)
        #expect(joinedCount == sent.count)
        // A limit of one packet leaves nothing to join.
        var single = try fanOut([.init(address: lone.address, stripsHeader: false)], packetLimit: 1)
        while !packets.isEmpty {
            let loneCount = send(packets, by: &single)
            #expect(loneCount == 1)
            _ = packets.popFirst()
        }
        try joined.receive(until: sent.count)
        try lone.receive(until: sent.count)
        #expect(joined.datagrams == sent)
        #expect(lone.datagrams == sent)
        let isSegmenting = segmenting.isSegmenting
        #expect(isSegmenting)
    }

    @Test func `a batch longer than the limit is taken in parts`() throws {
        let pool = PacketPool(slotCount: 64)
        let listener = try Listener()
        let sent = (0..<10).map { datagram($0, byteCount: 200) }
        var packets = try batch(sent, from: pool)
        var fanOut = try fanOut([.init(address: listener.address, stripsHeader: false)], packetLimit: 4)
        var taken: [Int] = []
        while !packets.isEmpty {
            let count = try #require(send(packets, by: &fanOut))
            taken.append(count)
            for _ in 0..<count { _ = packets.popFirst() }
        }
        #expect(taken == [4, 4, 2])
        try listener.receive(until: 10)
        #expect(listener.datagrams == sent)
    }

    @Test func `a destination that the kernel refuses stops no other and is told once`() throws {
        let pool = PacketPool(slotCount: 64)
        let first = try Listener()
        let last = try Listener()
        // Broadcast without leave to broadcast: the kernel says no at once.
        let refused = try #require(SocketAddress("255.255.255.255", port: 9))
        var fanOut = try fanOut([
            .init(address: first.address, stripsHeader: false),
            .init(address: refused, stripsHeader: false),
            .init(address: last.address, stripsHeader: false),
        ])
        var sent: [[UInt8]] = []
        var told: [SocketAddress] = []
        for _ in 0..<3 {
            let run = (0..<8).map { datagram(sent.count + $0, byteCount: 600 + $0) }
            var packets = try batch(run, from: pool)
            let taken = send(packets, by: &fanOut)
            #expect(taken == 8)
            packets.removeAll()
            sent += run
            while let error = fanOut.takeNewError() { told.append(error.address) }
        }
        try first.receive(until: sent.count)
        try last.receive(until: sent.count)
        #expect(first.datagrams == sent)
        #expect(last.datagrams == sent)
        #expect(told == [refused])
        let counts = fanOut.destinations.map { [$0.sentCount, $0.errorCount] }
        #expect(counts == [[24, 0], [0, 24], [24, 0]])
    }

    @Test func `a closed port stops no other destination`() throws {
        let pool = PacketPool(slotCount: 64)
        let closed = try Listener().address
        let open = try Listener()
        var fanOut = try fanOut([
            .init(address: closed, stripsHeader: false), .init(address: open.address, stripsHeader: false),
        ])
        var sent: [[UInt8]] = []
        for _ in 0..<5 {
            let run = (0..<6).map { datagram(sent.count + $0, byteCount: 100) }
            var packets = try batch(run, from: pool)
            let taken = send(packets, by: &fanOut)
            #expect(taken == 6)
            packets.removeAll()
            sent += run
        }
        try open.receive(until: sent.count)
        #expect(open.datagrams == sent)
    }

    @Test func `the one destination's closed port is told once, and it gets packets when it opens`() throws {
        let pool = PacketPool(slotCount: 64)
        let address = try Listener().address
        var fanOut = try fanOut([.init(address: address, stripsHeader: false)])
        var told = 0
        var index = 0
        func sendOne(_ fanOut: inout DatagramFanOut) throws {
            var packets = try batch([datagram(index, byteCount: 50)], from: pool)
            index += 1
            let taken = send(packets, by: &fanOut)
            #expect(taken == 1)
            packets.removeAll()
            while let error = fanOut.takeNewError() {
                #expect(error.address == address && error.errno == .connectionRefused)
                told += 1
            }
        }
        let end = MonotonicClock.now + .seconds(5)
        while fanOut.destinations[0].errorCount < 3 {
            try sendOne(&fanOut)
            if MonotonicClock.now > end { throw NotInTime() }
        }
        #expect(told == 1)
        let listener = try Listener("127.0.0.1", port: address.port)
        try sendOne(&fanOut)
        try sendOne(&fanOut)
        try listener.receive(until: 2)
        #expect(
            listener.datagrams == [datagram(index - 2, byteCount: 50), datagram(index - 1, byteCount: 50)])
    }

    @Test func `control goes beside the stream from the same address`() throws {
        let media = try Listener()
        let control = try Listener()
        let socket = try UDPSocket(.ipv4)
        let fanOut = try DatagramFanOut(
            socket: socket, destinations: [.init(address: media.address, stripsHeader: false)])
        let bytes: [UInt8] = [7, 8, 9]
        fanOut.sendBeside(bytes.span.bytes, to: control.address)
        try control.receive(until: 1)
        #expect(control.datagrams == [bytes])
        #expect(try media.isQuiet())
    }
}
