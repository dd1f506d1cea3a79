internal import FreshetCore
internal import FreshetNet

/// The way to a coordinator by ``ControlClient``: one WebSocket over TLS, made again by itself.
final class CoordinatorChannel: MemberChannel {
    private let client: ControlClient
    /// Why there is no connection now; taken by ``takeNotice()``.
    private var notice: String?
    private var hasNotice = false

    /// Connects to `url` from now on.
    init(_ url: ControlURL, random: inout PRNG) throws(StageError) {
        do { client = try ControlClient(url, seed: random.next()) } catch { throw .failure("\(error)") }
    }

    override var descriptor: Int32 { client.descriptor }

    override func next() -> Event? {
        switch client.next() {
        case nil: return nil
        case .connected:
            hasNotice = false
            return .connected
        case .message(let text): return .message(text)
        case .disconnected(let reason):
            // Told once, not at every try.
            if !hasNotice { notice = reason }
            hasNotice = true
            return .disconnected
        case .refused(let reason): return .refused(reason)
        }
    }

    override func send(_ text: [UInt8]) { _ = client.send(text) }
    override func close() { client.close() }

    override func takeNotice() -> String? {
        defer { notice = nil }
        return notice
    }
}
