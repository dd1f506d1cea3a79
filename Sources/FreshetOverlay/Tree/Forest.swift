import FreshetCore
import FreshetWire

/// Where one member is in one stripe's tree.
struct Place {
    /// Index of the parent; -1 for none.
    var parent: Int32 = -1
    /// The children are a list through these, so that nothing is allocated per child.
    var firstChild: Int32 = -1
    var nextSibling: Int32 = -1
    var previousSibling: Int32 = -1
    var childCount: Int32 = 0
    /// Indexes of the warm backups; -1 for none.
    var backup0: Int32 = -1
    var backup1: Int32 = -1
    /// The bucket it is found in, and where in it; -1 for none.
    var bucket: Int32 = -1
    var bucketPlace: Int32 = -1
    /// Predicted way from the source, microseconds.
    var delay: Int32 = 0
    /// Members between it and the source, the source counted; `Forest.detached` when there is no way up.
    var depth: UInt8 = Forest.detached
}

/// One tree per stripe over the same members: who is whose parent, how deep, who is below whom. No policy.
///
/// Members are indexes; every operation but those that walk a branch is O(depth) or less.
struct Forest {
    /// The depth of a member whose branch does not reach the source.
    static let detached = UInt8.max
    let stripeCount: Int
    private(set) var places: [Place] = []

    init(stripeCount: Int) { self.stripeCount = stripeCount }

    /// Makes room for member `index`.
    mutating func grow(to index: Int) {
        while places.count < (index + 1) * stripeCount { places.append(Place()) }
    }

    @inline(__always) private func slot(_ member: Int, _ stripe: Int) -> Int {
        member &* stripeCount &+ stripe
    }

    subscript(member: Int, stripe: Int) -> Place {
        get { places[slot(member, stripe)] }
        set { places[slot(member, stripe)] = newValue }
    }

    /// Marks `member` as the source of every stripe.
    mutating func plant(_ member: Int) {
        for stripe in 0..<stripeCount {
            places[slot(member, stripe)].depth = 0
            places[slot(member, stripe)].delay = 0
        }
    }

    func parent(_ member: Int, _ stripe: Int) -> Int? {
        let parent = places[slot(member, stripe)].parent
        return parent < 0 ? nil : Int(parent)
    }

    func isAttached(_ member: Int, _ stripe: Int) -> Bool {
        places[slot(member, stripe)].depth != Forest.detached
    }

    /// True when `ancestor` is `member` or above it. Bounded by the number of stripes' greatest legal depth.
    func isAtOrAbove(_ ancestor: Int, of member: Int, _ stripe: Int) -> Bool {
        var current = Int32(member)
        var steps = 0
        while current >= 0, steps <= 2 * AncestorPath.countLimit {
            if current == Int32(ancestor) { return true }
            current = places[slot(Int(current), stripe)].parent
            steps += 1
        }
        // Deeper than any tree may be: take it for a loop.
        return current >= 0
    }

    /// The member's ancestor right below the source; itself when it is there.
    func top(of member: Int, _ stripe: Int) -> Int {
        var current = member
        for _ in 0..<AncestorPath.countLimit {
            let parent = places[slot(current, stripe)].parent
            if parent < 0 || places[slot(Int(parent), stripe)].depth == 0 { return current }
            current = Int(parent)
        }
        return current
    }

    /// The children of `member` on `stripe`.
    func children(_ member: Int, _ stripe: Int) -> [Int] {
        var found: [Int] = []
        var child = places[slot(member, stripe)].firstChild
        while child >= 0 {
            found.append(Int(child))
            child = places[slot(Int(child), stripe)].nextSibling
        }
        return found
    }

    /// Puts `member` below `parent`; it must have no parent, and not be above it. Depths below are the
    /// caller's to renew.
    mutating func link(_ member: Int, below parent: Int, _ stripe: Int) {
        let place = slot(member, stripe)
        let above = slot(parent, stripe)
        precondition(places[place].parent < 0 && member != parent)
        places[place].parent = Int32(parent)
        let next = places[above].firstChild
        places[place].nextSibling = next
        places[place].previousSibling = -1
        if next >= 0 { places[slot(Int(next), stripe)].previousSibling = Int32(member) }
        places[above].firstChild = Int32(member)
        places[above].childCount += 1
    }

    /// Takes `member` away from its parent; its own branch stays below it.
    mutating func unlink(_ member: Int, _ stripe: Int) {
        let place = slot(member, stripe)
        let parent = places[place].parent
        guard parent >= 0 else { return }
        let next = places[place].nextSibling
        let previous = places[place].previousSibling
        if next >= 0 { places[slot(Int(next), stripe)].previousSibling = previous }
        if previous >= 0 {
            places[slot(Int(previous), stripe)].nextSibling = next
        } else {
            places[slot(Int(parent), stripe)].firstChild = next
        }
        places[slot(Int(parent), stripe)].childCount -= 1
        places[place].parent = -1
        places[place].nextSibling = -1
        places[place].previousSibling = -1
    }

    /// The members of `member`'s branch, it first, every parent before its children.
    func branch(of member: Int, _ stripe: Int) -> [Int] {
        var found = [member]
        var index = 0
        while index < found.count, found.count <= places.count {
            var child = places[slot(found[index], stripe)].firstChild
            while child >= 0 {
                found.append(Int(child))
                child = places[slot(Int(child), stripe)].nextSibling
            }
            index += 1
        }
        return found
    }

    /// How many levels are below `member`; 0 for a leaf.
    func height(of member: Int, _ stripe: Int) -> Int {
        var level = children(member, stripe)
        var height = 0
        while !level.isEmpty, height < AncestorPath.countLimit {
            height += 1
            level = level.flatMap { children($0, stripe) }
        }
        return height
    }
}
