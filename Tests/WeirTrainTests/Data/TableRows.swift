import WeirCluster
import WeirGraph
import WeirTensor

@testable import WeirTrain

// Tables in place of datasets, for tests of strategies.

extension TrainingRun {
    init(_ plan: TrainingPlan, _ options: TrainingOptions, _ setting: TrainingSetting, train: Table, test: Table, onEvent: @escaping Trainer.OnEvent) {
        self.init(plan, options, setting, train: Dataset(train), test: Dataset(test), onEvent: onEvent)
    }
}

extension BatchFeeds {
    init(_ inputs: [String: Output], _ table: Table) throws(Status) { try self.init(inputs, Dataset(table).columns) }
    func feeds(_ rows: Table) throws(Status) -> [NamedTensor] { try feeds(Dataset(rows).rows(0..<rows.rowCount)) }
}

extension ClientLoop {
    func metrics(_ rows: Table) async throws -> [String: Double] { try await metrics(Dataset(rows)) }
}
