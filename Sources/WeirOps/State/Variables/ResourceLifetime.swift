public import WeirGraph
import WeirKernels
import WeirTensor

// Ops that test whether resources exist, and that destroy them.

extension OpDefinition {
    /// `VarIsInitializedOp`: whether a resource variable exists and has a value.
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

    /// `DestroyResourceOp`: drops the resource of a handle, of any kind.
    static let destroyResourceOp = OpDefinition(
        "DestroyResourceOp", "(resource: resource) -> ()", "ignore_lookup_error: bool = true"
    )
    .stateful()
    .noGradient()
    .kernel(gpu: [:], hostMemory: ["resource"]) { request in
        let ignores = try request.bool("ignore_lookup_error")
        return .sync { context in
            let handle = try HandleLookup<ResourceVariable>.element(context.input(0))
            // The resource of an anonymous handle is freed with the last handle.
            if handle.object != nil { return }
            let kind = handle.typeName.isEmpty ? ResourceVariable.kind : handle.typeName
            try handle.require(kind: kind, on: context.place)
            do {
                try context.resources.remove(kind: kind, container: handle.container, name: handle.name)
            } catch {
                let status = Status(error)
                guard ignores, status.code == .notFound else { throw status }
            }
        }
    }

    /// `DisableCopyOnRead`: allows reads to share the value. Here reads never copy, so this only checks that the variable
    /// exists.
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

    /// `IsResourceHandleRefCounting`: whether a handle keeps its resource alive.
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
    /// Returns whether the variable of this reference or handle has a value.
    public func isVariableInitialized() -> Output {
        isReference
            ? builder.add("IsVariableInitialized", [self])[0] : builder.add("VarIsInitializedOp", [self])[0]
    }
    /// Drops the resource of this handle (`DestroyResourceOp`).
    @discardableResult
    public func destroyResource(ignoringMissing: Bool = true) -> Operation {
        builder.add("DestroyResourceOp", [self], attributes: ["ignore_lookup_error": .bool(ignoringMissing)])
    }
}
