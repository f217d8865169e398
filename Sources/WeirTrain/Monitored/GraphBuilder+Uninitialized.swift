public import WeirGraph
import WeirOps
import WeirTensor

extension GraphBuilder {
    /// A vector of strings: the names of those variables that have no value. TensorFlow's `report_uninitialized_variables`.
    ///
    /// Each variable is asked on its own device, the rest is on `device`.
    /// - Parameter variables: at least one.
    public func reportUninitializedVariables(_ variables: [Variable], on device: String = "/cpu:0") -> Output {
        nameScope("report_uninitialized_variables") {
            // Only the handles say where these are: not the scopes, and not another node of the graph.
            let flags = self.device(nil) { variables.map(\.isInitialized) }
            return self.device(nil) {
                self.device(device) {
                    let isMissing = add("Pack", flags, name: "is_initialized")[0].logicalNot()
                    let positions = isMissing.nonzeroIndices().squeezed(axes: [1])
                    return constant(Tensor(variables.map { ByteString($0.name) }), name: "names").gathered(indices: positions)
                }
            }
        }
    }
}
