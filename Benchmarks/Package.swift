// swift-tools-version: 6.1
import PackageDescription

// Weir's own settings, so that the cases cost what users' code costs.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

let package = Package(
    name: "weir-benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "weir", path: ".."),
        // Without its interposers: `count.py` counts allocations, and they would be counted with them.
        .package(url: "https://github.com/ordo-one/benchmark.git", from: "1.38.1", traits: []),
    ],
    targets: [
        // The folder's name is what benchmark's plugins look for.
        .executableTarget(
            name: "WeirBenchmarks",
            dependencies: [
                .product(name: "BenchmarkCases", package: "weir"), .product(name: "Benchmark", package: "benchmark"),
            ],
            path: "Benchmarks/WeirBenchmarks",
            swiftSettings: settings,
            plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")])
    ]
)
