internal import FreshetCore

/// Where to serve: `http://ADDR:PORT`, the address as numbers, `localhost`, or `*` or nothing for all of IPv4.
struct ListenAddress: Equatable {
    /// The address as numbers.
    let address: String
    /// The port; 0 for any.
    let port: Int

    /// Reads `text`; says what is wrong with it.
    init(_ text: String) throws(StageError) {
        let help = "write http://ADDRESS:PORT, such as http://127.0.0.1:8080 or http://*:8080"
        guard text.hasPrefix("http://") else {
            throw .usage("http-serve: listen must be an http:// URL, not '\(text)'; \(help)")
        }
        var rest = text.dropFirst(7)
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        guard let colon = rest.lastIndex(of: ":"), !rest[colon...].contains("]"), !rest.contains("/") else {
            throw .usage("http-serve: '\(text)' names no port; \(help)")
        }
        guard let port = Int(rest[rest.index(after: colon)...]), (0...65535).contains(port) else {
            throw .usage(
                "http-serve: '\(rest[rest.index(after: colon)...])' in '\(text)' is no port; \(help)")
        }
        var host = String(rest[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = String(host.dropFirst().dropLast())
        } else if host.contains(":") {
            throw .usage("http-serve: an IPv6 address stands in brackets, as in http://[::1]:8080")
        }
        switch host {
        case "", "*": host = "0.0.0.0"
        case "localhost": host = "127.0.0.1"
        default: break
        }
        self.address = host
        self.port = port
    }

    /// The URL that a player on this host opens, with the port that was given.
    func url(port: Int) -> String {
        let host = address == "0.0.0.0" ? "127.0.0.1" : address == "::" ? "[::1]" : address
        return "http://\(host.contains(":") && !host.hasPrefix("[") ? "[\(host)]" : host):\(port)/"
    }
}
