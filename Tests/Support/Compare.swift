import Foundation

/// Where two files differ, as a sentence; `nil` when they are the same bytes.
public func difference(_ sent: String, _ got: String) -> String? {
    guard let left = FileManager.default.contents(atPath: sent) else { return "\(sent) is not there" }
    guard let right = FileManager.default.contents(atPath: got) else { return "\(got) is not there" }
    if left == right { return nil }
    let common = zip(left, right).prefix { $0 == $1 }.count
    return
        "sent \(left.count) bytes, got \(right.count); they part at byte \(common) (TS packet \(common / 188))"
}
