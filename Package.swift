// swift-tools-version: 6.2
import PackageDescription

/// One set of compiler settings for every Swift target: language mode 6, warnings are errors. `Lifetimes`
/// lets a type hand out a span of its own storage (`@_lifetime(borrow self)`); it is the flag that the
/// toolchain's own libraries build with.
let house: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableExperimentalFeature("Lifetimes"),
]

/// Pure rooms hold no pointers of their own: every one lives in FreshetCore's buffers.
let pure: [SwiftSetting] = house + [.strictMemorySafety()]

let package = Package(
    name: "freshet",
    products: [
        .executable(name: "freshet", targets: ["freshet"]),
        .library(name: "FreshetEngine", targets: ["FreshetEngine", "FreshetCore"]),
    ],
    targets: [
        // System: C shims. They know Linux and FFmpeg, and nothing of Freshet.
        .target(name: "CLinux", path: "Sources/System/CLinux"),
        .target(name: "CFFmpeg", path: "Sources/System/CFFmpeg"),
        .target(name: "CWebSockets", path: "Sources/System/CWebSockets"),
        .target(name: "CISAL", path: "Sources/System/CISAL"),

        // Pure rooms: bytes, packets and instants; no clock, socket, thread, file or randomness of their own.
        .target(name: "FreshetCore", swiftSettings: house),
        .target(name: "FreshetWire", dependencies: ["FreshetCore"], swiftSettings: pure),
        .target(name: "FreshetStages", dependencies: ["FreshetCore", "FreshetWire"], swiftSettings: pure),

        .target(
            name: "FreshetCoding", dependencies: ["FreshetCore", "FreshetWire", "CISAL"], swiftSettings: house
        ),
        .target(
            name: "FreshetOverlay", dependencies: ["FreshetCore", "FreshetWire", "FreshetCoding"],
            swiftSettings: pure),

        // Edge rooms: Linux and FFmpeg; no protocol.
        .target(
            name: "FreshetNet", dependencies: ["FreshetCore", "CLinux", "CWebSockets"], swiftSettings: house),
        .target(
            name: "FreshetMedia", dependencies: ["FreshetCore", "FreshetWire", "CFFmpeg"],
            swiftSettings: house),

        // The pure rooms on virtual links in virtual time: deterministic, as a seed wants it.
        .target(
            name: "FreshetSimulator",
            dependencies: ["FreshetCore", "FreshetWire", "FreshetStages", "FreshetOverlay"],
            resources: [
                .embedInCode("Scenarios/unicast-loss.json5"),
                .embedInCode("Scenarios/two-paths.json5"),
                .embedInCode("Scenarios/implosion.json5"),
                .embedInCode("Scenarios/island.json5"),
                .embedInCode("Scenarios/speed.json5"),
                .embedInCode("Scenarios/tree-churn.json5"),
                .embedInCode("Scenarios/tree-prm.json5"),
                .embedInCode("Scenarios/tree-prm-baseline.json5"),
                .embedInCode("Scenarios/tree-crash.json5"),
                .embedInCode("Scenarios/tree-half.json5"),
                .embedInCode("Scenarios/tree-region.json5"),
                .embedInCode("Scenarios/tree-stripe.json5"),
                .embedInCode("Scenarios/tree-coordinator.json5"),
                .embedInCode("Scenarios/tree-primary.json5"),
                .embedInCode("Scenarios/tree-relays.json5"),
                .embedInCode("Scenarios/tree-deaf.json5"),
                .embedInCode("Scenarios/tree-flash.json5"),
                .embedInCode("Scenarios/tree-scale.json5"),
            ],
            swiftSettings: house),

        // The room that joins them, the ready-made pipelines, and the command line.
        .target(
            name: "FreshetEngine",
            dependencies: [
                "FreshetCore", "FreshetWire", "FreshetCoding", "FreshetStages", "FreshetOverlay",
                "FreshetNet", "FreshetMedia",
                "CLinux",
            ],
            swiftSettings: house),
        .target(
            name: "FreshetPipelines",
            path: "Pipelines",
            resources: [
                .embedInCode("send.json5"),
                .embedInCode("watch.json5"),
                .embedInCode("record.json5"),
                .embedInCode("relay.json5"),
            ],
            swiftSettings: house),
        .executableTarget(
            name: "freshet",
            dependencies: [
                "FreshetEngine", "FreshetPipelines", "FreshetSimulator", "FreshetNet", "FreshetOverlay",
                "FreshetWire",
            ],
            swiftSettings: house),

        .testTarget(name: "FreshetCoreTests", dependencies: ["FreshetCore"], swiftSettings: house),
        .testTarget(
            name: "FreshetWireTests", dependencies: ["FreshetCore", "FreshetWire"], swiftSettings: house),
        .testTarget(
            name: "FreshetCodingTests",
            dependencies: ["FreshetCore", "FreshetWire", "FreshetStages", "FreshetCoding"],
            swiftSettings: house),
        .testTarget(
            name: "FreshetStagesTests", dependencies: ["FreshetCore", "FreshetWire", "FreshetStages"],
            swiftSettings: house),
        // Two ends and two bad links in virtual time, for the repair tests and for `repair-grid`.
        .target(
            name: "RepairLoop",
            dependencies: ["FreshetCore", "FreshetWire", "FreshetCoding", "FreshetStages", "FreshetOverlay"],
            path: "Tests/RepairLoop", swiftSettings: house),
        .executableTarget(
            name: "repair-grid",
            dependencies: ["FreshetCore", "FreshetStages", "FreshetOverlay", "RepairLoop"],
            path: "Tests/RepairGrid", swiftSettings: house),
        .testTarget(
            name: "FreshetOverlayTests",
            dependencies: ["FreshetCore", "FreshetWire", "FreshetStages", "FreshetOverlay", "RepairLoop"],
            swiftSettings: house),
        .testTarget(
            name: "FreshetSimulatorTests",
            dependencies: ["FreshetCore", "FreshetWire", "FreshetStages", "FreshetSimulator"],
            swiftSettings: house),
        .testTarget(
            name: "FreshetNetTests", dependencies: ["FreshetCore", "FreshetNet", "TestSupport"],
            swiftSettings: house),
        .testTarget(
            name: "FreshetMediaTests", dependencies: ["FreshetCore", "FreshetWire", "FreshetMedia"],
            swiftSettings: house),
        .testTarget(
            name: "FreshetEngineTests",
            dependencies: [
                "FreshetCore", "FreshetWire", "FreshetStages", "FreshetOverlay", "FreshetEngine",
                "FreshetNet",
                "FreshetPipelines", "TestSupport",
            ],
            swiftSettings: house),
        // Counts allocations on the packet path; means something in a release build only.
        .target(name: "CAllocationCounter", path: "Tests/CAllocationCounter"),
        .executableTarget(
            name: "allocation-check",
            dependencies: ["FreshetCore", "FreshetEngine", "FreshetNet", "CAllocationCounter"],
            path: "Tests/AllocationCheck", swiftSettings: house),

        // Codes against each other and against the clock; means something in a release build only.
        .executableTarget(
            name: "coding-bench",
            dependencies: [
                "FreshetCore", "FreshetWire", "FreshetCoding", "FreshetStages", "CAllocationCounter",
            ],
            path: "Tests/CodingBench", swiftSettings: house),

        // Ten thousand WebSocket clients against a coordinator; means something in a release build only.
        .executableTarget(
            name: "control-load", dependencies: ["FreshetCore", "FreshetNet", "FreshetWire"],
            path: "Tests/ControlLoad", swiftSettings: house),

        // A source, a coordinator and many children of one relay, to measure the relay; for scripts/bench fanout.
        .executableTarget(
            name: "tree-load",
            dependencies: [
                "FreshetCore", "FreshetWire", "FreshetNet", "FreshetOverlay", "FreshetEngine",
            ],
            path: "Tests/TreeLoad", swiftSettings: house),

        // What the suites with real processes share: running programs, places on the loopback, comparing
        // media.
        .target(name: "TestSupport", path: "Tests/Support", swiftSettings: house),
        .testTarget(name: "RepositoryTests", dependencies: ["TestSupport"], swiftSettings: house),
        .testTarget(name: "NetworkTests", dependencies: ["TestSupport", "freshet"], swiftSettings: house),
        .testTarget(name: "InteropTests", dependencies: ["TestSupport", "freshet"], swiftSettings: house),
    ]
)
