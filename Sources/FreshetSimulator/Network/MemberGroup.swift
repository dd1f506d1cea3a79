import FreshetCore
import FreshetStages

/// Members of a segment that are alike: what goes to all of them reaches all of them at once.
///
/// A member that nothing has happened to since its last packet is *asleep*: it is told of packets that came in
/// order later, all together, before anything else happens to it. One that besides misses nothing and leaves answers
/// to another is *inattentive*: it is told later of what changes nothing for it, too.
///
/// A class of its own in the other sense as well: it is looked at for every datagram, and too large to be copied.
final class MemberGroup {
    let segment: Int32
    let firstNode: Int32
    let count: Int
    let firstAttachment: Int32
    let delay: Nanoseconds
    /// Each member has a line of its own.
    let isPersonal: Bool
    @exclusivity(unchecked) var loss: SharedLoss
    /// Members that are there and are told of each packet, a bit each: they are told in their own order,
    /// whenever they woke.
    @exclusivity(unchecked) private(set) var awake: [UInt64]
    /// Members that are told later of what changes nothing for them, a bit each.
    @exclusivity(unchecked) private var inattentive: [UInt64]
    @exclusivity(unchecked) var isPresent: [Bool]
    /// The last number that a member asleep was told of.
    @exclusivity(unchecked) var toldThrough: [Int64]
    /// How many of the datagrams in the log of those that passed a member was told of.
    @exclusivity(unchecked) var passedCount: [Int64]
    /// The last transmission that a member lost.
    @exclusivity(unchecked) var lostStamp: [UInt32]
    @exclusivity(unchecked) var stamp: UInt32 = 0
    /// The last media packet that reached the group; -1 before the first.
    @exclusivity(unchecked) var last: Int64 = -1
    /// Members asleep were told of all up to here.
    @exclusivity(unchecked) var sweptThrough: Int64 = -1
    /// And of so many datagrams that passed.
    @exclusivity(unchecked) var sweptCount: Int64 = 0
    /// To whom all inattentive members leave answers.
    @exclusivity(unchecked) private var answerer: Int32 = -1
    @exclusivity(unchecked) private(set) var inattentiveCount = 0
    /// The last packets that were asked for in the segment, by their numbers' last bits.
    @exclusivity(unchecked) private var asked: [Int64] = []
    /// The last packets that a member lost, in the same way.
    @exclusivity(unchecked) private var missed: [Int64] = []

    init(
        segment: Int32, firstNode: Int32, count: Int, firstAttachment: Int32,
        link: LinkModel.Configuration, isPersonal: Bool, random: PRNG
    ) {
        self.segment = segment
        self.firstNode = firstNode
        self.count = count
        self.firstAttachment = firstAttachment
        self.isPersonal = isPersonal
        delay = isPersonal ? .zero : link.delay
        loss = SharedLoss(isPersonal ? LinkModel.Configuration() : link, count: count, random: random)
        awake = Array(repeating: 0, count: (count + 63) / 64)
        inattentive = awake
        isPresent = Array(repeating: false, count: count)
        toldThrough = Array(repeating: -1, count: count)
        passedCount = Array(repeating: 0, count: count)
        lostStamp = Array(repeating: 0, count: count)
    }

    @inline(__always)
    func isAwake(_ member: Int) -> Bool { awake[member >> 6] >> UInt64(member & 63) & 1 == 1 }

    /// True when `member` is told of everything but packets in order at once.
    @inline(__always)
    func isAttentive(_ member: Int) -> Bool { inattentive[member >> 6] >> UInt64(member & 63) & 1 == 0 }

    /// Tells `member` of each packet, and of everything else.
    func wake(_ member: Int) {
        awake[member >> 6] |= 1 << UInt64(member & 63)
        attend(member)
    }

    /// Tells `member` of packets in order later.
    func sleep(_ member: Int) {
        guard isAwake(member) else { return }
        awake[member >> 6] &= ~(1 << UInt64(member & 63))
        toldThrough[member] = last
    }

    /// `member` is gone.
    func leave(_ member: Int) {
        isPresent[member] = false
        sleep(member)
        attend(member)
    }

    private func attend(_ member: Int) {
        if isAttentive(member) { return }
        inattentive[member >> 6] &= ~(1 << UInt64(member & 63))
        inattentiveCount -= 1
    }

    /// `member`, which is there, leaves answers to the node `other`; −1 when it does not.
    @inline(__always)
    func setAnswerer(_ other: Int32, of member: Int) {
        if other < 0 || isAwake(member) { return attend(member) }
        if isAttentive(member) {
            if inattentiveCount > 0, other != answerer { return }
            answerer = other
            inattentiveCount += 1
            inattentive[member >> 6] |= 1 << UInt64(member & 63)
        } else if other != answerer {
            attend(member)
        }
    }

    /// Some member did not get `numbers`.
    func noteMissed(_ numbers: Range<Int64>) {
        if missed.isEmpty { missed = Array(repeating: -1, count: 4096) }
        for number in numbers.suffix(4096) { missed[Int(number & 4095)] = number }
    }

    /// True when some member did not get packet `number` on its first way.
    func isMissed(_ number: Int64) -> Bool { !missed.isEmpty && missed[Int(number & 4095)] == number }

    /// True when somebody on the segment asked for packet `number`.
    func isAsked(_ number: Int64) -> Bool { !asked.isEmpty && asked[Int(number & 4095)] == number }

    /// Adds the members that are there to `list`, all or the attentive ones, in their order.
    func list(into list: inout [Int32], onlyAttentive: Bool) {
        for word in inattentive.indices {
            var bits = onlyAttentive ? ~inattentive[word] : UInt64.max
            if word == inattentive.count - 1, count & 63 != 0 { bits &= 1 << UInt64(count & 63) - 1 }
            while bits != 0 {
                let member = word << 6 + bits.trailingZeroBitCount
                bits &= bits - 1
                if isPresent[member] { list.append(Int32(member)) }
            }
        }
    }

    /// True when a request of `sender` means something to those who leave answers to another: it is the other
    /// himself, or asks for something for the second time.
    func isRemarkable(_ numbers: [Int64], from sender: Int32) -> Bool {
        if asked.isEmpty { asked = Array(repeating: -1, count: 4096) }
        var isKnown = sender == answerer
        for number in numbers {
            if asked[Int(number & 4095)] == number { isKnown = true }
            asked[Int(number & 4095)] = number
        }
        return isKnown
    }
}
