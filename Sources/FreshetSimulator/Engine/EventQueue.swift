import FreshetCore

/// Something that will happen: when, and what, told by three numbers whose meaning depends on the kind.
struct Event<Kind: BitwiseCopyable> {
    var time: Instant
    var serial: UInt64
    var kind: Kind
    var target: Int32
    /// The datagram's place in the hold.
    var cargo: Int32
    var extra: Int32 = 0

    @inline(__always)
    static func < (a: Event, b: Event) -> Bool {
        a.time == b.time ? a.serial < b.serial : a.time < b.time
    }
}

/// What will happen, in the order in which it will: by time, and at one time in the order in which it was put
/// in, so that a run is the same each time. It grows.
///
/// A wheel of narrow spans of time: what falls into one of the next spans goes to the end of that span's blocks,
/// what is farther off waits in a heap. A span's events are sorted when its turn comes, so an event costs the
/// same whether ten others are pending or a million.
struct EventQueue<Kind: BitwiseCopyable>: ~Copyable {
    typealias Item = Event<Kind>

    /// Spans of 2^14 ns, 2^14 of them: a quarter of a second.
    private static var shift: Int64 { 14 }
    private static var spanCount: Int64 { 1 << 14 }

    /// Events of one span lie together, so many in a block: they are fetched from memory at once.
    private static var blockCount: Int { 8 }

    /// The events of the span whose turn it is, in order, and which of them is next.
    private var turn: [Item] = []
    private var next = 0
    /// The number of that span since the world began.
    private var cursor: Int64 = -1
    /// The newest block of each span's list and how many events are in that block; -1 for none.
    private let heads: UnsafeMutablePointer<(block: Int32, count: Int32)>
    /// Spans that have events, a bit each, and words of those bits that are not 0.
    private let occupied: UnsafeMutablePointer<UInt64>
    private let occupiedWords: UnsafeMutablePointer<UInt64>
    private var blocks: UnsafeMutablePointer<Item>
    /// The block after each, of the same list; -1 for none.
    private var nextBlocks: UnsafeMutablePointer<Int32>
    /// Blocks.
    private var capacity: Int
    private var freeBlock: Int32 = -1
    private var blockEnd: Int32 = 0
    private var wheelCount = 0
    private var far: EventHeap<Kind>
    private var serial: UInt64 = 0

    /// An empty queue with places for `capacity` events of the next quarter of a second.
    init(capacity: Int = 1024) {
        self.capacity = max(capacity / Self.blockCount, 16)
        blocks = .allocate(capacity: self.capacity * Self.blockCount)
        nextBlocks = .allocate(capacity: self.capacity)
        heads = .allocate(capacity: Int(Self.spanCount))
        heads.initialize(repeating: (-1, 0), count: Int(Self.spanCount))
        let words = Int(Self.spanCount) / 64
        occupied = .allocate(capacity: words)
        occupied.initialize(repeating: 0, count: words)
        occupiedWords = .allocate(capacity: words / 64)
        occupiedWords.initialize(repeating: 0, count: words / 64)
        far = EventHeap()
    }

    deinit {
        blocks.deallocate()
        nextBlocks.deallocate()
        heads.deallocate()
        occupied.deallocate()
        occupiedWords.deallocate()
    }

    /// Events pending.
    var count: Int { turn.count - next + wheelCount + far.count }

    /// How many events were ever put in.
    var totalCount: UInt64 { serial }

    /// Puts an event in; one for a time that is over comes next.
    @inline(__always)
    mutating func insert(_ kind: Kind, at time: Instant, target: Int32, cargo: Int32 = -1, extra: Int32 = 0) {
        let event = Item(time: time, serial: serial, kind: kind, target: target, cargo: cargo, extra: extra)
        serial &+= 1
        let span = time.nanoseconds >> Self.shift
        if span <= cursor {
            insertIntoTurn(event)
        } else if span &- cursor < Self.spanCount {
            append(event, to: span)
        } else {
            far.insert(event)
        }
    }

    @inline(__always)
    private mutating func append(_ event: Item, to span: Int64) {
        let slot = Int(span & (Self.spanCount &- 1))
        if heads[slot].block < 0 || Int(heads[slot].count) == Self.blockCount { openBlock(slot) }
        let place = Int(heads[slot].block) &* Self.blockCount &+ Int(heads[slot].count)
        (blocks + place).initialize(to: event)
        heads[slot].count &+= 1
        wheelCount &+= 1
    }

    @inline(never)
    private mutating func openBlock(_ slot: Int) {
        let block: Int32
        if freeBlock >= 0 {
            block = freeBlock
            freeBlock = nextBlocks[Int(block)]
        } else {
            if Int(blockEnd) == capacity { grow() }
            block = blockEnd
            blockEnd &+= 1
        }
        (nextBlocks + Int(block)).initialize(to: heads[slot].block)
        heads[slot] = (block, 0)
        occupied[slot >> 6] |= 1 << UInt64(slot & 63)
        occupiedWords[slot >> 12] |= 1 << UInt64((slot >> 6) & 63)
    }

