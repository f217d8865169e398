import Metrics
import WeirTensor

/// Makes the instruments of one server, each with the dimension `task`.
struct InstrumentMaker: Sendable {
    /// A name and a value.
    typealias Dimension = (String, String)

    private let factory: any MetricsFactory
    private let task: Dimension

    init(factory: any MetricsFactory, task: DeviceName) {
        self.factory = factory
        self.task = ("task", task.description)
    }

    func counter(_ label: String, _ dimension: Dimension) -> Counter {
        Counter(label: label, dimensions: [task, dimension], factory: factory)
    }
    func meter(_ label: String, _ dimensions: Dimension...) -> Meter {
        Meter(label: label, dimensions: [task] + dimensions, factory: factory)
    }
    func timer(_ label: String) -> Timer {
        Timer(label: label, dimensions: [task], factory: factory)
    }
}
