/// A complete section of a table in its long form (ISO/IEC 13818-1 §2.4.4): a view, valid while its bytes are.
public struct TableSection: ~Escapable {
    /// Which table: 0 PAT, 2 PMT.
    public let tableID: UInt8
    /// The PAT's stream id, the PMT's program number.
    public let tableIDExtension: UInt16
    /// Counts changes of the table, 5 bits.
    public let version: UInt8
    /// False when the table is announced for later (current_next_indicator).
    public let isCurrent: Bool
    /// Which section of the table, and the number of its last.
    public let number: UInt8
    /// The number of the table's last section.
    public let lastNumber: UInt8
    /// What lies between the eight header bytes and the CRC.
    public let body: RawSpan

    /// The table id of a PAT.
    public static let programAssociation: UInt8 = 0
    /// The table id of a PMT.
    public static let programMap: UInt8 = 2
    /// The most bytes a section of these tables has (§2.4.4.3).
    public static let byteCountLimit = 1024

    /// The section at the front of `bytes`; `nil` when it is not of the long form, not all there or its CRC is wrong.
    @_lifetime(copy bytes)
    public init?(parsing bytes: RawSpan) {
        guard bytes.byteCount >= 12 else { return nil }
        let head = bytes.uint16(at: 1)
        let total = 3 &+ Int(head & 0x0FFF)
        guard head & 0x8000 != 0, total >= 12, total <= TableSection.byteCountLimit, total <= bytes.byteCount
        else {
            return nil
        }
        guard SectionChecksum.of(bytes.extracting(0..<total)) == 0 else { return nil }
        tableID = bytes.uint8(at: 0)
        tableIDExtension = bytes.uint16(at: 3)
        version = bytes.uint8(at: 5) >> 1 & 0x1F
        isCurrent = bytes.uint8(at: 5) & 1 != 0
        number = bytes.uint8(at: 6)
        lastNumber = bytes.uint8(at: 7)
        body = bytes.extracting(8..<(total &- 4))
    }

    /// The section that starts in `payload`, the payload of a packet with payload_unit_start; `nil` unless all of it is
    /// there. For sections that go on in further packets there is ``SectionAssembler``.
    @_lifetime(copy payload)
    public static func first(inPayload payload: RawSpan) -> TableSection? {
        guard payload.byteCount >= 1 else { return nil }
        let start = 1 &+ Int(payload.uint8(at: 0))
        guard start <= payload.byteCount else { return nil }
        return TableSection(parsing: payload.extracting(start..<payload.byteCount))
    }
}

/// A program of a PAT (§2.4.4.3).
public struct ProgramEntry: Equatable, Sendable {
    /// The program's number; 0 is not a program but the network information table.
    public let programNumber: UInt16
    /// Where its PMT is found (the network table, for number 0).
    public let mapPID: UInt16
}

extension TableSection {
    /// How many entries a PAT has; 0 in other tables.
    public var programCount: Int { tableID == TableSection.programAssociation ? body.byteCount / 4 : 0 }

    /// Entry `index` of a PAT; `nil` when there is none.
    public func program(at index: Int) -> ProgramEntry? {
        guard index >= 0, index < programCount else { return nil }
        return ProgramEntry(
            programNumber: body.uint16(at: 4 &* index), mapPID: body.uint16(at: 4 &* index &+ 2) & 0x1FFF)
    }

    /// The first program of a PAT that is one; `nil` when there is none.
    public var firstProgram: ProgramEntry? {
        for index in 0..<programCount {
            if let entry = program(at: index), entry.programNumber != 0 { return entry }
        }
        return nil
    }

    /// The PID of the PCR that a PMT's program goes by (§2.4.4.9); `nil` in other tables or when it has none (0x1FFF).
    public var clockPID: UInt16? {
        guard tableID == TableSection.programMap, body.byteCount >= 4 else { return nil }
        let pid = body.uint16(at: 0) & 0x1FFF
        return pid == TSPacket.nullPID ? nil : pid
    }

    /// The elementary streams of a PMT, in its order; none in other tables.
    public var streams: ElementaryStreams {
        @_lifetime(copy self)
        get { ElementaryStreams(tableID == TableSection.programMap ? body : body.extracting(first: 0)) }
    }
}

/// An elementary stream of a PMT (§2.4.4.9): a view, valid while the section's bytes are.
public struct ElementaryStream: ~Escapable {
    /// What is coded and how (§2.4.4.9 table 2-34).
    public let streamType: UInt8
    /// Its packets' PID.
    public let pid: UInt16
    /// Its descriptors, tag, length and content each.
    public let descriptors: RawSpan

    @_lifetime(copy descriptors)
    fileprivate init(streamType: UInt8, pid: UInt16, descriptors: RawSpan) {
        self.streamType = streamType
        self.pid = pid
        self.descriptors = descriptors
    }

    /// True for MPEG-1, MPEG-2, MPEG-4, H.264, HEVC and VVC video.
    public var isVideo: Bool {
        switch streamType {
        case 0x01, 0x02, 0x10, 0x1B, 0x20, 0x24, 0x33, 0x42, 0xEA: true
        default: false
        }
    }
}

/// Walks the elementary streams of a PMT.
public struct ElementaryStreams: ~Escapable {
    private var reader: ByteReader

    @_lifetime(copy body)
    fileprivate init(_ body: RawSpan) {
        reader = ByteReader(body)
        // PCR PID, then the program's own descriptors.
        if reader.skip(2), let length = reader.uint16() { _ = reader.skip(Int(length & 0x0FFF)) }
    }

    /// The next stream; `nil` after the last, or where the lengths stop making sense.
    @_lifetime(copy self)
    public mutating func next() -> ElementaryStream? {
        guard let type = reader.uint8(), let pid = reader.uint16(), let length = reader.uint16(),
            let descriptors = reader.take(Int(length & 0x0FFF))
        else { return nil }
        return ElementaryStream(streamType: type, pid: pid & 0x1FFF, descriptors: descriptors)
    }
}
