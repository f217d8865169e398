#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import Weir

extension BenchmarkCase {
    /// Whole training steps in this process, of networks that TensorFlow wrote.
    static let steps: [BenchmarkCase] = [step("iris", 50), step("iris_adam", 50), step("lstm", 1, warmUp: 1)]

    /// The folder of the graphs, in this package's directory.
    private static let folder: String = {
        let names = #filePath.split(separator: "/", omittingEmptySubsequences: false)
        return names.dropLast(3).joined(separator: "/") + "/peers/graphs"
    }()

    private struct Workload: Decodable {
        var feeds: [String: String]
        var fetches: [String]
        var targets: [String]
        var `init`: String
    }

    private static func step(_ name: String, _ iterations: Int, warmUp: Int = 6) -> BenchmarkCase {
        BenchmarkCase("step/\(name)", iterations: iterations, warmUp: warmUp) {
            let path = "\(folder)/\(name)"
            guard let description = FileManager.default.contents(atPath: path + ".json") else {
                throw Status.notFound("\(path).json: no such file")
            }
            let workload = try JSONDecoder().decode(Workload.self, from: description)
            let graph = try Graph(
                GraphDefinition(contentsOf: path + ".pb"), registry: .standard, allowingInternalNames: false)
            let session = try DirectSession.onOneThread(graph)
            _ = try session.run(targets: [workload.`init`])
            let feeds = try workload.feeds.sorted { $0.key < $1.key }.map { feed in
                (name: feed.key, value: try NumpyFile.tensor(contentsOf: "\(folder)/\(feed.value)"))
            }
            let plan = try session.plan(feeds: feeds.map(\.name), fetches: workload.fetches, targets: workload.targets)
            let values = feeds.map(\.value)
            return { keep(try session.run(plan, values)) }
        }
    }
}
