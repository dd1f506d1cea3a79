internal import FreshetCore

/// What will happen, earliest first; events of the same instant in the order in which they were put in.
struct EventHeap {
    private var heap: [RepairLoop.Event] = []
    private var order: UInt64 = 0

    var first: RepairLoop.Event? { heap.first }

    mutating func push(_ at: Instant, _ kind: RepairLoop.Event.Kind, _ sequence: Int64) {
        order += 1
        let event = RepairLoop.Event(at: at, order: order, kind: kind, sequence: sequence)
        heap.append(event)
        var place = heap.count - 1
        while place > 0 {
            let parent = (place - 1) / 2
            if !isBefore(event, heap[parent]) { break }
            heap[place] = heap[parent]
            place = parent
        }
        heap[place] = event
    }

    private func isBefore(_ a: RepairLoop.Event, _ b: RepairLoop.Event) -> Bool {
        a.at < b.at || a.at == b.at && a.order < b.order
    }

    mutating func removeFirst() {
        let last = heap.removeLast()
        if heap.isEmpty { return }
        var place = 0
        while true {
            var child = 2 * place + 1
            if child >= heap.count { break }
            if child + 1 < heap.count, isBefore(heap[child + 1], heap[child]) { child += 1 }
            if isBefore(last, heap[child]) { break }
            heap[place] = heap[child]
            place = child
        }
        heap[place] = last
    }
}
