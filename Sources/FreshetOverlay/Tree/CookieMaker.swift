import FreshetCore
import FreshetWire

/// Makes and checks cookies without remembering anybody: a tag over the address, the child's nonce and a
/// coarse time. Who gives one back hears what is sent to its address.
struct CookieMaker {
    /// A cookie is good for one to two of these spans.
    static let span: Nanoseconds = .seconds(16)
    private let key: SipKey

    init(key: SipKey) { self.key = key }

    private func tag(_ address: PeerAddress, _ nonce: UInt64, _ period: Int64) -> UInt64 {
        var hash = SipHash(key: key)
        hash.combine(address.high)
        hash.combine(address.low)
        hash.combine(UInt64(address.port))
        hash.combine(nonce)
        hash.combine(UInt64(bitPattern: period))
        return hash.tag()
    }

    /// The cookie of `address` for `nonce` now.
    func cookie(for address: PeerAddress, nonce: UInt64, now: Instant) -> UInt64 {
        tag(address, nonce, now.nanoseconds / CookieMaker.span.count)
    }

    /// True when `cookie` was made for `address` and `nonce` in this span or the last.
    func accepts(_ cookie: UInt64, from address: PeerAddress, nonce: UInt64, now: Instant) -> Bool {
        let period = now.nanoseconds / CookieMaker.span.count
        return cookie == tag(address, nonce, period) || cookie == tag(address, nonce, period &- 1)
    }
}
