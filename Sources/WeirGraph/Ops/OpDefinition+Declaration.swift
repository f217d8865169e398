public import WeirTensor

/// The calls that complete an op's declaration after its schema. Each returns the definition itself, so that they can be
/// chained.
extension OpDefinition {
    /// Declares that the result may differ from run to run or that running has an effect, and that the kernel keeps state.
    public func stateful() -> OpDefinition {
        isStateful = true
        return self
    }
    /// Declares that running has an effect, but that the kernel keeps no state that another graph of the session needs: a
    /// transfer, a call.
    public func statefulWithKernelPerGraph() -> OpDefinition {
        isStateful = true
        hasKernelPerGraph = true
        return self
    }
    /// Declares that reference inputs may be uninitialized variables.
    public func allowingUninitializedInput() -> OpDefinition {
        allowsUninitializedInput = true
        return self
    }
    /// Declares that the order of the inputs does not matter.
    public func commutative() -> OpDefinition {
        isCommutative = true
        return self
    }
    /// Declares that the op sums any number of inputs of one type.
    public func aggregate() -> OpDefinition {
        isAggregate = true
        return self
    }
    /// Declares which attributes name functions that a node calls.
    public func calling(_ call: FunctionCall) -> OpDefinition {
        functionCall = call
        return self
    }
    /// Declares the op's role, if it is not `compute`.
    public func role(_ role: OpRole) -> OpDefinition {
        self.role = role
        return self
    }
    /// Declares that the op forwards its inputs to its outputs.
    public func passing(_ way: PassThrough) -> OpDefinition {
        passThrough = way
        return self
    }
    /// Declares that the outputs depend on the inputs' shapes only.
    public func readingOnlyShapes() -> OpDefinition {
        readsOnlyShapes = true
        return self
    }
    /// Declares that a node holds state that workers share.
    public func holdingParameters() -> OpDefinition {
        holdsParameters = true
        return self
    }
    /// Declares what a node does with a variable.
    public func variable(_ use: VariableUse) -> OpDefinition {
        variableUse = use
        return self
    }
    /// Declares the op that does the same to a resource variable.
    public func resourceForm(_ op: String) -> OpDefinition {
        resourceForm = op
        return self
    }
    /// Declares that the kernel reads files that its inputs name.
    public func readingFiles() -> OpDefinition {
        readsFiles = true
        return self
    }
    /// Declares that the kernel writes to the memory of an input that other nodes may read.
    public func changingInputs() -> OpDefinition {
        changesInputs = true
        return self
    }
    /// Declares that a node may wait for other nodes, steps or clients.
    public func blocking() -> OpDefinition {
        waitsForOthers = true
        return self
    }
    /// Declares when a node has no effect and can be removed.
    public func simplified(_ simplification: Simplification) -> OpDefinition {
        self.simplification = simplification
        return self
    }
    /// Declares the part of a fused node that a node of the op can be.
    public func fusing(as part: FusionPart) -> OpDefinition {
        fusionPart = part
        return self
    }
    /// Sets the function that computes the value while a graph is built. Its result must equal the kernel's.
    public func knownValue(_ function: @escaping KnownValueFunction) -> OpDefinition {
        knownValue = function
        return self
    }
    /// Sets the function that estimates the floating-point operations of a node. Without it, a node counts as visiting each element
    /// of its largest tensor once.
    public func cost(_ function: @escaping CostFunction) -> OpDefinition {
        cost = function
        return self
    }
    /// Sets the shape function.
    public func shape(_ function: @escaping ShapeFunction) -> OpDefinition {
        shapeFunction = function
        return self
    }
    /// Sets the gradient function: from the gradients of the outputs (nil where there is none) to those of the inputs.
    public func gradient(_ function: @escaping Gradient) -> OpDefinition {
        gradient = function
        return self
    }
    /// Declares that the op has no gradient on purpose (indices, comparisons, shapes).
    public func noGradient() -> OpDefinition {
        hasNoGradient = true
        return self
    }

    /// Declares that each element of the result depends only on the operands' elements at the same index, so that a pass may fuse
    /// the node with its neighbours. A `sharding` that is not declared is then `ShardingRule.elementwise`.
    /// - Parameter function: returns the loop of a node with these attributes, which gives the same bits as the kernel; nil if
    ///   the node cannot be fused, as for any type but `float32`.
    public func elementwise(_ function: @escaping @Sendable (Attributes) -> ElementwiseFunction?) -> OpDefinition {
        elementwise = function
        if sharding == nil { sharding = ShardingRule.elementwise }
        return self
    }
    /// Declares how the work of a node can be divided over devices. Without this, one device computes it, from whole inputs.
    public func sharding(_ rule: @escaping Sharding) -> OpDefinition {
        sharding = rule
        return self
    }

    /// Adds a CPU kernel. Declares the types of TensorFlow's GPU kernel too, if there is one.
    ///
    /// - Parameters:
    ///   - types: for each type attribute, the allowed types. Attributes that are not named may have any type.
    ///   - gpu: the same for GPUs; nil if there is no GPU kernel. The GPU's `KernelLibrary` creates the kernel itself.
    ///   - hostMemory: names of the inputs and outputs that are in host memory on a GPU: shapes, indices, handles.
    ///   - make: creates the CPU kernel of one node. It is called once for each node, so it selects the code for the types.
    public func kernel(
        _ types: [String: DTypeSet] = [:], gpu: [String: DTypeSet]? = nil, hostMemory: Set<String> = [],
        make: @escaping KernelFactory.Make
    ) -> OpDefinition {
        let support = KernelSupport(deviceType: "CPU", types: types)
        supports.append(support)
        hostKernels.append(KernelFactory(support, make: make))
        if let gpu { supports.append(KernelSupport(deviceType: "GPU", types: gpu, hostMemory: hostMemory)) }
        return self
    }

    /// Sets what creates the kernel on a CUDA device, for the types and host-memory arguments of the GPU kernels declared by `kernel`. The
    /// kernel is synchronous: it enqueues its work on the device's stream, sets its outputs and returns.
    public func cuda(_ make: @escaping KernelFactory.Make) -> OpDefinition {
        cudaKernel = make
        return self
    }
    /// Sets the function of an elementwise op in CUDA C++, of x, y, z… at one index, in the type that they are computed in.
    public func cudaExpression(_ expression: @escaping @Sendable (Attributes) -> String?) -> OpDefinition {
        cudaExpression = expression
        return self
    }

    /// Declares that another type of device has a kernel for the op, in its `KernelLibrary`.
    public func supported(on deviceType: String, _ types: [String: DTypeSet] = [:], hostMemory: Set<String> = []) -> OpDefinition {
        supports.append(KernelSupport(deviceType: deviceType, types: types, hostMemory: hostMemory))
        return self
    }

    /// The kernel support of a device type for a node with these attributes; nil if the node cannot run there.
    public func support(on deviceType: String, _ attributes: Attributes) -> KernelSupport? {
        if let own = supports.first(where: { $0.deviceType == deviceType && $0.accepts(attributes) }) { return own }
        // Every device supports transfers, arguments and control flow, even if the op does not name the device's type.
        switch role {
        case .compute, .constant, .placeholder: return nil
        default: return supports.contains { $0.deviceType == deviceType } ? nil : hostKernel(attributes)?.support
        }
    }
    /// The CPU kernel for a node with these attributes; nil if there is none.
    public func hostKernel(_ attributes: Attributes) -> KernelFactory? { hostKernels.first { $0.support.accepts(attributes) } }
}
