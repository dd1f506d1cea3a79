import FreshetCore
import Testing

@Suite struct ParameterReaderTests {
    private func read(_ text: String, _ kind: StageParameter.Kind) -> ParameterValue? {
        try? ParameterReader.read(text, as: StageParameter("x", kind, default: nil, ""), of: "stage")
    }

    @Test func durationsHaveUnits() {
        #expect(read("200", .duration) == .duration(.milliseconds(200)))
        #expect(read("1.5s", .duration) == .duration(.milliseconds(1_500)))
        #expect(read("40us", .duration) == .duration(.microseconds(40)))
        #expect(read("7ns", .duration) == .duration(Nanoseconds(7)))
        #expect(read("2m", .duration) == .duration(.seconds(120)))
        #expect(read("1h", .duration) == .duration(.seconds(3_600)))
        for wrong in ["", "s", "-1", "1x", "1..2", "ms", "99999999999h", "1e3", " 1"] {
            #expect(read(wrong, .duration) == nil)
        }
    }

    @Test func longSpansCountInSeconds() {
        #expect(read("8", .seconds) == .duration(.seconds(8)))
        #expect(read("200ms", .seconds) == .duration(.milliseconds(200)))
        #expect(read("30m", .seconds) == .duration(.seconds(1_800)))
    }

    @Test func ratesAndSharesAreExact() {
        #expect(read("5M", .bitRate) == .bitRate(5_000_000))
        #expect(read("0.5G", .bitRate) == .bitRate(500_000_000))
        #expect(read("800k", .bitRate) == .bitRate(800_000))
        #expect(read("5%", .ratio) == .ratio(50_000))
        #expect(read("0.05", .ratio) == .ratio(50_000))
        #expect(read("1/20", .ratio) == .ratio(50_000))
        for wrong in ["101%", "1.1", "3/2", "1/0", "-1/2", "x"] { #expect(read(wrong, .ratio) == nil) }
    }

    @Test func flagsChoicesAndIntegers() {
        #expect(
            read("yes", .flag) == .flag(true) && read("0", .flag) == .flag(false)
                && read("maybe", .flag) == nil)
        #expect(read("b", .choice(["a", "b"])) == .text("b") && read("c", .choice(["a", "b"])) == nil)
        #expect(read("9", .integer(0...9)) == .integer(9) && read("10", .integer(0...9)) == nil)
    }

    @Test func errorsSayWhatIsExpected() {
        do {
            _ = try ParameterReader.read(
                "x", as: StageParameter("ttl", .integer(0...255), default: nil, ""), of: "send")
            #expect(Bool(false))
        } catch { #expect(error.message == "send: ttl must be a whole number from 0 to 255, not 'x'") }
    }
}
