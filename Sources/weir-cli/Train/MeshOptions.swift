import ArgumentParser
import Weir

/// The options of the strategies that divide the work inside layers.
struct MeshOptions: ParsableArguments {
    @Option(help: .of(.mesh, "devices by axis, such as data=2,model=2. data cuts batches, model cuts layers.", valueName: "AXES")) var mesh: String?
    @Option(help: .of(.cuts, "how variables are cut, such as query=columns,head=whole; the cheapest way if not given.", valueName: "LIST"))
    var cuts: String?

    /// Adds those that are given.
    func add(to arguments: inout StrategyArguments) {
        arguments[.mesh] = mesh.map(ParameterValue.text)
        arguments[.cuts] = cuts.map(ParameterValue.text)
    }
}
