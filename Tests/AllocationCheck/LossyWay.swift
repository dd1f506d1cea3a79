import FreshetCore
import Glibc

/// A way over the loopback that loses one media datagram in fifty: what comes to its two ports goes on to the
/// receiver's, and what the receiver says on control goes back to the sender.
final class LossyWay {
    private static let lostOneIn = 50

    /// The port that media is sent to; control goes to the next one.
    let port: UInt16
    /// The port that the receiver listens on.
    let receiverPort: UInt16
    private let media: Int32
    private let control: Int32
    private var sender = sockaddr_in()
    private var count = 0
    private let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 2048, alignment: 8)

    init() throws {
        (media, control, port) = try LossyWay.pair()
        let other = try LossyWay.pair()
        close(other.0)
        close(other.1)
        receiverPort = other.2
    }

    deinit {
        close(media)
        close(control)
        bytes.deallocate()
    }

    private static func address(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }

    /// Two sockets on ports that follow each other, the first even.
    private static func pair() throws -> (Int32, Int32, UInt16) {
        for port in stride(from: UInt16(42_000), to: 60_000, by: 2) {
            let first = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | O_NONBLOCK, 0)
            let second = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | O_NONBLOCK, 0)
            if bind(first, port), bind(second, port + 1) { return (first, second, port) }
            close(first)
            close(second)
        }
        throw StageError.failure("there are no two free ports")
    }

    private static func bind(_ socket: Int32, _ port: UInt16) -> Bool {
        var place = address(port)
        return withUnsafePointer(to: &place) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    /// Carries on what has come.
    func carry() {
        while let (length, _) = receive(media) {
            count += 1
            if count % LossyWay.lostOneIn != 0 {
                send(media, length, to: LossyWay.address(receiverPort))
            }
        }
        while let (length, from) = receive(control) {
            if UInt16(bigEndian: from.sin_port) == receiverPort + 1 {
                send(control, length, to: sender)
            } else {
                sender = from
                send(control, length, to: LossyWay.address(receiverPort + 1))
            }
        }
    }

    private func receive(_ socket: Int32) -> (Int, sockaddr_in)? {
        var from = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let length = withUnsafeMutablePointer(to: &from) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                recvfrom(socket, bytes.baseAddress, bytes.count, 0, $0, &size)
            }
        }
        return length < 0 ? nil : (length, from)
    }

    private func send(_ socket: Int32, _ length: Int, to address: sockaddr_in) {
        var address = address
        _ = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(socket, bytes.baseAddress, length, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}
