internal import FreshetCoding
internal import FreshetCore

/// What parity a sender sends beside a stream, as it was asked for.
enum FECPlan: Equatable {
    /// None.
    case none
    /// Columns, and rows if wanted, of a matrix (SMPTE ST 2022-1).
    case matrix(columns: Int, rows: Int, hasRows: Bool)
    /// A sliding window (RFC 8681): repairs per million packets, from floor to cap.
    case slidingWindow(floor: Int, cap: Int, window: Nanoseconds)

    static let parameter = StageParameter(
        "fec", .text, default: "",
        "parity beside the stream: rlc:10%, rlc:5%-30%:60ms (of the last 60 ms, twice the worst loss that receivers "
            + "report, from 5% to 30%), adaptive (rlc:2%-50%), "
            + "2022-1:10x5 (columns and rows for equipment), 2022-1:10x5:columns; off")

    /// Reads `text`.
    init(_ text: String) throws(StageError) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        switch parts[0] {
        case "", "off", "none": self = .none
        case "adaptive" where parts.count == 1:
            self = .slidingWindow(floor: 20_000, cap: 500_000, window: .milliseconds(60))
        case "rlc": self = try FECPlan.slidingWindow(Array(parts.dropFirst()), text)
        case "2022-1": self = try FECPlan.matrix(Array(parts.dropFirst()), text)
        default: throw FECPlan.misspelt(text)
        }
    }

    private static func misspelt(_ text: String) -> StageError {
        .usage(
            "fec '\(text)' is none of rlc:10%, rlc:5%-30%:60ms, adaptive, 2022-1:10x5, 2022-1:10x5:columns, off"
        )
    }

    private static func matrix(_ parts: [Substring], _ text: String) throws(StageError) -> FECPlan {
        guard parts.count == 1 || parts.count == 2 && parts[1] == "columns" else { throw misspelt(text) }
        let sides = parts[0].split(separator: "x", omittingEmptySubsequences: false)
        guard sides.count == 2, let columns = Int(sides[0]), let rows = Int(sides[1]) else {
            throw misspelt(text)
        }
        guard ParityGenerator.isAllowed(columns: columns, rows: rows) else {
            throw .usage("fec '\(text)': ST 2022-1 has 1 to 20 columns, 4 to 20 rows and at most 100 packets")
        }
        return .matrix(columns: columns, rows: rows, hasRows: parts.count == 1)
    }

    private static func slidingWindow(_ parts: [Substring], _ text: String) throws(StageError) -> FECPlan {
        guard parts.count <= 2 else { throw misspelt(text) }
        var window = Nanoseconds.milliseconds(60)
        if parts.count == 2 {
            guard let span = ParameterReader.duration(String(parts[1])), span > .zero,
                span <= .seconds(2)
            else { throw misspelt(text) }
            window = span
        }
        let range = (parts.first ?? "10%").split(separator: "-", omittingEmptySubsequences: false)
        guard range.count <= 2, let floor = ParameterReader.partsPerMillion(String(range[0])),
            let cap = ParameterReader.partsPerMillion(String(range[range.count - 1])), floor <= cap, cap > 0,
            cap <= 1_000_000
        else { throw misspelt(text) }
        return .slidingWindow(floor: floor, cap: cap, window: window)
    }
}
