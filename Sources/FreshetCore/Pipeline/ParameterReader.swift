/// Reads a parameter's text by its kind. Integers only: "1.5s" and "0.05" are read digit by digit.
public enum ParameterReader {
    /// The value of `text` for `parameter` of the stage (or pipeline) called `owner`.
    public static func read(
        _ text: String, as parameter: StageParameter, of owner: String
    ) throws(StageError) -> ParameterValue {
        if let value = value(text, parameter.kind) { return value }
        throw .usage("\(owner): \(parameter.name) must be \(expectation(parameter.kind)), not '\(text)'")
    }

    private static func value(_ text: String, _ kind: StageParameter.Kind) -> ParameterValue? {
        switch kind {
        case .text:
            return .text(text)
        case .integer(let range):
            guard let number = Int(text), range.contains(number) else { return nil }
            return .integer(number)
        case .duration:
            return duration(text).map { .duration($0) }
        case .latency:
            return text == "auto" ? .text(text) : duration(text).map { .duration($0) }
        case .seconds:
            return scaled(text, suffixes: durationSuffixes, bare: 1_000_000_000).map {
                .duration(Nanoseconds(Int64($0)))
            }
        case .bitRate:
            return scaled(text, suffixes: bitRateSuffixes, bare: 1).map { .bitRate($0) }
        case .ratio:
            return partsPerMillion(text).map { .ratio($0) }
        case .flag:
            return flag(text).map { .flag($0) }
        case .choice(let words):
            return words.contains(text) ? .text(text) : nil
        }
    }

    /// What a value of `kind` looks like, for error messages and help.
    public static func expectation(_ kind: StageParameter.Kind) -> String {
        switch kind {
        case .text: "text"
        case .integer(let range):
            range.upperBound == .max
                ? "a whole number from \(range.lowerBound)"
                : "a whole number from \(range.lowerBound) to \(range.upperBound)"
        case .duration: "a time such as 200 (ms), 200ms, 1.5s or 40us"
        case .latency: "a time such as 200 (ms), 200ms or 1.5s, or auto"
        case .seconds: "a time such as 10 (seconds), 1.5s, 30m or 200ms"
        case .bitRate: "a bit rate such as 5000000, 5M or 800k"
        case .ratio: "a share such as 5%, 0.05 or 1/20"
        case .flag: "true or false"
        case .choice(let words): "one of \(words.joined(separator: ", "))"
        }
    }

    private static let durationSuffixes: [(String, Int)] = [
        ("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ]
    private static let bitRateSuffixes: [(String, Int)] = [
        ("k", 1_000), ("K", 1_000), ("M", 1_000_000), ("G", 1_000_000_000),
    ]

    /// A span from text such as `200` (milliseconds), `1.5s` or `40us`; `nil` when it is none.
    public static func duration(_ text: String) -> Nanoseconds? {
        scaled(text, suffixes: durationSuffixes, bare: 1_000_000).map { Nanoseconds(Int64($0)) }
    }

    private static func flag(_ text: String) -> Bool? {
        switch text {
        case "true", "yes", "on", "1": true
        case "false", "no", "off", "0": false
        default: nil
        }
    }

    /// A share from text such as `5%`, `0.05` or `1/20`, in parts per million; `nil` when it is none.
    public static func partsPerMillion(_ text: String) -> Int? {
        if let slash = text.firstIndex(of: "/") {
            guard let numerator = Int(text[..<slash]),
                let denominator = Int(text[text.index(after: slash)...]),
                numerator >= 0, denominator > 0, numerator <= denominator
            else { return nil }
            return numerator.multipliedReportingOverflow(by: 1_000_000).partialValue / denominator
        }
        let share =
            text.hasSuffix("%")
            ? decimal(text.dropLast(), scale: 10_000) : decimal(text[...], scale: 1_000_000)
        guard let share, share <= 1_000_000 else { return nil }
        return share
    }

    private static func scaled(_ text: String, suffixes: [(String, Int)], bare: Int) -> Int? {
        for (suffix, scale) in suffixes where text.hasSuffix(suffix) {
            if let value = decimal(text.dropLast(suffix.count), scale: scale) { return value }
        }
        return decimal(text[...], scale: bare)
    }

    /// A non-negative decimal number times `scale`, rounded down; `nil` for anything else or past 64 bits.
    private static func decimal(_ text: Substring, scale: Int) -> Int? {
        var whole: Int128 = 0
        var divisor: Int128 = 1
        var hasPoint = false
        var digitCount = 0
        for byte in text.utf8 {
            if byte == 0x2E && !hasPoint {
                hasPoint = true
                continue
            }
            guard byte >= 0x30, byte <= 0x39, digitCount < 24 else { return nil }
            whole = whole * 10 + Int128(byte - 0x30)
            if hasPoint { divisor *= 10 }
            digitCount += 1
        }
        guard digitCount > 0 else { return nil }
        let (product, overflow) = whole.multipliedReportingOverflow(by: Int128(scale))
        return overflow ? nil : Int(exactly: product / divisor)
    }
}
