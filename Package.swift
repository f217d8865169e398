// swift-tools-version: 6.1
import PackageDescription

// One list of settings for every target: what holds for one file of Weir holds for all of them.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

/// A family of ops: some folders of `Sources/WeirOps`.
func family(_ name: String, _ folders: [String], dependencies: [Target.Dependency] = []) -> Target {
    .target(
        name: name, dependencies: ["WeirKernels", "WeirGraph", "WeirDevice", "WeirTensor"] + dependencies, path: "Sources/WeirOps",
        sources: folders, swiftSettings: settings)
}

// No flags that only a root package may set: Weir can be a dependency. What the Makefile adds for speed is said there.

let package = Package(
    name: "weir",
    products: [
        .library(name: "Weir", targets: ["Weir"]),
        .library(name: "WeirTesting", targets: ["WeirTesting"]),
        .library(name: "BenchmarkCases", targets: ["BenchmarkCases"]),
        .executable(name: "weir", targets: ["weir"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics.git", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-http2.git", from: "1.46.0"),
        .package(url: "https://github.com/apple/swift-protobuf.git", from: "1.39.0"),
        .package(url: "https://github.com/grpc/grpc-swift-2.git", from: "2.4.3"),
        .package(url: "https://github.com/grpc/grpc-swift-nio-transport.git", from: "2.9.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
    ],
    // Rows of the house, lowest first: a target imports targets of lower rows only.
    targets: [
        // 0
        .target(name: "WeirTensor", swiftSettings: settings),
        // 1
        .systemLibrary(name: "CTarget"),
        .systemLibrary(name: "COneDNN", pkgConfig: nil, providers: [.apt(["libdnnl-dev"])]),
        .target(name: "WeirDevice", dependencies: ["WeirTensor", "COneDNN", "CTarget"], swiftSettings: settings),
        // 2
        .target(name: "WeirGraph", dependencies: ["WeirTensor", "WeirDevice"], swiftSettings: settings),
        // 3
        .target(
            name: "WeirProto",
            dependencies: [.product(name: "SwiftProtobuf", package: "swift-protobuf")],
            swiftSettings: [.swiftLanguageMode(.v6)]),
        .systemLibrary(name: "CZlib", pkgConfig: nil, providers: [.apt(["zlib1g-dev"])]),
        .target(
            name: "WeirWire",
            dependencies: [
                "WeirGraph", "WeirTensor", "WeirProto", "CZlib", .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            swiftSettings: settings),
        // 4
        // What the families of ops share: loops over elements, layouts, random words.
        .target(name: "WeirKernels", dependencies: ["WeirGraph", "WeirDevice", "WeirTensor"], swiftSettings: settings),
        // Families of ops; none imports another, so that they are compiled side by side and an edit compiles one.
        family("WeirMathOps", ["Math", "Random"]),
        family("WeirNeuralOps", ["Linear", "NN"]),
        family("WeirArrayOps", ["Array"]),
        family("WeirStateOps", ["State", "Training", "Queue"], dependencies: ["WeirWire"]),
        family("WeirControlOps", ["Control"]),
        family("WeirTextOps", ["Strings", "IO"], dependencies: ["WeirWire"]),
        .target(
            name: "WeirOps",
            dependencies: ["WeirMathOps", "WeirNeuralOps", "WeirArrayOps", "WeirStateOps", "WeirControlOps", "WeirTextOps", "WeirGraph"],
            path: "Sources/WeirOps", sources: ["Standard.swift"], swiftSettings: settings),
        .target(
            name: "WeirRuntime",
            dependencies: [
                "WeirGraph", "WeirDevice", "WeirTensor", .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings),
        // 5
        .systemLibrary(name: "CLinux"),
        .systemLibrary(name: "CPNG", pkgConfig: nil, providers: [.apt(["libpng-dev"])]),
        .systemLibrary(name: "CTurboJPEG", pkgConfig: nil, providers: [.apt(["libturbojpeg0-dev"])]),
        .target(
            name: "WeirCluster",
            dependencies: [
                "WeirRuntime", "WeirOps", "WeirWire", "WeirProto", "WeirGraph", "WeirDevice", "WeirTensor", "CLinux", "CZlib",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "GRPCCore", package: "grpc-swift-2"),
                .product(name: "GRPCNIOTransportHTTP2Posix", package: "grpc-swift-nio-transport"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP2", package: "swift-nio-http2"),
                .product(name: "NIOHPACK", package: "swift-nio-http2"),
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            swiftSettings: settings),
        // 6
        .target(
            name: "WeirTrain",
            dependencies: [
                "WeirCluster", "WeirRuntime", "WeirOps", "WeirWire", "WeirGraph", "WeirDevice", "WeirTensor", "CZlib", "CPNG", "CTurboJPEG",
            ],
            resources: [.embedInCode("Resources/iris.csv")],
            swiftSettings: settings),
        .target(
            name: "WeirTesting",
            dependencies: ["WeirCluster", "WeirRuntime", "WeirOps", "WeirGraph", "WeirTensor"],
            swiftSettings: settings),
        // 7
        .target(
            name: "Weir",
            dependencies: [
                "WeirTrain", "WeirCluster", "WeirRuntime", "WeirOps", "WeirWire", "WeirGraph", "WeirDevice", "WeirTensor",
            ],
            swiftSettings: settings),
        .executableTarget(
            name: "weir",
            dependencies: [
                "Weir", .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            path: "Sources/weir-cli",
            swiftSettings: settings),
        // What `Benchmarks/count.py` counts; the package there also runs them by the clock.
        .target(
            name: "BenchmarkCases", dependencies: ["Weir", "WeirCluster"], path: "Benchmarks/Sources/BenchmarkCases", swiftSettings: settings),
        .executableTarget(
            name: "count-cases", dependencies: ["BenchmarkCases"], path: "Benchmarks/Sources/count-cases", swiftSettings: settings),
        // Random cases against every door, in processes that watch each other; `make fuzz`.
        .executableTarget(
            name: "weir-fuzz",
            dependencies: [
                "Weir", "WeirTesting", "WeirTrain", "WeirCluster", "WeirRuntime", "WeirOps", "WeirWire", "WeirProto", "WeirGraph", "WeirDevice",
                "WeirTensor",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            path: "Tests/Fuzz", swiftSettings: settings),
        .testTarget(name: "WeirTensorTests", dependencies: ["WeirTensor"], swiftSettings: settings),
        .testTarget(name: "WeirGraphTests", dependencies: ["WeirGraph", "WeirTesting", "WeirOps", "WeirTensor"], swiftSettings: settings),
        .testTarget(name: "WeirWireTests", dependencies: ["WeirWire", "WeirProto", "WeirGraph", "WeirTensor"], swiftSettings: settings),
        .testTarget(
            name: "WeirOpsTests",
            dependencies: [
                "WeirOps", "WeirMathOps", "WeirNeuralOps", "WeirArrayOps", "WeirStateOps", "WeirControlOps", "WeirTextOps", "WeirKernels", "WeirRuntime",
                "WeirWire", "WeirGraph",
                "WeirDevice", "WeirTensor",
            ],
            swiftSettings: settings),
        // Runs the recorded cases of ops, for the tests and on a GPU.
        .target(
            name: "OpCaseRunner", dependencies: ["WeirRuntime", "WeirOps", "WeirGraph", "WeirDevice", "WeirTensor"], path: "Tests/OpCaseRunner",
            swiftSettings: settings),
        .testTarget(
            name: "OpCaseTests", dependencies: ["OpCaseRunner", "WeirRuntime", "WeirOps", "WeirGraph", "WeirDevice", "WeirTensor"],
            swiftSettings: settings),
        // What a real GPU is checked with; `Scripts/check-gpu`.
        .executableTarget(
            name: "weir-check-gpu",
            dependencies: [
                "OpCaseRunner", "Weir", "WeirRuntime", "WeirOps", "WeirWire", "WeirGraph", "WeirDevice", "WeirTensor",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Tests/CheckGPU", swiftSettings: settings),
        .testTarget(
            name: "WeirRuntimeTests", dependencies: ["OpCaseRunner", "WeirRuntime", "WeirOps", "WeirKernels", "WeirGraph", "WeirDevice", "WeirTensor"],
            swiftSettings: settings),
        .testTarget(
            name: "WeirClusterTests",
            dependencies: [
                "Weir", "WeirCluster", "WeirTesting", "WeirRuntime", "WeirOps", "WeirWire", "WeirProto", "WeirGraph", "WeirDevice", "WeirTensor", "CLinux",
                "CZlib",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "MetricsTestKit", package: "swift-metrics"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "GRPCCore", package: "grpc-swift-2"),
                .product(name: "GRPCNIOTransportHTTP2Posix", package: "grpc-swift-nio-transport"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOHTTP2", package: "swift-nio-http2"),
                .product(name: "NIOHPACK", package: "swift-nio-http2"),
            ],
            swiftSettings: settings),
        .testTarget(
            name: "WeirTrainTests",
            dependencies: [
                "Weir", "WeirTrain", "WeirTesting", "WeirCluster", "WeirRuntime", "WeirOps", "WeirWire", "WeirGraph", "WeirDevice", "WeirTensor",
            ],
            exclude: ["Fixtures"],
            swiftSettings: settings),
    ]
)
