import Foundation
import TestSupport

/// Random, cut and bent datagrams (RTP, RTCP, TS) from a seed, thrown at a group's media and control ports.
struct Storm: ~Copyable {
    private let descriptor: Int32
    private let places: [sockaddr_in]
    private var state: UInt64
    private let samples: [[UInt8]]

    init(place: Place, seed: UInt64) throws {
        descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        guard descriptor >= 0 else { throw TimedOut("a socket") }
        var interface = in_addr()
        inet_pton(AF_INET, "127.0.0.1", &interface)
        setsockopt(
            descriptor, Int32(IPPROTO_IP), IP_MULTICAST_IF, &interface, socklen_t(MemoryLayout<in_addr>.size))
        places = [place.port, place.port + 1].map { port in
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = in_port_t(port).bigEndian
            inet_pton(AF_INET, place.address, &address.sin_addr)
            return address
        }
        state = seed
        var packet: [UInt8] = [0x80, 33, 0, 1, 0, 0, 0, 9, 0xAA, 0xBB, 0xCC, 0xDC]
        for _ in 0..<7 { packet += [0x47, 0x01, 0x00, 0x10] + [UInt8](repeating: 0x5A, count: 184) }
        let report: [UInt8] = [0x80, 200, 0, 6, 0xAA, 0xBB, 0xCC, 0xDC] + [UInt8](repeating: 1, count: 20)
        let words: [UInt8] = [0x81, 202, 0, 3, 0xAA, 0xBB, 0xCC, 0xDC, 1, 2, 0x61, 0x62, 0, 0, 0, 0]
        let bye: [UInt8] = [0x81, 203, 0, 1, 0xAA, 0xBB, 0xCC, 0xDC]
        let heartbeat: [UInt8] =
            [0x80, 204, 0, 4, 0xAA, 0xBB, 0xCC, 0xDC] + Array("FRSH".utf8) + [0, 0, 0, 0, 0, 0, 0, 9]
        samples = [
            packet, Array(packet.dropFirst(12)), report + words, report + words + bye,
            report + words + heartbeat,
        ]
    }

    deinit { close(descriptor) }

    /// SplitMix64.
    private mutating func random(below limit: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return Int((value ^ value >> 31) % UInt64(limit))
    }

    private mutating func datagram() -> [UInt8] {
        if random(below: 4) == 0 {
            return (0..<random(below: 1500)).map { _ in UInt8(random(below: 256)) }
        }
        var bytes = samples[random(below: samples.count)]
        if random(below: 2) == 0 { bytes = Array(bytes.prefix(random(below: bytes.count + 1))) }
        if bytes.isEmpty { return bytes }
        for _ in 0...random(below: 8) { bytes[random(below: bytes.count)] = UInt8(random(below: 256)) }
        return bytes
    }

    /// Sends `count` of them.
    mutating func send(count: Int) throws {
        for _ in 0..<count {
            let bytes = datagram()
            var address = places[random(below: 4) == 0 ? 1 : 0]
            _ = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    sendto(descriptor, bytes, bytes.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        }
    }
}
