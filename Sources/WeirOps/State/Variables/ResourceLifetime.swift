public import WeirGraph
import WeirKernels
import WeirTensor

// Whether resources are there, and their end.

extension OpDefinition {
    /// Whether the variable behind a handle is there and has a value.
    static let varIsInitializedOp = OpDefinition(
        "VarIsInitializedOp", "(resource: resource) -> (is_initialized: bool)"
    )
    .stateful()
    .shape(ShapeFunctions.scalar)
    .noGradient()
    .kernel(gpu: [:], hostMemory: ["resource", "is_initialized"]) { _ in
        let lookup = HandleLookup<ResourceVariable>()
        return .sync { context in
            let handle = context.input(0)
            let variable = try? lookup.find(handle, context)
            context.setOutput(0, Tensor(variable?.cell.isInitialized ?? false))
        }
    }

    /// Drops the resource behind a handle, whatever it is.
    static let destroyResourceOp = OpDefinition(
        "DestroyResourceOp", "(resource: resource) -> ()", "ignore_lookup_error: bool = true"
    )
    .stateful()
    .noGradient()
    .kernel(gpu: [:], hostMemory: ["resource"]) { request in
        let ignores = try request.bool("ignore_lookup_error")
        return .sync { context in
            let handle = try HandleLookup<ResourceVariable>.element(context.input(0))
            // What an anonymous handle carries goes with the last handle.
            if handle.object != nil { return }
            let kind = handle.typeName.isEmpty ? ResourceVariable.kind : handle.typeName
            try handle.require(kind: kind, on: context.place)
            do {
                try context.resources.remove(kind: kind, container: handle.container, name: handle.name)
            } catch let status as Status where ignores && status.code == .notFound {}
        }
    }

    /// Tells a variable that reads need not copy it. Reads here never do.
    static let disableCopyOnRead = OpDefinition("DisableCopyOnRead", "(resource: resource) -> ()")
        .stateful()
        .noGradient()
        .kernel(gpu: [:], hostMemory: ["resource"]) { _ in
            let lookup = HandleLookup<ResourceVariable>()
            return .sync { context in
                let handle = context.input(0)
                _ = try lookup.find(handle, context)
            }
        }

    /// Whether a handle keeps its resource alive by itself.
    static let isResourceHandleRefCounting = OpDefinition(
        "IsResourceHandleRefCounting", "(handle: resource) -> (result: bool)"
    )
    .stateful()
    .shape(ShapeFunctions.scalar)
    .noGradient()
    .kernel { _ in
        .sync { context in
            let handle = try HandleLookup<ResourceVariable>.element(context.input(0))
            context.setOutput(0, Tensor(handle.object != nil))
        }
    }
}

extension Output {
    /// Whether the variable that this handle names has a value.
    public func isVariableInitialized() -> Output {
        isReference
            ? builder.add("IsVariableInitialized", [self])[0] : builder.add("VarIsInitializedOp", [self])[0]
    }
    /// Drops the resource that this handle names.
    @discardableResult
    public func destroyResource(ignoringMissing: Bool = true) -> Operation {
        builder.add("DestroyResourceOp", [self], attributes: ["ignore_lookup_error": .bool(ignoringMissing)])
    }
}
