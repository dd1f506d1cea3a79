// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "null-drop",
    dependencies: [
        // In a package of your own: .package(url: …) of where you keep Freshet, or a path like this one.
        .package(name: "freshet", path: "../..")
    ],
    targets: [
        // The stage: a library, so that any program can have it.
        .target(name: "NullDrop", dependencies: [.product(name: "FreshetEngine", package: "freshet")]),
        // A program that has it.
        .executableTarget(
            name: "null-drop",
            dependencies: ["NullDrop", .product(name: "FreshetEngine", package: "freshet")],
            path: "Sources/Program"),
        .testTarget(
            name: "NullDropTests",
            dependencies: ["NullDrop", .product(name: "FreshetEngine", package: "freshet")]),
    ]
)
