internal import FreshetCore
internal import FreshetOverlay
internal import FreshetWire

/// What a coordinator shows of its streams, as JSON: `GET /streams`, `GET /streams/NAME` and the answer to `inspect`.
enum StreamPage {
    static func error(_ message: String) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { $0.member("error", message) }
        return writer.bytes
    }

    static func list(_ streams: [CoordinatedStream]) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.array("streams") { writer in
                for stream in streams { writer.object { head(stream, &$0) } }
            }
        }
        return writer.bytes
    }

    /// One stream with all its members; `nil` for one that is not there.
    static func stream(_ name: String, _ stream: CoordinatedStream?, _ now: Instant) -> [UInt8] {
        guard let stream else { return error("there is no stream '\(name)' here") }
        var writer = JSONWriter()
        writer.object { writer in
            head(stream, &writer)
            counts(stream, &writer)
            writer.array("tree") { writer in
                for member in stream.coordinator.members {
                    guard let record = stream.coordinator.record(of: member) else { continue }
                    writer.object { write(record, of: stream, now, &$0) }
                }
            }
        }
        return writer.bytes
    }

    private static func head(_ stream: CoordinatedStream, _ writer: inout JSONWriter) {
        writer.member("name", stream.name)
        writer.member("epoch", stream.coordinator.epoch)
        writer.member("rate", stream.coordinator.streamKilobits)
        writer.member("ended", stream.coordinator.hasEnded)
        writer.member("members", stream.coordinator.memberCount)
        writer.member("viewers", stream.viewers.count)
        writer.member("stripes", stream.coordinator.configuration.totalStripes)
    }

    private static func counts(_ stream: CoordinatedStream, _ writer: inout JSONWriter) {
        let tally = stream.coordinator.tally
        writer.member("highest", stream.coordinator.highestSequence)
        writer.member("moved", tally.movedCount)
        writer.member("regrafted", tally.regraftCount)
        writer.member("promoted", tally.promotionCount)
        writer.member("failed", tally.failedCount)
        writer.member("refused", tally.refusedCount)
    }

    private static func write(
        _ record: MemberRecord, of stream: CoordinatedStream, _ now: Instant, _ writer: inout JSONWriter
    ) {
        writer.member("member", record.id.number)
        writer.member("role", record.role.rawValue)
        writer.member("address", record.address.description)
        writer.member("reach", record.reach.rawValue)
        writer.member("connected", record.connection != nil)
        writer.member("seconds", (now - record.joined).count / 1_000_000_000)
        writer.member("rate", record.kilobits)
        writer.member("received", record.receivePerMille)
        writer.member("lost", record.lostCount)
        writer.member("repaired", record.repairedCount)
        writer.member("latency", record.latencyMilliseconds)
        writer.member("echo", record.probeMicroseconds)
        writer.member("children", record.childCount)
        writer.member("slots", record.slotLimit)
        writer.member("uplink", record.uplinkKilobits)
        writer.member("measured", record.measuredKilobits)
        writer.array("places") { writer in
            for stripe in 0..<stream.coordinator.configuration.totalStripes {
                guard let parent = stream.coordinator.parent(of: record.id, stripe: stripe) else { continue }
                writer.object { writer in
                    writer.member("stripe", stripe)
                    writer.member("parent", parent.number)
                    if let depth = stream.coordinator.depth(of: record.id, stripe: stripe) {
                        writer.member("depth", depth)
                    }
                }
            }
        }
    }
}
