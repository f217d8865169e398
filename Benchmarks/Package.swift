// swift-tools-version: 6.1
import PackageDescription

// The same settings as Weir's, so that the cases cost the same as in users' code.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

let package = Package(
    name: "weir-benchmarks",
    dependencies: [
        .package(name: "weir", path: ".."),
        // Without the default traits, which interpose the allocator: `count.py` counts allocations and would count theirs too.
        .package(url: "https://github.com/ordo-one/benchmark.git", from: "1.38.1", traits: []),
    ],
    targets: [
        // The benchmark package's plugins look for a folder of this name.
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
