import Foundation
import FreshetNet
import Glibc
import TestSupport
import Testing

@Suite struct ControlCertificateTests {
    @Test func `a certificate is made once, for nobody else's eyes`() throws {
        let scratch = try Scratch()
        let directory = scratch.file("a/b")
        let first = try ControlCertificate.kept(in: directory)
        #expect(first.pin.count == 32)
        #expect(try ControlCertificate.kept(in: directory) == first)
        var status = stat()
        #expect(stat("\(directory)/coordinator.pem", &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
        #expect(try ControlCertificate.kept(in: scratch.file("c")).pin != first.pin)
    }

    @Test func `keys derived from it are the same each time and differ by label`() throws {
        let scratch = try Scratch()
        let certificate = try ControlCertificate.kept(in: scratch.path)
        let first = try certificate.derivedKey(label: "tickets of a")
        #expect(try certificate.derivedKey(label: "tickets of a") == first)
        #expect(try certificate.derivedKey(label: "tickets of b") != first)
    }

    @Test func `a file that holds no certificate is told`() throws {
        let scratch = try Scratch()
        let path = scratch.file("nothing.pem")
        #expect(throws: ControlError.self) {
            try ControlCertificate(certificatePath: path, keyPath: path)
        }
        try "not a certificate".write(toFile: path, atomically: true, encoding: .utf8)
        let error = #expect(throws: ControlError.self) {
            try ControlCertificate(certificatePath: path, keyPath: path)
        }
        #expect(error?.message.contains("no certificate in PEM") == true)
    }
}
