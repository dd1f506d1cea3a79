import FreshetCore
import FreshetWire

/// Every parser of FreshetWire against whatever libFuzzer thinks of, with what must hold of every answer. `scripts/fuzz`
/// builds and runs it with AddressSanitizer; a trap or a failed check ends the run and saves the input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzWire(_ start: UnsafePointer<UInt8>, _ byteCount: Int) -> CInt {
    let input = UnsafeRawBufferPointer(start: start, count: byteCount)
    let bytes = RawSpan(_unsafeBytes: input)
    fuzzRTP(bytes)
    fuzzRTCP(bytes, allowsReducedSize: false)
    fuzzRTCP(bytes, allowsReducedSize: true)
    fuzzTransportStream(bytes)
    fuzzSections(Array(input))
    fuzzDescription(bytes)
    fuzzTree(bytes)
    fuzzCoding(bytes)
    return 0
}

private func fuzzRTP(_ bytes: RawSpan) {
    guard let header = RTPHeader(parsing: bytes) else { return }
    precondition(header.headerByteCount >= 12 && header.payloadByteCount >= 0 && header.paddingByteCount >= 0)
    let sum = header.headerByteCount + header.payloadByteCount + header.paddingByteCount
    precondition(sum == bytes.byteCount)
    // What the fixed part says is written back as it was, the announcements aside.
    var again = [UInt8](repeating: 0, count: 12)
    var span = again.mutableSpan
    var raw = span.mutableBytes
    header.write(into: &raw)
    for place in 1..<12 { precondition(raw.uint8(at: place) == bytes.uint8(at: place)) }
}

private func fuzzRTCP(_ bytes: RawSpan, allowsReducedSize: Bool) {
    guard var packets = CompoundPacket(parsing: bytes, allowsReducedSize: allowsReducedSize) else { return }
    var count = 0
    while let packet = packets.next() {
        count += 1
        precondition(packet.bytes.byteCount >= 4 && packet.bytes.byteCount <= bytes.byteCount)
        let report = SenderReport(packet)
        precondition(report == nil || packet.kind == 200)
        for index in 0..<packet.reportBlockCount { precondition(packet.reportBlock(at: index) != nil) }
        precondition(packet.reportBlock(at: packet.reportBlockCount) == nil)
        if let ssrc = packet.ssrc, let name = packet.canonicalName(of: ssrc) {
            precondition(name.byteCount <= 255 && CanonicalName(copying: name).byteCount <= 64)
        }
        for index in 0..<packet.goodbyeCount { precondition(packet.goodbyeSource(at: index) != nil) }
        _ = packet.saysGoodbye(for: 0x1020_3040)
        if let reason = packet.goodbyeReason { precondition(reason.byteCount > 0) }
        precondition(packet.applicationData.byteCount <= packet.bytes.byteCount)
        if let heartbeat = Heartbeat(packet) { checkHeartbeat(heartbeat) }
        if let echo = RoundTripEcho(packet) { precondition(RoundTripEcho(packet) == echo) }
        if RepairRequest(packet) != nil { checkRepairRequest(packet) }
        precondition(packet.repairEntry(at: packet.repairEntryCount) == nil)
        fuzzGroupMessages(packet)
        if let request = RetransmissionRequest(packet) {
            precondition(request.entryCount > 0)
            for index in 0..<request.entryCount {
                precondition(packet.nackEntry(at: index) != nil && packet.nackRange(at: index) != nil)
            }
        }
    }
    precondition(count > 0 && count * 4 <= bytes.byteCount)
}

private func checkHeartbeat(_ heartbeat: Heartbeat) {
    var again = [UInt8](repeating: 0, count: Heartbeat.byteCount)
    var span = again.mutableSpan
    var raw = span.mutableBytes
    var writer = CompoundWriter(&raw)
    writer.write(heartbeat)
    precondition(!writer.hasOverflowed)
    guard var packets = CompoundPacket(parsing: span.bytes, allowsReducedSize: true),
        let packet = packets.next()
    else {
        preconditionFailure("a heartbeat that was written is not read")
    }
    precondition(Heartbeat(packet) == heartbeat)
}

private func checkRepairRequest(_ packet: borrowing RTCPPacket) {
    guard let request = RepairRequest(packet) else { return }
    var entries: [RepairEntry] = []
    for index in 0..<packet.repairEntryCount {
        if let entry = packet.repairEntry(at: index) { entries.append(entry) }
    }
    precondition(entries.count == packet.repairEntryCount && request.mediaSSRC & 1 == 0)
    if entries.isEmpty { return }
    var again = [UInt8](repeating: 0, count: packet.bytes.byteCount)
    var byteCount = 0
    do {
        var span = again.mutableSpan
        var raw = span.mutableBytes
        var writer = CompoundWriter(&raw)
        writer.write(request, entries: entries.span)
        precondition(!writer.hasOverflowed)
        byteCount = writer.byteCount
    }
    let written = again.span.bytes.extracting(first: byteCount)
    guard var packets = CompoundPacket(parsing: written, allowsReducedSize: true), let copy = packets.next()
    else {
        preconditionFailure("a repair request that was written is not read")
    }
    precondition(RepairRequest(copy) == request && copy.repairEntry(at: 0) == entries[0])
}

