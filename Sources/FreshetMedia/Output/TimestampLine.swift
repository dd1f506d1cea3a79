/// Keeps the timestamps of one medium's tracks on one line that never goes back, whatever the source's clock does, and
/// without moving the tracks against each other.
///
/// A wrap of a 33-bit clock is taken out; a jump of more than ``jumpLimit`` (a source that started anew, a spliced file)
/// moves everything that follows, so that the line goes on where it was. Frames keep their distances otherwise. Times are
/// in microseconds only to compare tracks; each frame is moved by whole ticks of its own track's base.
struct TimestampLine {
    /// What one track is known by.
    private struct Track {
        /// Microseconds of the last decoding time, moved, and of how long that frame lasts.
        var lastDecode: Int64?
        var lastSpan: Int64 = 0
        /// Which shift the track follows.
        var shiftIndex = 0
    }

    /// A step of more than this many microseconds is a jump of the clock, not a gap.
    static let jumpLimit: Int64 = 10_000_000

    private var tracks: [Track]
    /// Microseconds added to all that follows each jump; the first is 0.
    private var shifts: [Int64] = [0]

    /// A line for `trackCount` tracks that has seen nothing.
    init(trackCount: Int) { tracks = Array(repeating: Track(), count: trackCount) }

    /// How often the clock jumped.
    var jumpCount: Int { shifts.count - 1 }

    /// How many microseconds to add to the times of the next frame of `track`, whose decoding time is `decode` and which
    /// lasts `span`; both in microseconds as they came.
    mutating func shift(track index: Int, decode: Int64, span: Int64) -> Int64 {
        var track = tracks[index]
        let expected = track.lastDecode.map { $0 + track.lastSpan } ?? tracks.compactMap(\.lastDecode).max()
        if let expected {
            // Follow the newest shift under which the frame is about where it must be; else it is a new jump.
            var found: Int?
            for candidate in stride(from: shifts.count - 1, through: track.shiftIndex, by: -1) {
                let offBy = decode + shifts[candidate] - expected
                if abs(offBy) <= TimestampLine.jumpLimit {
                    found = candidate
                    break
                }
            }
            if found == nil {
                shifts.append(expected - decode)
                if shifts.count > 64 { forgetOldShifts(&track) }
                found = shifts.count - 1
            }
            track.shiftIndex = found ?? 0
        } else {
            track.shiftIndex = shifts.count - 1
        }
        let shift = shifts[track.shiftIndex]
        track.lastDecode = decode + shift
        track.lastSpan = max(0, span)
        tracks[index] = track
        return shift
    }

    private mutating func forgetOldShifts(_ track: inout Track) {
        let count = shifts.count - 8
        shifts.removeFirst(count)
        for index in tracks.indices { tracks[index].shiftIndex = max(0, tracks[index].shiftIndex - count) }
        track.shiftIndex = max(0, track.shiftIndex - count)
    }
}
