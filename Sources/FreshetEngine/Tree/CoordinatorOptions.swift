internal import FreshetCore
public import FreshetNet
public import FreshetOverlay

/// What a ``CoordinatorService`` is told before it starts.
public struct CoordinatorOptions: Sendable {
    /// The TCP address that is listened on, `ADDRESS:PORT`; no address or `*` is any of IPv4, `[::]` any of both.
    public var listen = ":\(ControlURL.defaultPort)"
    /// What members must show; empty lets everybody in.
    public var token = ""
    /// What sources must show beside it; empty: a token per stream name that follows from the certificate's key, or one for
    /// all where ``streamNames`` names none.
    public var sourceToken = ""
    /// PEM files of the certificate and of its key; both or neither. Without them one is made and kept.
    public var certificatePath: String?
    /// The file of the key.
    public var keyPath: String?
    /// Where the certificate made here is kept.
    public var stateDirectory = ControlCertificate.stateDirectory
    /// The parameters of every stream's tree; its `stream`, `token` and `firstEra` are set per stream.
    public var tree = CoordinatorConfiguration()
    /// The streams that there may be; none named: any, up to ``streamLimit``.
    public var streamNames: [String] = []
    /// Streams at once.
    public var streamLimit = 256
    /// What connections may cost.
    public var limits = ControlServerLimits()
    /// All chance comes from it.
    public var seed: UInt64 = 1
    /// The host that join URLs name; empty: an address of this host by which others reach it.
    public var publicHost = ""

    /// The defaults.
    public init() {}

    /// The address that ``listen`` names.
    func listenAddress() throws(ControlError) -> SocketAddress {
        let host: String
        let port: UInt16
        (host, port) = try ControlURL.place(Substring(listen), in: listen)
        if host.isEmpty || host == "*" { return .any(.ipv4, port: port) }
        guard let address = SocketAddress.resolve(host, port: port) else {
            throw .usage("'\(listen)': '\(host)' is neither an address nor the name of a host")
        }
        return address
    }

    /// The token of the source of the stream `name`.
    func sourceToken(of name: String, _ certificate: ControlCertificate) throws(ControlError) -> String {
        if !sourceToken.isEmpty { return sourceToken }
        let label = streamNames.isEmpty ? "sources" : "source of \(name)"
        let key = try certificate.derivedKey(label: label)
        var bytes: [UInt8] = []
        for word in [key.low, key.high] {
            for shift in stride(from: 56, through: 0, by: -8) {
                bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(shift)))
            }
        }
        return Base64URL.encode(bytes)
    }

    /// The certificate to show.
    func certificate() throws(ControlError) -> ControlCertificate {
        switch (certificatePath, keyPath) {
        case (nil, nil): return try .kept(in: stateDirectory)
        case (let certificate?, let key?):
            return try ControlCertificate(certificatePath: certificate, keyPath: key)
        default: throw .usage("--certificate and --key go together: give both or neither")
        }
    }
}
