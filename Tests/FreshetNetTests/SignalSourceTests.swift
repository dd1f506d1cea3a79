import Foundation
import FreshetCore
import FreshetNet
import Synchronization
import Testing

@Suite struct SignalSourceTests {
    /// What a thread of its own saw: signals are blocked for a thread, and no other must be touched.
    private final class Seen: Sendable {
        let requests = Mutex<[SignalSource.Request?]>([])
        let failure = Mutex<String?>(nil)
    }

    @Test func `requests to end are read one by one instead of ending the program`() async throws {
        let seen = Seen()
        await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                do {
                    let source = try SignalSource()
                    let nothing = source.next()
                    pthread_kill(pthread_self(), SIGTERM)
                    var poller = try Poller()
                    try poller.add(source.number, tag: 0)
                    let count = try poller.wait(until: MonotonicClock.now + .seconds(5))
                    let first = source.next()
                    pthread_kill(pthread_self(), SIGINT)
                    let second = source.next()
                    let last = source.next()
                    seen.requests.withLock { $0 = [nothing, count == 1 ? first : nil, second, last] }
                } catch { seen.failure.withLock { $0 = "\(error)" } }
                continuation.resume()
            }
        }
        #expect(seen.failure.withLock { $0 } == nil)
        #expect(seen.requests.withLock { $0 } == [nil, .terminate, .interrupt, nil])
    }
}
