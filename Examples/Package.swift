// swift-tools-version: 6.1
import PackageDescription

// A package that depends on Weir, as a user's would: on this checkout or, where WEIR_REPOSITORY is set (`make consumer`), on a
// version of that repository.
let weir: Package.Dependency =
    if let url = Context.environment["WEIR_REPOSITORY"] {
        .package(url: url, from: "0.1.0")
    } else {
        .package(name: "weir", path: "..")
    }

func example(_ name: String, exclude: [String] = []) -> Target {
    .executableTarget(name: name, dependencies: [.product(name: "Weir", package: "weir")], exclude: exclude)
}

let package = Package(
    name: "weir-examples",
    dependencies: [weir],
    targets: [
        example("first-graph"),
        example("control-flow"),
        example("train-by-hand"),
        example("checkpoint"),
        example("placement"),
        example("imported-graph", exclude: ["line.pbtxt"]),
        example("imported-model", exclude: ["classifier.pbtxt"]),
        example("between-graph"),
        example("monitored-session"),
        example("strategies"),
        example("own-data", exclude: ["houses.csv"]),
        example("own-model"),
        example("autoencoder"),
        example("char-rnn", exclude: ["jack.txt"]),
        example("split-layers"),
        example("split-tensor"),
        example("sweep"),
        example("ensemble"),
        example("export"),
        example("cart-pole"),
        example("own-op"),
        example("own-optimizer"),
        example("own-device"),
    ],
    swiftLanguageModes: [.v6]
)
