import Foundation
import Testing
import WeirGraph
import WeirOps
import WeirTensor

@testable import WeirCluster

/// `docs/life-of-a-step.md` is what a real step of real servers does.
@Suite("The life of a step", .serialized, .timeLimit(.minutes(1)))
struct LifeOfAStepTests {
    @Test("a step passes the stations that the page lists, in their order", arguments: [ServerOptions.TensorTransport.links, .tcp, .grpc])
    func stations(_ transport: ServerOptions.TensorTransport) async throws {
        let table = try StationTable()
        let cluster = try await RecordingCluster(transport: transport)
        do {
            try await walk(table, on: cluster, withLinks: transport != .grpc)
        } catch {
            await cluster.stop()
            throw error
        }
        await cluster.stop()
    }

    private func walk(_ table: StationTable, on cluster: RecordingCluster, withLinks: Bool) async throws {
        let b = GraphBuilder(registry: .standard)
        let v = b.device("/job:ps/task:0") { b.variable("v", initial: [1.0, 2.0]) }
        let (x, y) = b.device("/job:worker/task:0") {
            let x = b.add("Placeholder", name: "x", attributes: ["dtype": .type(.float32)])[0]
            return (x, b.add("Mul", [x, v.value], name: "y")[0])
        }
        let session = try await cluster.session(b.graph())
        cluster.recorder.start()
        try await session.run(v.initializer)
        await cluster.recorder.waitForCleanup(by: "ps")
        for isFirstStep in [true, false] {
            cluster.recorder.start()
            #expect(try await session.run(y, feeding: [x: Tensor(Float(3))]).array(of: Float.self) == [3, 6])
            let passed = table.rows.filter { isFirstStep || !$0.isFirstStepOnly }
            await cluster.recorder.waitForCleanup(by: "ps")
            check(cluster.recorder.recorded, passed, of: table, isFirstStep: isFirstStep, withLinks: withLinks)
        }
        try await session.close()
    }

    /// Checks that the step passed each station of the page once, none that the page does not name, and each after its predecessors.
    private func check(_ recorded: [Station], _ passed: [StationTable.Row], of table: StationTable, isFirstStep: Bool, withLinks: Bool) {
        let listed = passed.map { $0.station(withLinks: withLinks) }
        for station in Set(recorded).subtracting(listed) { Issue.record("the step passes a station that the page does not name: \(station)") }
        for station in Set(listed) {
            let count = recorded.count { $0 == station }
            #expect(count == 1, "the page names a station that the step passes \(count) times: \(station)")
        }
        for row in passed {
            let station = row.station(withLinks: withLinks)
            for before in table.predecessors(of: row, isFirstStep: isFirstStep) {
                let earlier = before.station(withLinks: withLinks)
                guard let first = recorded.firstIndex(of: earlier), let second = recorded.firstIndex(of: station) else { continue }
                #expect(first < second, "the page has \(earlier) before \(station)")
            }
        }
    }

    @Test("the table's numbers are in order, and each station but the first comes after an earlier one")
    func numbers() throws {
        let rows = try StationTable().rows
        #expect(rows.map(\.number) == Array(1...max(rows.count, 1)))
        #expect(rows.count > 10)
        for row in rows {
            #expect(row.after.allSatisfy { (1..<row.number).contains($0) } && row.after.isEmpty == (row.number == 1), "row \(row.number)")
            #expect((1...2).contains(row.types.count), "row \(row.number)")
        }
    }

    @Test("each name on the page is a type, an op or an RPC of the sources")
    func names() throws {
        let known = try declaredNames()
        let names = StationTable.code(in: try StationTable().page).filter { $0.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" } }
        #expect(names.count > 30)
        for name in names { #expect(known.contains(name), "the page names \(name), which is not in the sources") }
    }

    /// The names of types, and the first word of each string literal, which may name an op or an RPC.
    private func declaredNames() throws -> Set<String> {
        var names: Set<String> = []
        let sources = StationTable.repository.appendingPathComponent("Sources")
        for case let file as URL in FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil) ?? .init()
        where file.pathExtension == "swift" && !file.path.contains("/WeirProto/") {
            let text = try String(contentsOf: file, encoding: .utf8)
            var before = ""
            for word in text.utf8.split(whereSeparator: { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "(") }) {
                // A word is all that stands between spaces and parentheses, such as `"RecvTensor")` or `Worker:`.
                let isText = word.first == UInt8(ascii: "\"")
                let name = String(Substring((isText ? word.dropFirst() : word).prefix { $0 == UInt8(ascii: "_") || $0 > 127 || isalnum(Int32($0)) != 0 }))
                if isText || ["class", "struct", "enum", "protocol"].contains(before) { names.insert(name) }
                before = name
            }
        }
        return names
    }
}
