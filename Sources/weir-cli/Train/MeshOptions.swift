import ArgumentParser
import Weir

/// The options of the strategies that divide the work inside layers: `tensor` and `mesh`.
struct MeshOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Mesh: devices by axis, such as data=2,model=2. data cuts batches, model cuts layers.", valueName: "AXES"))
    var mesh: String?
    @Option(
        help: ArgumentHelp(
            "Tensor, mesh: how variables are cut, such as query=columns,head=whole; the cheapest way if not given.", valueName: "LIST"))
    var cuts: String?

    /// The strategy of this name; nil if it does not divide the work inside layers.
    func strategy(_ name: String) throws(Status) -> (any InGraphStrategy)? {
        guard name == "tensor" || name == "mesh" else { return nil }
        let rules = try cuts.map { text throws(Status) in try VariableCut.rules(text) } ?? []
        if name == "tensor" { return TensorParallel(rules: rules) }
        guard let mesh else { throw .invalidArgument("strategy mesh needs --mesh, such as data=2,model=2") }
        return MeshParallel(axes: try DeviceMesh.axes(mesh), rules: rules)
    }
}