/// The messages of repair in a group: what is read is written again and read as the same.
private func fuzzGroupMessages(_ packet: borrowing RTCPPacket) {
    if let advice = GroupAdvice(packet) {
        again({ $0.write(advice) }) { precondition(GroupAdvice($0) == advice) }
    }
    if let report = GroupReport(packet) {
        again({ $0.write(report) }) { precondition(GroupReport($0) == report) }
    }
    if let mark = SegmentMark(packet) { again({ $0.write(mark) }) { precondition(SegmentMark($0) == mark) } }
    if let digest = AckDigest(packet) {
        again({ $0.write(digest) }) { precondition(AckDigest($0) == digest) }
    }
    if let notice = RepairerNotice(packet) {
        again({ $0.write(notice) }) { precondition(RepairerNotice($0) == notice) }
    }
    if let notice = LossNotice(packet) {
        for index in 0..<notice.entryCount { precondition(packet.noticeEntry(at: index) != nil) }
    }
}

private func again(_ write: (inout CompoundWriter) -> Void, _ read: (borrowing RTCPPacket) -> Void) {
    var made = [UInt8](repeating: 0, count: 256)
    var span = made.mutableSpan
    var raw = span.mutableBytes
    var writer = CompoundWriter(&raw)
    write(&writer)
    precondition(!writer.hasOverflowed)
    let written = span.bytes.extracting(first: writer.byteCount)
    guard var packets = CompoundPacket(parsing: written, allowsReducedSize: true), let packet = packets.next()
    else { preconditionFailure("a message that was written is not read") }
    read(packet)
}

private func fuzzTransportStream(_ bytes: RawSpan) {
    _ = isTransportStream(bytes)
    _ = PESHeader(parsing: bytes)
    _ = TSPacket(parsing: bytes, at: bytes.byteCount)
    guard bytes.byteCount >= TSPacket.byteCount else { return }
    var checker = ContinuityChecker()
    var assembler = SectionAssembler()
    var offset = 0
    while offset < bytes.byteCount {
        if let packet = TSPacket(parsing: bytes, at: offset) {
            precondition(packet.payloadOffset >= 4 && packet.payloadOffset <= TSPacket.byteCount)
            precondition(packet.pid <= TSPacket.nullPID && packet.continuityCounter < 16)
            _ = checker.check(packet)
            let start = offset + packet.payloadOffset
            let payload = bytes.extracting(start..<(start + packet.payloadByteCount))
            if let header = PESHeader(parsing: payload) {
                precondition(
                    (header.presentationTime ?? 0) >> 33 == 0 && (header.decodingTime ?? 0) >> 33 == 0)
            }
            assembler.take(packet, bytes: bytes, at: offset) { walk($0) }
            checkClock(packet)
        }
        offset += TSPacket.byteCount
    }
}

private func checkClock(_ packet: TSPacket) {
    guard packet.flags.contains(.hasClockReference) else { return }
    var made = [UInt8](repeating: 0, count: TSPacket.byteCount)
    var span = made.mutableSpan
    var raw = span.mutableBytes
    ClockReference.writePacket(
        pid: packet.pid, continuityCounter: packet.continuityCounter, ticks: packet.clockReference, into: &raw
    )
    guard let again = TSPacket(parsing: span.bytes) else {
        preconditionFailure("a written packet is not read")
    }
    precondition(ClockReference.step(from: again.clockReference, to: packet.clockReference) == 0)
}

/// The checksum would keep nearly everything out, so it is put right first.
private func fuzzSections(_ input: [UInt8]) {
    _ = TableSection.first(inPayload: input.span.bytes)?.programCount
    guard input.count >= 12 else { return }
    var bytes = Array(input.prefix(TableSection.byteCountLimit))
    let length = bytes.count - 3
    bytes[1] = 0xB0 | UInt8(length >> 8)
    bytes[2] = UInt8(length & 0xFF)
    let sum = SectionChecksum.of(bytes.span.bytes.extracting(0..<(bytes.count - 4)))
    for place in 0..<4 {
        bytes[bytes.count - 4 + place] = UInt8(truncatingIfNeeded: sum >> UInt32(24 - 8 * place))
    }
    guard let section = TableSection(parsing: bytes.span.bytes) else {
        preconditionFailure("a section with the right length and checksum is not read")
    }
    walk(section)
}

private func walk(_ section: borrowing TableSection) {
    for index in 0..<section.programCount { precondition(section.program(at: index) != nil) }
    _ = section.firstProgram
    _ = section.clockPID
    var streams = section.streams
    var sum = 0
    while let stream = streams.next() { sum += 5 + stream.descriptors.byteCount }
    precondition(sum <= section.body.byteCount)
}

private func fuzzDescription(_ bytes: RawSpan) {
    guard let description = SessionDescription(parsing: bytes) else { return }
    precondition(SessionDescription(parsing: description.text) != nil, "what was written is not read")
}

private func fuzzTree(_ bytes: RawSpan) {
    if let message = try? ControlMessage(parsing: bytes) {
        let again = message.text
        guard let read = try? ControlMessage(parsing: again.span.bytes), read == message else {
            preconditionFailure("a control message that was written is not read")
        }
    }
    guard var packets = CompoundPacket(parsing: bytes, allowsReducedSize: true) else { return }
    while let packet = packets.next() {
        guard let message = LinkMessage(packet) else { continue }
        var again = [UInt8](repeating: 0, count: LinkMessage.byteCountLimit)
        var span = again.mutableSpan
        var raw = span.mutableBytes
        let count = message.write(into: &raw, ssrc: 1)
        precondition(count > 0 && count <= LinkMessage.byteCountLimit)
        let datagram = span.bytes.extracting(first: count)
        guard var written = CompoundPacket(parsing: datagram, allowsReducedSize: true),
            let first = written.next()
        else { preconditionFailure("a link message that was written is no RTCP") }
        precondition(LinkMessage(first) == message)
    }
}
