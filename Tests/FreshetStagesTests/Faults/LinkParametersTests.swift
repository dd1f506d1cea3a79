import FreshetCore
import FreshetStages
import Testing

@Suite struct LinkParametersTests {
    private func read(_ texts: [(name: String, text: String)]) throws -> LinkModel.Configuration {
        let descriptor = StageDescriptor(
            name: "link", summary: "", takes: .none, gives: .none,
            parameters: LinkModel.Configuration.parameters, example: "")
        return try LinkModel.Configuration(StageArguments(descriptor: descriptor, texts: texts))
    }

    @Test func `a link's words become its configuration`() throws {
        let link = try read([
            ("delay", "25"), ("loss", "5%"), ("burst-time", "26ms"), ("cuts", "2s+500ms,10s+1s"),
            ("cut-every", "5s"), ("cut-for", "300ms"), ("cut-apart", "1s"), ("cut-count", "9"),
        ])
        #expect(link.delay == .milliseconds(25))
        #expect(link.loss == 50_000)
        #expect(link.burstTime == .milliseconds(26))
        #expect(link.cuts.map(\.start) == [.seconds(2), .seconds(10)])
        #expect(link.cuts.map(\.length) == [.milliseconds(500), .seconds(1)])
        #expect(link.randomCuts.meanUp == .seconds(5) && link.randomCuts.meanDown == .milliseconds(300))
        #expect(link.randomCuts.leastUp == .seconds(1) && link.randomCuts.count == 9)
    }

    @Test func `what is not a cut is told`() {
        for text in ["2s", "2s+", "x+1s", "1s+2s+3s"] {
            #expect(throws: StageError.self) { _ = try read([("cuts", text)]) }
        }
    }
}
