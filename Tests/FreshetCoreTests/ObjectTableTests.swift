import FreshetCore
import Testing

@Suite struct ObjectTableTests {
    private final class Counted {
        let value: Int
        let onEnd: () -> Void
        init(_ value: Int, onEnd: @escaping () -> Void) {
            self.value = value
            self.onEnd = onEnd
        }
        deinit { onEnd() }
    }

    @Test func objectsAreKeptInOrderAndLetGoWithTheTable() {
        var ended = 0
        do {
            let table = ObjectTable((0..<3).map { Counted($0) { ended += 1 } })
            let values = table.indices.map { table.with($0) { $0.value } }
            #expect(values == [0, 1, 2] && table[1].value == 1)
            #expect(ended == 0)
        }
        #expect(ended == 3)
    }

    @Test func aTableMayBeEmpty() {
        let table = ObjectTable<Counted>([])
        let isEmpty = table.indices.isEmpty
        #expect(isEmpty)
    }
}
