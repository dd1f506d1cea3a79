import CWebSockets
import Glibc

/// The key and the certificate that a ``ControlServer`` shows, in PEM files, and the pin that join URLs carry.
public struct ControlCertificate: Equatable, Sendable {
    /// The file of the certificate, and of those that vouch for it behind it.
    public var certificatePath: String
    /// The file of its private key.
    public var keyPath: String
    /// SHA-256 of the public key (SubjectPublicKeyInfo): 32 bytes.
    public var pin: [UInt8]

    /// The certificate in `certificatePath` with the key in `keyPath`.
    public init(certificatePath: String, keyPath: String) throws(ControlError) {
        self.certificatePath = certificatePath
        self.keyPath = keyPath
        let text = try ControlCertificate.read(certificatePath)
        _ = try ControlCertificate.read(keyPath)
        var pin = [UInt8](repeating: 0, count: 32)
        var message = [CChar](repeating: 0, count: 256)
        let status = text.withUnsafeBytes { bytes in
            cws_certificate_pin(
                bytes.assumingMemoryBound(to: CChar.self).baseAddress!, bytes.count, &pin, &message, 256)
        }
        if status != 0 {
            throw .failure("cannot use the certificate \(certificatePath): \(ControlHub.text(message))")
        }
        self.pin = pin
    }

    /// The certificate kept in `directory`, made there when there is none: an EC P-256 key signed by itself, good for a
    /// hundred years, readable by nobody else.
    public static func kept(in directory: String) throws(ControlError) -> ControlCertificate {
        let path = "\(directory)/coordinator.pem"
        if access(path, F_OK) != 0 { try make(path, in: directory) }
        return try ControlCertificate(certificatePath: path, keyPath: path)
    }

    /// Where a program of this user keeps its state: `$XDG_STATE_HOME/freshet`, or `~/.local/state/freshet`.
    public static var stateDirectory: String {
        if let path = getenv("XDG_STATE_HOME").map({ String(cString: $0) }), path.hasPrefix("/") {
            return "\(path)/freshet"
        }
        let home = getenv("HOME").map { String(cString: $0) } ?? ""
        return "\(home.isEmpty ? "/var/tmp" : home)/.local/state/freshet"
    }

    /// A key for something else, from the private key and `label`: 16 bytes as two numbers. The same for the same files.
    public func derivedKey(label: String) throws(ControlError) -> (low: UInt64, high: UInt64) {
        let secret = try ControlCertificate.read(keyPath)
        var digest = [UInt8](repeating: 0, count: 32)
        let bytes = Array(label.utf8) + [0] + secret
        guard cws_sha256(bytes, bytes.count, &digest) == 0 else {
            throw .failure("libcrypto cannot make a hash")
        }
        func word(_ start: Int) -> UInt64 {
            digest[start..<start + 8].reduce(0) { $0 << 8 | UInt64($1) }
        }
        return (word(0), word(8))
    }

    private static func make(_ path: String, in directory: String) throws(ControlError) {
        try makeDirectory(directory)
        var text = [CChar](repeating: 0, count: 8_192)
        var message = [CChar](repeating: 0, count: 256)
        let count = cws_certificate_make(&text, text.count, &message, message.count)
        guard count > 0 else { throw .failure(ControlHub.text(message)) }
        // Written aside and then linked: two programs that start at once end up with one key.
        let aside = "\(path).\(getpid())"
        unlink(aside)
        let descriptor = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure("cannot write the certificate \(aside)") }
        let written = write(descriptor, text, count)
        let status = fsync(descriptor)
        close(descriptor)
        defer { unlink(aside) }
        guard written == count, status == 0 else { throw failure("cannot write the certificate \(aside)") }
        if link(aside, path) != 0, errno != EEXIST {
            throw failure("cannot keep the certificate as \(path)")
        }
    }

    private static func makeDirectory(_ directory: String) throws(ControlError) {
        var path = ""
        for part in directory.split(separator: "/") {
            path += "/\(part)"
            if mkdir(path, 0o700) != 0, errno != EEXIST, access(path, F_OK) != 0 {
                throw failure("cannot make the directory \(path) for the certificate")
            }
        }
    }

    private static func failure(_ what: String) -> ControlError {
        .failure("\(what): \(Errno(errno)); give one with --certificate FILE --key FILE")
    }

    private static func read(_ path: String) throws(ControlError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .failure("cannot read \(path): \(Errno(errno))") }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 262_144)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        guard count > 0 else { throw .failure("cannot read \(path): it is empty, or no file") }
        return Array(bytes.prefix(count))
    }
}
