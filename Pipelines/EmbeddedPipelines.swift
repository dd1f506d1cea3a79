/// The ready-made pipelines of this folder, built into the program: `freshet send` *is* `send.json5`.
public enum EmbeddedPipelines {
    /// Each pipeline's file name without ".json5", and its text.
    public static var all: [(name: String, text: String)] {
        [
            ("send", text(PackageResources.send_json5)),
            ("watch", text(PackageResources.watch_json5)),
            ("record", text(PackageResources.record_json5)),
            ("relay", text(PackageResources.relay_json5)),
        ]
    }

    /// The text of the pipeline called `name`; `nil` when there is none.
    public static func text(of name: String) -> String? { all.first { $0.name == name }?.text }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}
