import FreshetCore
import FreshetStages

/// Members of a segment that are alike: what goes to all of them reaches all of them at once.
///
/// A member that nothing has happened to since its last packet is *asleep*: it is told of packets that came in
/// order later, all together, before anything else happens to it.
struct MemberGroup {
    let segment: Int32
    let firstNode: Int32
    let count: Int
    let firstAttachment: Int32
    let delay: Nanoseconds
    /// Each member has a line of its own.
    let isPersonal: Bool
    var loss: SharedLoss
    /// Members that are there and are told of each packet, a bit each: they are told in their own order,
    /// whenever they woke.
    var awake: [UInt64]
    var isPresent: [Bool]
    /// The last number that a member asleep was told of.
    var toldThrough: [Int64]
    /// The last transmission that a member lost.
    var lostStamp: [UInt32]
    var stamp: UInt32 = 0
    /// The last media packet that reached the group; -1 before the first.
    var last: Int64 = -1
    /// Members asleep were told of all up to here.
    var sweptThrough: Int64 = -1

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
        isPresent = Array(repeating: false, count: count)
        toldThrough = Array(repeating: -1, count: count)
        lostStamp = Array(repeating: 0, count: count)
    }

    func isAwake(_ member: Int) -> Bool { awake[member >> 6] >> UInt64(member & 63) & 1 == 1 }

    mutating func wake(_ member: Int) { awake[member >> 6] |= 1 << UInt64(member & 63) }

    mutating func sleep(_ member: Int) {
        guard isAwake(member) else { return }
        awake[member >> 6] &= ~(1 << UInt64(member & 63))
        toldThrough[member] = last
    }
}
