public import WeirTensor

/// What an op's declaration says after its schema, one call each.
extension OpDefinition {
    public func stateful() -> OpDefinition {
        isStateful = true
        return self
    }
    /// Stateful by what it does, not by what its kernel keeps: a transfer, a call.
    public func statefulWithoutMemory() -> OpDefinition {
        isStateful = true
        isKernelOfGraph = true
        return self
    }
    public func allowingUninitializedInput() -> OpDefinition {
        allowsUninitializedInput = true
        return self
    }
    public func commutative() -> OpDefinition {
        isCommutative = true
        return self
    }
    public func aggregate() -> OpDefinition {
        isAggregate = true
        return self
    }
    /// Says which attributes name functions that a node calls.
    public func calling(_ call: FunctionCall) -> OpDefinition {
        functionCall = call
        return self
    }
    /// Says what a node is to passes and executor, if not just something that computes.
    public func role(_ role: OpRole) -> OpDefinition {
        self.role = role
        return self
    }
    /// Says that the outputs are the inputs.
    public func passing(_ way: PassThrough) -> OpDefinition {
        passThrough = way
        return self
    }
    /// Says that the outputs follow from the inputs' shapes.
    public func readingOnlyShapes() -> OpDefinition {
        readsOnlyShapes = true
        return self
    }
    /// Says that a node holds state that workers share.
    public func holdingParameters() -> OpDefinition {
        holdsParameters = true
        return self
    }
    /// Says that the kernel reads files that its inputs name.
    public func readingFiles() -> OpDefinition {
        readsFiles = true
        return self
    }
    /// Says that the kernel writes to an input's memory that others may read.
    public func changingInputs() -> OpDefinition {
        changesInputs = true
        return self
    }
    /// Says that a node may wait for what other nodes, steps or clients do.
    public func blocking() -> OpDefinition {
        waitsForOthers = true
        return self
    }
    /// Says when a node changes nothing.
    public func simplified(_ simplification: Simplification) -> OpDefinition {
        self.simplification = simplification
        return self
    }
    /// Says what part of a fused product a node can be.
    public func fusing(as part: FusionPart) -> OpDefinition {
        fusionPart = part
        return self
    }
    /// How the value follows from what is known of the inputs while a graph is built. It must be what the kernel gives.
    public func knownValue(_ function: @escaping KnownValueFunction) -> OpDefinition {
        knownValue = function
        return self
    }
    public func shape(_ function: @escaping ShapeFunction) -> OpDefinition {
        shapeFunction = function
        return self
    }
    /// How gradients flow back: given the gradients of the outputs (nil where there is none), those of the inputs.
    public func gradient(_ function: @escaping Gradient) -> OpDefinition {
        gradient = function
        return self
    }
    /// Says that no gradient flows through this op, on purpose (indices, comparisons, shapes).
    public func noGradient() -> OpDefinition {
        hasNoGradient = true
        return self
    }

    /// Says that the op computes each element of its result from the elements at the same place of its operands.
    public func elementwise(_ function: @escaping @Sendable (Attributes) -> ElementwiseFunction?) -> OpDefinition {
        elementwise = function
        return self
    }

    /// Adds a kernel for CPUs, and says what TensorFlow's kernel for GPUs takes, where there is one.
    ///
    /// - Parameters:
    ///   - types: for each type attribute, the types it may have; attributes not named may have any.
    ///   - gpu: the same for GPUs; nil when a GPU has no such kernel. What computes there is the GPU's affair.
    ///   - hostMemory: inputs and outputs (by name) that lie in host memory on a GPU: shapes, indices, handles.
    ///   - make: makes the CPU's kernel of one node; called once a node, so this is where types are chosen.
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

    /// Says that another type of device has a kernel for the op too, in its `KernelLibrary`.
    public func supported(on deviceType: String, _ types: [String: DTypeSet] = [:], hostMemory: Set<String> = []) -> OpDefinition {
        supports.append(KernelSupport(deviceType: deviceType, types: types, hostMemory: hostMemory))
        return self
    }

    /// What a type of device has for a node with these attributes; nil when that is nothing.
    public func support(on deviceType: String, _ attributes: Attributes) -> KernelSupport? {
        if let own = supports.first(where: { $0.deviceType == deviceType && $0.accepts(attributes) }) { return own }
        // The machinery (transfers, arguments, control flow) is on every device, also of a type that the op says nothing of.
        switch role {
        case .compute, .constant, .placeholder: return nil
        default: return supports.contains { $0.deviceType == deviceType } ? nil : hostKernel(attributes)?.support
        }
    }
    /// The CPU's kernel for a node with these attributes, if there is one.
    public func hostKernel(_ attributes: Attributes) -> KernelFactory? { hostKernels.first { $0.support.accepts(attributes) } }
}
