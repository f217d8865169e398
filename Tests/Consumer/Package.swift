// swift-tools-version: 6.1
import PackageDescription

// A package that depends on Weir by version, as a user's would: `make consumer` gives it a clone with a version's tag.
let package = Package(
    name: "consumer",
    dependencies: [.package(url: Context.environment["WEIR_REPOSITORY"] ?? "../..", from: "0.1.0")],
    targets: [
        .executableTarget(name: "consumer", dependencies: [.product(name: "Weir", package: "weir")])
    ]
)
