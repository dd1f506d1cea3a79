/// Keeps the timestamps of one medium's tracks on one line that never goes back, whatever the source's clock
/// does, and without moving the tracks against each other.
///
/// A jump of more than ``jumpLimit`` (a source that started anew, a spliced file)
/// moves everything that follows, so that the line goes on where it was. Frames keep their distances
/// otherwise. Times are in microseconds only to compare tracks; each frame is moved by whole ticks of its own
/// track's base.
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
    private let forwardLimit: Int64
    /// Microseconds added to all that follows each jump; the first is 0.
    private var shifts: [Int64] = [0]

    /// A line for `trackCount` tracks that has seen nothing. Where `mayJump` is false (a file with one clock
    /// throughout), a long step forward is a gap and stays one.
    init(trackCount: Int, mayJump: Bool) {
        tracks = Array(repeating: Track(), count: trackCount)
        forwardLimit = mayJump ? TimestampLine.jumpLimit : .max
    }

    /// How often the clock jumped.
    private(set) var jumpCount = 0

    /// How many microseconds to add to the times of the next frame of `track`, whose decoding time is
    /// `decode` and which lasts `span`; both in microseconds as they came.
    mutating func shift(track index: Int, decode: Int64, span: Int64) -> Int64 {
        var track = tracks[index]
        let newest = tracks.compactMap(\.lastDecode).max()
        if let newest {
            // The track's own place; a track that is silent for long (subtitles) is where the others are.
            let expected = track.lastDecode.map { $0 + track.lastSpan } ?? newest
            // Follow the newest shift under which the frame is about where it must be; else it is a new jump.
            var found: Int?
            for candidate in stride(from: shifts.count - 1, through: track.shiftIndex, by: -1) {
                let place = decode + shifts[candidate]
                if isNear(place, expected) || isNear(place, newest) {
                    found = candidate
                    break
                }
            }
            if found == nil {
                jumpCount += 1
                shifts.append(max(expected, newest) - decode)
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

    private func isNear(_ place: Int64, _ expected: Int64) -> Bool {
        place - expected >= -TimestampLine.jumpLimit && place - expected <= forwardLimit
    }

    private mutating func forgetOldShifts(_ track: inout Track) {
        let count = shifts.count - 8
        shifts.removeFirst(count)
        for index in tracks.indices { tracks[index].shiftIndex = max(0, tracks[index].shiftIndex - count) }
        track.shiftIndex = max(0, track.shiftIndex - count)
    }
}
