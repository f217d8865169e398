public import WeirTensor

/// A resource variable (`VarHandleOp`) in a graph: its handle, initializer and value.
///
/// A read returns a snapshot, which later updates do not change.
public struct Variable: Sendable {
    /// The full name, with name scopes. It is also the resource's `shared_name`.
    public let name: String
    /// The resource handle, on the variable's device.
    public let handle: Output
    /// The type of the value.
    public let dtype: DType
    /// The shape of the value.
    public let shape: Shape
    /// Assigns the initial value.
    public let initializer: Operation
    /// The value, read on the variable's device.
    public let value: Output
    /// The rows of a larger variable that this one holds; nil if it is not a part.
    public let slice: VariableSlice?

    private var builder: GraphBuilder { handle.builder }
    private var type: Attributes { ["dtype": .type(dtype)] }

    /// A bool scalar: whether the variable has a value (`VarIsInitializedOp`).
    public var isInitialized: Output { builder.add("VarIsInitializedOp", [handle])[0] }
    /// Adds another read, which runs after the control dependencies of the current scope.
    public func read() -> Output { builder.add("ReadVariableOp", [handle], name: "\(shortName)/Read", attributes: type)[0] }
    /// Adds an operation that replaces the value.
    public func assign(_ value: Output) -> Operation { builder.add("AssignVariableOp", [handle, value], attributes: type) }
    /// Adds an operation that adds to the value.
    public func assignAdd(_ value: Output) -> Operation { builder.add("AssignAddVariableOp", [handle, value], attributes: type) }
    private var shortName: String { String(name.split(separator: "/").last ?? "variable") }
}

extension Variable: CustomStringConvertible {
    /// The name, shape and dtype: `<Variable 'dense/w' shape=[4,3] dtype=float>`.
    public var description: String { "<Variable '\(name)' shape=\(shape) dtype=\(dtype)>" }
}

extension GraphBuilder {
    /// Declares a variable.
    ///
    /// Sessions of one cluster share a variable that they declare with the same name on the same device.
    /// - Parameters:
    ///   - name: relative to the current name scope.
    ///   - slice: the rows of a larger variable that this one holds; nil if it is not a part.
    ///   - initial: builds the initial value, whose shape must be known.
    public func variable(_ name: String, slice: VariableSlice? = nil, initial: () -> Output) -> Variable {
        nameScope(name) {
            let fullName = scopeName
            // The initial value is built in the variable's scopes, and so on its device.
            let first = initial()
            let shape = first.shape.known ?? .scalar
            if first.shape.known == nil {
                record(.invalidArgument("Variable '\(fullName)': the shape of its initial value is not known (\(first.shape))"))
            }
            let handle = add(
                "VarHandleOp", name: "handle",
                attributes: ["dtype": .type(first.dtype), "shape": .shape(PartialShape(shape)), "shared_name": .string(fullName)])[0]
            return colocate(with: handle.operation) {
                let initializer = add("AssignVariableOp", [handle, first], name: "Assign", attributes: ["dtype": .type(first.dtype)])
                let value = add("ReadVariableOp", [handle], name: "Read", attributes: ["dtype": .type(first.dtype)])[0]
                refineShape(of: value, PartialShape(shape))
                let variable = Variable(
                    name: fullName, handle: handle, dtype: first.dtype, shape: shape, initializer: initializer, value: value,
                    slice: slice)
                variables.append(variable)
                return variable
            }
        }
    }

    /// Declares a variable with an initial value that is known now: a tensor, or a literal such as `0.5` or `[[1, 2], [3, 4]]`.
    /// - Parameter dtype: the element type, as for `constant`.
    public func variable(
        _ name: String, initial: any TensorConvertible, _ dtype: DType? = nil, file: StaticString = #fileID, line: UInt = #line
    ) -> Variable {
        variable(name) { constant(initial, dtype, file: file, line: line) }
    }

    /// Adds a `NoOp` that runs after all of these operations.
    public func group(_ operations: [Operation], name: String = "group") -> Operation {
        add("NoOp", name: name, controls: operations)
    }
}
