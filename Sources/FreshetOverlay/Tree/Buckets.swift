import FreshetCore
import FreshetWire

/// Members sorted by what a search for a parent wants to know: per stripe, depth and cell of the network
/// those with a free place, and per stripe and depth the leaves that another could take the place of.
///
/// Putting in and taking out are O(1): a member knows where it is (`Place.bucket`, `Place.bucketPlace`), and
/// the last one of the bucket takes its place.
struct Buckets {
    /// Cells of 40 ms, 8 by 8, around the origin of the coordinates.
    static let cellCount = 64
    static let depthCount = AncestorPath.countLimit + 1
    private static let rowCount = cellCount + 1
    private var buckets: [[Int32]]
    /// Members with free places per stripe and depth, all cells together.
    private(set) var offerCount: [Int32]

    init(stripeCount: Int) {
        buckets = Array(repeating: [], count: stripeCount * Buckets.depthCount * Buckets.rowCount)
        offerCount = Array(repeating: 0, count: stripeCount * Buckets.depthCount)
    }

    static func key(offering cell: Int, stripe: Int, depth: Int) -> Int {
        (stripe * depthCount + depth) * rowCount + cell
    }

    static func leafKey(stripe: Int, depth: Int) -> Int {
        key(offering: cellCount, stripe: stripe, depth: depth)
    }

    func offers(stripe: Int, depth: Int) -> Int { Int(offerCount[stripe * Buckets.depthCount + depth]) }

    subscript(key: Int) -> [Int32] { buckets[key] }

    /// Adds `member`; gives its place.
    mutating func add(_ member: Int, to key: Int) -> Int {
        buckets[key].append(Int32(member))
        if key % Buckets.rowCount != Buckets.cellCount { offerCount[key / Buckets.rowCount] += 1 }
        return buckets[key].count - 1
    }

    /// Takes out the member at `place`; gives who stands there now, if anybody.
    mutating func remove(at place: Int, from key: Int) -> Int? {
        let last = buckets[key].removeLast()
        if key % Buckets.rowCount != Buckets.cellCount { offerCount[key / Buckets.rowCount] -= 1 }
        if place == buckets[key].count { return nil }
        buckets[key][place] = last
        return Int(last)
    }

    /// The cell of a coordinate; members that know nothing of theirs are spread by their subnet.
    static func cell(of coordinate: NetworkCoordinate, subnet: UInt64) -> Int {
        if coordinate.errorPerMille >= 1000 { return Int(subnet % UInt64(cellCount)) }
        let column = min(7, max(0, Int(coordinate.x) / 40_000 + 4))
        let row = min(7, max(0, Int(coordinate.y) / 40_000 + 4))
        return row * 8 + column
    }
}
