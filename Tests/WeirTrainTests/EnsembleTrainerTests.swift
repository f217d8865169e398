import Testing
import Weir
import WeirTesting
import WeirWire

@testable import WeirTrain

@Suite("Ensembles that train", .timeLimit(.minutes(2)))
struct EnsembleTrainerTests {
    private let scratch = FileSystemScratch()

    private func members(_ steps: Int = 60) throws -> [EnsembleMember] {
        try [[8], [16], [8, 8]].enumerated().map { index, hidden in
            let network = DenseNetwork(inputCount: 4, hidden: hidden, classCount: 3, seed: index + 1)
            return try EnsembleMember("dnn\(hidden)", network, optimizer: Adam(learningRate: 0.03), stepCount: steps, batchSize: 8)
        }
    }

    /// The probabilities that the written model gives.
    private func probabilities(_ report: EnsembleReport, _ table: Table) async throws -> ClassProbabilities {
        let model = try SavedModel(contentsOf: report.model)
        let found = try await model.predict(["features": table.featureTensor], in: model.session())
        return try ClassProbabilities(try #require(found["probabilities"]))
    }

    @Test(
        "members are trained on parts of the rows, and the saved model gives the combination's probabilities", arguments: [EnsembleMethod.average, .stacking])
    func whole(_ served: EnsembleMethod) async throws {
        let table = try Table.iris()
        let report = try await EnsembleTrainer(members(), table: table, directory: scratch.path, served: served).run()
        // 120 training rows: a part for each member, and one for stacking.
        #expect(report.testRowCount == 30 && report.members.map(\.trainedRowCount) == [30, 30, 30])
        #expect(report.members.map(\.server) == [.slot(0), .slot(1), .slot(2)])
        #expect(report.combinations.map(\.name) == ["average", "vote", "stacking"])
        #expect(report.combinations.allSatisfy { $0.accuracy >= 0.8 }, "\(report.combinations)")
        #expect(report.servedDifference < 1e-6 && report.served == served)
        let predictions = try await report.ensemble.memberProbabilities(of: table)
        let combined = try report.ensemble.probabilities(predictions, by: served)
        let read = try await probabilities(report, table)
        #expect(zip(read.values, combined.values).allSatisfy { abs($0 - $1) < 1e-6 })
        let saved = try SavedModel(contentsOf: report.model)
        let members = try await saved.predict(["features": table.featureTensor], signature: "members", in: saved.session())
        #expect(members.keys.sorted() == ["member1", "member2", "member3"])
        let second = try ClassProbabilities(try #require(members["member2"]))
        #expect(zip(second.values, predictions[1].values).allSatisfy { abs($0 - $1) < 1e-6 })
        let average = try EnsembleCombination.average(predictions)
        #expect((combined == average) == (served == .average))
    }

    @Test("a member of the ensemble has the variables of its training's checkpoint, and the model has those of all")
    func variables() async throws {
        let report = try await EnsembleTrainer(members(5), table: .iris(), directory: scratch.path, methods: [.average]).run()
        #expect(report.members.map(\.trainedRowCount) == [40, 40, 40])
        #expect(report.model == "\(scratch.path)/model")
        let model = try BundleReader("\(report.model)/variables/variables"), member = try BundleReader("\(scratch.path)/member2/model-5")
        #expect(try model.tensor("member2/hidden1/kernel") == member.tensor("hidden1/kernel"))
        #expect(try model.tensors().count == 4 + 4 + 6)
        // The graph has no values: it is small, and what it computes comes from the variables' files.
        #expect(try InputFile.contents(of: "\(report.model)/saved_model.pb").count < 100_000)
    }

    @Test("the numbers are the same wherever members are trained, one after another or at the same time")
    func servers() async throws {
        let here = try await EnsembleTrainer(members(20), table: .iris(), directory: "\(scratch.path)/here", methods: [.average]).run()
        try await TestCluster.with([("worker", 2)]) { cluster in
            let servers = cluster.spec.tasks.map { SweepServer.address($0.address) }
            let there = try await EnsembleTrainer(
                members(20), table: .iris(), directory: "\(scratch.path)/there", methods: [.average], servers: servers
            ).run()
            #expect(Set(there.members.compactMap(\.server)) == Set(servers))
            let table = try Table.iris()
            let (a, b) = (try await probabilities(here, table), try await probabilities(there, table))
            #expect(zip(a.values, b.values).allSatisfy { abs($0 - $1) < 1e-4 })
        }
    }

    @Test("an ensemble without members, of too few rows, or that serves a vote is refused before anything is trained")
    func refused() async throws {
        let table = try Table.iris()
        let trainers = [
            EnsembleTrainer([], table: table, directory: scratch.path),
            EnsembleTrainer(try members(), table: table, directory: scratch.path, served: .vote),
            EnsembleTrainer(try members(), table: table.rows([0, 60, 120, 1]), directory: scratch.path),
            EnsembleTrainer(try members(), table: table, directory: scratch.path, servers: [.slot(0), .slot(0)]),
        ]
        for trainer in trainers {
            let error = await #expect(throws: Status.self) { try await trainer.run() }
            #expect(error?.code == .invalidArgument)
        }
        var folds = EnsembleTrainer(try members(), table: table, directory: scratch.path)
        folds.foldCount = 200
        #expect(thrownStatus { try folds.check() }?.message == "200 folds need as many rows, found 150")
        var large = try members()
        large[1].batchSize = 31
        let batch = EnsembleTrainer(large, table: table, directory: scratch.path)
        #expect(
            thrownStatus { try batch.check() }?.message
                == "The batch size of member 'dnn[16]' must be at most 30, the number of rows of a member's part; found 31")
        #expect(scratch.names.isEmpty)
    }

    @Test("a folder in which nothing can be written is refused before anything is trained")
    func folder() async throws {
        let path = "\(scratch.path)/file"
        try AtomicFile.write([], to: path)
        let trainer = EnsembleTrainer(try members(), table: try .iris(), directory: path) { _, _ in Issue.record("expected no training") }
        let error = await #expect(throws: Status.self) { try await trainer.run() }
        #expect(error?.message.contains("'\(path)/member1/model' need a folder") == true, "\(error?.message ?? "")")
        var exported = EnsembleTrainer(try members(), table: try .iris(), directory: scratch.path) { _, _ in Issue.record("expected no training") }
        exported.modelDirectory = path
        #expect(thrownStatus { try exported.prepare() }?.message.contains("\(path) exists and is something else") == true)
    }

    @Test("stacking that was not fitted is an error")
    func notFitted() async throws {
        let report = try await EnsembleTrainer(members(2), table: .iris(), directory: scratch.path, methods: [.vote]).run()
        let predictions = try await report.ensemble.memberProbabilities(of: .iris())
        let error = #expect(throws: Status.self) { try report.ensemble.classes(predictions, by: .stacking) }
        #expect(error?.code == .failedPrecondition)
    }
}