    private mutating func insertIntoTurn(_ event: Item) {
        // What is put in now mostly comes last of all in the span.
        if turn.isEmpty || turn[turn.count &- 1] < event { return turn.append(event) }
        var low = next
        var high = turn.count
        while low < high {
            let middle = (low &+ high) / 2
            if turn[middle] < event { low = middle &+ 1 } else { high = middle }
        }
        turn.insert(event, at: low)
    }

    /// Takes the first event if it happens by `end`.
    @inline(__always)
    mutating func popFirst(through end: Instant = .distantFuture) -> Item? {
        if next == turn.count, !openNextSpan() { return nil }
        let first = turn[next]
        guard first.time <= end else { return nil }
        next &+= 1
        return first
    }

    /// Makes it the turn of the next span that has events; false when there is none.
    @inline(never)
    private mutating func openNextSpan() -> Bool {
        let near = nextOccupied()
        let distant = far.first.map { $0.time.nanoseconds >> Self.shift }
        guard let span = near.map({ min($0, distant ?? .max) }) ?? distant else { return false }
        turn.removeAll(keepingCapacity: true)
        next = 0
        cursor = span
        if near == span { take(slot: Int(span & (Self.spanCount &- 1))) }
        while let event = far.first, event.time.nanoseconds >> Self.shift == span {
            turn.append(event)
            far.removeFirst()
        }
        if turn.count < 24 { sortFew() } else { turn.sort { $0 < $1 } }
        return true
    }

    private mutating func take(slot: Int) {
        var (block, count) = heads[slot]
        heads[slot] = (-1, 0)
        occupied[slot >> 6] &= ~(1 << UInt64(slot & 63))
        if occupied[slot >> 6] == 0 { occupiedWords[slot >> 12] &= ~(1 << UInt64((slot >> 6) & 63)) }
        while block >= 0 {
            let first = blocks + Int(block) &* Self.blockCount
            turn.append(contentsOf: UnsafeBufferPointer(start: first, count: Int(count)))
            wheelCount &-= Int(count)
            let next = nextBlocks[Int(block)]
            nextBlocks[Int(block)] = freeBlock
            freeBlock = block
            block = next
            count = Int32(Self.blockCount)
        }
    }

    private mutating func sortFew() {
        turn.withUnsafeMutableBufferPointer { events in
            var count = 1
            while count < events.count {
                let event = events[count]
                var place = count
                while place > 0, event < events[place &- 1] {
                    events[place] = events[place &- 1]
                    place &-= 1
                }
                events[place] = event
                count &+= 1
            }
        }
    }

    /// The next span of the wheel that has events.
    private func nextOccupied() -> Int64? {
        if wheelCount == 0 { return nil }
        let start = Int((cursor &+ 1) & (Self.spanCount &- 1))
        let wordCount = Int(Self.spanCount) >> 6
        var word = start >> 6
        var bits = occupied[word] & (UInt64.max << UInt64(start & 63))
        if bits == 0 {
            word = nextWord(after: word)
            bits = occupied[word]
            // Round the wheel: what is in the first word before the start comes last.
            if word == start >> 6 { bits &= ~(UInt64.max << UInt64(start & 63)) }
        }
        if bits == 0 { return nil }
        let slot = (word % wordCount) << 6 | bits.trailingZeroBitCount
        let distance = (slot &- start) & Int(Self.spanCount &- 1)
        return cursor &+ 1 &+ Int64(distance)
    }

    /// The next word behind `word`, round the wheel, that has a bit; `word` itself when no other has.
    private func nextWord(after word: Int) -> Int {
        let groupCount = Int(Self.spanCount) >> 12
        var group = word >> 6
        let within = UInt64(word & 63)
        var bits = within == 63 ? 0 : occupiedWords[group] & (UInt64.max << (within &+ 1))
        for _ in 0...groupCount {
            if bits != 0 { return group << 6 | bits.trailingZeroBitCount }
            group = group &+ 1 == groupCount ? 0 : group &+ 1
            bits = occupiedWords[group]
        }
        return word
    }

    private mutating func grow() {
        let larger = UnsafeMutablePointer<Item>.allocate(capacity: capacity * 2 * Self.blockCount)
        larger.moveInitialize(from: blocks, count: capacity * Self.blockCount)
        blocks.deallocate()
        blocks = larger
        let longer = UnsafeMutablePointer<Int32>.allocate(capacity: capacity * 2)
        longer.moveInitialize(from: nextBlocks, count: capacity)
        nextBlocks.deallocate()
        nextBlocks = longer
        capacity *= 2
    }
}
