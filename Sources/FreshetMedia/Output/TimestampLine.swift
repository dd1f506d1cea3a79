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
    /// A step back of more than this many microseconds is a jump too: decoding times rise.
    static let backwardLimit: Int64 = 1_000_000

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
        let furthest = tracks.compactMap { track in track.lastDecode.map { $0 + track.lastSpan } }.max()
        if let furthest {
            // The track's own place; a track that is silent for long (subtitles) is where the others are.
            let expected = track.lastDecode.map { $0 + track.lastSpan } ?? furthest
            if let found = bestShift(track, decode: decode, expected: expected, furthest: furthest) {
                track.shiftIndex = found
            } else {
                jumpCount += 1
                // Behind everything there is, so that no track runs into its own past.
                shifts.append(furthest - decode)
                if shifts.count > 64 { forgetOldShifts(&track) }
                track.shiftIndex = shifts.count - 1
            }
        } else {
            track.shiftIndex = shifts.count - 1
        }
        let shift = shifts[track.shiftIndex]
        track.lastDecode = decode + shift
        track.lastSpan = max(0, span)
        tracks[index] = track
        return shift
    }

    /// The shift under which the frame is nearest to where it must be; `nil` when it is nowhere near under
    /// any. Tracks pass a jump one after the other, so the newest shift is not always the right one.
    private func bestShift(_ track: Track, decode: Int64, expected: Int64, furthest: Int64) -> Int? {
        var best: (index: Int, distance: Int64)?
        for candidate in stride(from: shifts.count - 1, through: track.shiftIndex, by: -1) {
            let place = decode + shifts[candidate]
            // A track that begins may begin behind the others.
            let back = track.lastDecode == nil ? TimestampLine.jumpLimit : TimestampLine.backwardLimit
            let isInPlace = place - expected >= -back && place - expected <= forwardLimit
            let isWithOthers = place >= expected && abs(place - furthest) <= TimestampLine.jumpLimit
            guard isInPlace || isWithOthers else { continue }
            let distance = min(abs(place - expected), abs(place - furthest))
            if best.map({ distance < $0.distance }) ?? true { best = (candidate, distance) }
        }
        return best?.index
    }

    private mutating func forgetOldShifts(_ track: inout Track) {
        let count = shifts.count - 8
        shifts.removeFirst(count)
        for index in tracks.indices { tracks[index].shiftIndex = max(0, tracks[index].shiftIndex - count) }
        track.shiftIndex = max(0, track.shiftIndex - count)
    }
}
