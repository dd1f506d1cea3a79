public import FreshetCore
internal import Synchronization

/// What one stage has counted.
public struct StageReport: Sendable {
    /// The kind of stage.
    public var name: String
    /// Its counters.
    public var counters: Counters
}

/// Something a stage reported, and which.
public struct StageEventReport: Sendable {
    /// The kind of stage.
    public var stage: String
    /// What it reported.
    public var event: StageEvent
}

/// The board between a loop's thread and the control plane: the loop writes now and then, the control plane
/// reads.
final class LoopReport: Sendable {
    private struct Board {
        var counters: [Counters]
        var events: [StageEventReport] = []
    }

    private let names: [String]
    private let board: Mutex<Board>
    /// How many events may wait; more are lost.
    private static let eventLimit = 1000

    init(stageNames: [String]) {
        names = stageNames
        board = Mutex(Board(counters: Array(repeating: Counters(), count: stageNames.count)))
    }

    /// Called by the loop: copies the counters and moves the events.
    func publish(_ steps: [LineStep]) {
        board.withLock { board in
            for (index, step) in steps.enumerated() {
                board.counters[index] = step.stage.context.counters
                while let event = step.stage.context.events.popFirst() {
                    if board.events.count < LoopReport.eventLimit {
                        board.events.append(StageEventReport(stage: names[index], event: event))
                    }
                }
            }
        }
    }

    /// Called by the control plane: the counters as last published.
    func counters() -> [StageReport] {
        board.withLock { board in
            zip(names, board.counters).map { StageReport(name: $0, counters: $1) }
        }
    }

    /// Called by the control plane: the events since the last call.
    func takeEvents() -> [StageEventReport] {
        board.withLock { board in
            defer { board.events = [] }
            return board.events
        }
    }
}
