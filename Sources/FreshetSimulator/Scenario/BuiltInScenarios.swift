/// The scenarios of the folder `Scenarios`, built into the program.
public enum BuiltInScenarios {
    /// Each one's name and text.
    public static var all: [(name: String, text: String)] {
        [
            ("unicast-loss", text(PackageResources.unicast_loss_json5)),
            ("two-paths", text(PackageResources.two_paths_json5)),
            ("implosion", text(PackageResources.implosion_json5)),
            ("island", text(PackageResources.island_json5)),
            ("speed", text(PackageResources.speed_json5)),
        ]
    }

    /// The text of the scenario called `name`; `nil` when there is none.
    public static func text(of name: String) -> String? { all.first { $0.name == name }?.text }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}
