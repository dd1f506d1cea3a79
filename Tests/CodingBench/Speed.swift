import CAllocationCounter
import FreshetCoding
import FreshetCore
import FreshetWire
import Glibc

/// How fast the codes are, by the processor time of this thread.
enum Speed {
    private static func processorSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// The shortest of many timings of `body`, in seconds.
    private static func best(of count: Int, _ body: () -> Void) -> Double {
        var shortest = Double.infinity
        for _ in 0..<count {
            let start = processorSeconds()
            body()
            shortest = min(shortest, processorSeconds() - start)
        }
        return shortest
    }

    /// Bytes a second of one row added to another times a factor: by the library, and by plain C.
    static func field() -> (library: Double, plain: Double) {
        let byteCount = 1344
        let rows = 64
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: byteCount * (rows + 1))
        defer { memory.deallocate() }
        for place in 0..<byteCount * (rows + 1) { memory[place] = UInt8(truncatingIfNeeded: place &* 31) }
        let target = memory + byteCount * rows
        let repeats = 200
        let bytes = Double(repeats * rows * byteCount)
        let library = best(of: 20) {
            for round in 0..<repeats {
                for row in 0..<rows {
                    GF256.multiplyAdd(
                        UInt8(truncatingIfNeeded: row &+ round) | 2, memory + row * byteCount, into: target,
                        byteCount: byteCount)
                }
            }
        }
        let plain = best(of: 3) {
            for round in 0..<repeats {
                for row in 0..<rows {
                    GF256.multiplyAddPlainly(
                        UInt8(truncatingIfNeeded: row &+ round) | 2, memory + row * byteCount, into: target,
                        byteCount: byteCount)
                }
            }
        }
        return (bytes / library, bytes / plain)
    }

    /// Microseconds to give back `losses` packets of a window of `window`, and to make one repair of it;
    /// allocations meanwhile.
    static func decoding(losses: Int, window: Int) -> (decode: Double, encode: Double, allocations: Int) {
        let pool = PacketPool(slotCount: 8)
        var encoder = RLCEncoder(maximumWindow: 256, symbolByteCount: 1474)
        var decoder = RLCDecoder(window: 256, symbolByteCount: 1474)
        let storage = UnsafeMutableRawBufferPointer.allocate(byteCount: 1500 * losses, alignment: 8)
        defer { storage.deallocate() }
        var lengths = [Int](repeating: 0, count: losses)
        var decode = Double.infinity
        var encode = Double.infinity
        var allocations = 0
        for round in 0..<400 {
            let first = Int64(round * window)
            if round == 100 { allocation_counter_begin() }
            for place in 0..<window {
                guard var packet = pool.allocate() else { fatalError("the pool is empty") }
                fill(&packet, first + Int64(place))
                encoder.add(packet)
                // Losses at even distances, and the last packet there.
                if place % (window / losses) != 0 || place / (window / losses) >= losses {
                    decoder.addSource(packet)
                }
            }
            let start = processorSeconds()
            for index in 0..<losses {
                var span = MutableRawSpan(
                    _unsafeBytes: UnsafeMutableRawBufferPointer(rebasing: storage[(index * 1500)...]))
                lengths[index] = encoder.repair(
                    first: first, count: window, key: UInt16(truncatingIfNeeded: round * losses + index),
                    density: 15, into: &span)
            }
            let middle = processorSeconds()
            for index in 0..<losses {
                decoder.addRepair(
                    RawSpan(
                        _unsafeBytes: UnsafeRawBufferPointer(
                            rebasing: storage[index * 1500..<index * 1500 + lengths[index]])))
            }
            var count = 0
            while decoder.hasRecovered {
                guard var packet = pool.allocate() else { fatalError("the pool is empty") }
                if decoder.nextRecovered(into: &packet) != nil { count += 1 }
            }
            let end = processorSeconds()
            // One time in 256 a coefficient makes an equation say nothing new.
            if count == losses { decode = min(decode, end - middle) }
            encode = min(encode, (middle - start) / Double(losses))
        }
        allocations = Int(allocation_counter_end())
        return (decode * 1e6, encode * 1e6, allocations)
    }

    /// Allocations of rows and columns made and used, with a loss in every 37 packets.
    static func parityAllocations() -> Int {
        let pool = PacketPool(slotCount: 8)
        var generator = ParityGenerator(
            columns: 10, rows: 5, hasRows: true, packetByteCount: 1472, sequence: 0)
        var recoverer = ParityRecoverer(packetByteCount: 1472)
        let storage = UnsafeMutableRawBufferPointer.allocate(byteCount: 1600, alignment: 8)
        defer { storage.deallocate() }
        for sequence in 0..<4000 {
            if sequence == 1000 { allocation_counter_begin() }
            guard var packet = pool.allocate() else { fatalError("the pool is empty") }
            fill(&packet, Int64(sequence))
            generator.add(packet)
            if sequence % 37 != 1 { recoverer.addSource(packet) }
            while true {
                var span = MutableRawSpan(_unsafeBytes: storage)
                guard let due = generator.next(into: &span) else { break }
                recoverer.addParity(
                    RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: storage[..<due.byteCount])))
            }
            while recoverer.hasRecovered {
                guard var packet = pool.allocate() else { fatalError("the pool is empty") }
                _ = recoverer.nextRecovered(into: &packet)
            }
        }
        let allocations = Int(allocation_counter_end())
        return recoverer.totals.recovered > 90 ? allocations : -1
    }

    private static func fill(_ packet: inout Packet, _ sequence: Int64) {
        packet.append(byteCount: 1328) { span in
            RTPHeader.write(
                sequenceNumber: UInt16(truncatingIfNeeded: sequence),
                timestamp: UInt32(truncatingIfNeeded: sequence), ssrc: 2, into: &span)
            span.write(UInt64(bitPattern: sequence), at: 600)
        }
        packet.info.flags = .hasSequence
        packet.info.ssrc = 2
        packet.info.extendedSequence = sequence
        packet.info.headerByteCount = 12
    }
}
