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
            ("tree-churn", text(PackageResources.tree_churn_json5)),
            ("tree-prm", text(PackageResources.tree_prm_json5)),
            ("tree-prm-baseline", text(PackageResources.tree_prm_baseline_json5)),
            ("tree-crash", text(PackageResources.tree_crash_json5)),
            ("tree-half", text(PackageResources.tree_half_json5)),
            ("tree-region", text(PackageResources.tree_region_json5)),
            ("tree-stripe", text(PackageResources.tree_stripe_json5)),
            ("tree-coordinator", text(PackageResources.tree_coordinator_json5)),
            ("tree-primary", text(PackageResources.tree_primary_json5)),
            ("tree-relays", text(PackageResources.tree_relays_json5)),
            ("tree-deaf", text(PackageResources.tree_deaf_json5)),
            ("tree-flash", text(PackageResources.tree_flash_json5)),
            ("tree-scale", text(PackageResources.tree_scale_json5)),
        ]
    }

    /// The text of the scenario called `name`; `nil` when there is none.
    public static func text(of name: String) -> String? { all.first { $0.name == name }?.text }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}
