import FreshetCore
import FreshetNet
import Testing

@testable import FreshetEngine

@Suite struct TreeHostTests {
    @Test(arguments: [("127.0.0.1:7461", 7461), ("127.0.0.1:0", 0), (":0", 0), ("", 7400)])
    func `A source's neighbours come to the coordinator's port only where one was asked for`(
        listen: String, port: Int
    ) throws {
        let texts = [("name", "show"), ("listen", listen)].filter { !$0.1.isEmpty }
        let host = try TreeHost(
            StageArguments(
                descriptor: TreeSendStage.descriptor, texts: texts.map { (name: $0.0, text: $0.1) }))
        #expect(host.linkAddress.port == UInt16(port))
        #expect(host.linkAddress.isSameHost(as: host.address))
    }
}
