import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `TensorListPushBack`: a list with one more element at the end.
    static let tensorListPushBack = OpDefinition(
        "TensorListPushBack", "(input_handle: variant, tensor: element_dtype) -> (output_handle: variant)",
        "element_dtype: type"
    )
    .shape { c in c.setList(c.listElements) }
    .gradient { g in
        g.ops(
            "TensorListPopBack", [g.gradient(), g.shape(g.inputs[1])],
            attributes: ["element_dtype": .type(g.inputs[1].dtype)]
        ).map { $0 }
    }
    .cudaAsOnHost()
    .kernel(gpu: [:]) { request in
        let dtype = try request.type("element_dtype")
        return .sync { context in
            let tensor = context.input(1)
            var list = try context.takeTensorList(0)
            try list.push(tensor, dtype)
            try context.setOutput(0, list)
        }
    }

    /// `TensorListPushBackBatch`: appends row i of a tensor to list i, for each list.
    static let tensorListPushBackBatch = OpDefinition(
        "TensorListPushBackBatch", "(input_handles: variant, tensor: element_dtype) -> (output_handles: variant)",
        "element_dtype: type"
    )
    .shape { c in c.setOutput(0, c.input(0)) }
    .noGradient()
    .cudaAsOnHost()
    .kernel(gpu: [:]) { request in
        let dtype = try request.type("element_dtype")
        return .sync { context in
            let handles = context.input(0), tensor = context.input(1)
            guard handles.rank <= tensor.rank,
                handles.shape.dimensions == Array(tensor.shape.dimensions.prefix(handles.rank))
            else {
                throw Status.invalidArgument(
                    "tensor.shape does not start with input_handles.shape, tensor.shape: \(tensor.shape), "
                        + "input_handles.shape: \(handles.shape)")
            }
            // A scalar handle takes the whole tensor, which may already have the maximum rank. So it is not reshaped to one
            // row.
            let elementShape = tensor.shape.dropFirst(handles.rank)
            let rows = handles.rank == 0 ? nil : tensor.reshaped(Shape([handles.elementCount] + elementShape.dimensions))
            let output = try context.output(0, .variant, handles.shape)
            let (from, to) = (handles.elements(Variant.self), output.mutableElements(Variant.self))
            for index in from.indices {
                var list = try TensorList(from[index])
                try list.push(rows?.row(index) ?? tensor, dtype)
                to[index] = try Variant(list)
            }
        }
    }

    /// `TensorListPopBack`: a list without its last element, and that element.
    static let tensorListPopBack = OpDefinition(
        "TensorListPopBack",
        "(input_handle: variant, element_shape: int32) -> (output_handle: variant, tensor: element_dtype)",
        "element_dtype: type"
    )
    .shape { c in
        let shape = try c.listElements.merging(c.elementShape(1))
        c.setList(shape)
        c.setOutput(1, shape)
    }
    .gradient { g in
        guard let element = g.gradients[1] else {
            return [g.op("TensorListPushBack", g.gradient(0), g.gradient(1)), nil]
        }
        let list =
            g.gradients[0]
            ?? g.op(
                "EmptyTensorList",
                g.op("TensorListElementShape", g.outputs[0], attributes: ["shape_type": .type(.int64)]),
                g.constant(Tensor(Int32(-1))), attributes: ["element_dtype": .type(element.dtype)])
        return [g.op("TensorListPushBack", list, element), nil]
    }
    .cudaAsOnHost()
    .kernel(gpu: [:], hostMemory: ["element_shape"]) { request in
        let dtype = try request.type("element_dtype")
        return .sync { context in
            let allocator = context.allocator
            let said = try context.partialShape(1)
            var list = try context.takeTensorList(0)
            try list.requireElements(dtype)
            guard let last = list.elements.popLast() else {
                throw Status.invalidArgument("Trying to pop from an empty list.")
            }
            if let last {
                context.setOutput(1, last)
            } else {
                let shape = try list.elementShape(merging: said, usingElements: false)
                guard let known = shape.known else {
                    throw Status.invalidArgument(
                        "Trying to read an uninitialized tensor but element_shape is not fully defined.\(shape)")
                }
                context.setOutput(1, try .zeros(dtype, known, in: dtype.isBitwise ? allocator : HostAllocator.shared))
            }
            try context.setOutput(0, list)
        }
    }

    /// `TensorListResize`: a list of another length, cut off or extended with unwritten elements.
    static let tensorListResize = OpDefinition(
        "TensorListResize", "(input_handle: variant, size: int32) -> (output_handle: variant)"
    )
    .shape { c in
        try c.requireRank(1, 0)
        c.setOutput(0, .scalar)
        if let element = c.handle(0) { c.setHandle(0, element.dtype, element.shape) }
    }
    .gradient { g in [g.op("TensorListResize", g.gradient(), g.op("TensorListLength", g.inputs[0])), nil] }
    .cudaAsOnHost()
    .kernel(gpu: [:], hostMemory: ["size"]) { _ in
        .sync { context in
            let size = try context.input(1).integer("size")
            guard size >= 0 else {
                throw Status.invalidArgument("TensorListSlice expects size to be non-negative. Got: \(size)")
            }
            var list = try context.takeTensorList(0)
            try list.resize(size)
            try context.setOutput(0, list)
        }
    }

    /// `TensorListConcatLists`: list i of `input_a` followed by list i of `input_b`, for each i.
    static let tensorListConcatLists = OpDefinition(
        "TensorListConcatLists", "(input_a: variant, input_b: variant) -> (output: variant)", "element_dtype: type"
    )
    .shape { c in c.setOutput(0, try c.input(0).merging(c.input(1))) }
    .noGradient()
    .cudaAsOnHost()
    .kernel(gpu: [:]) { request in
        let dtype = try request.type("element_dtype")
        return .sync { context in
            let a = context.input(0), b = context.input(1)
            guard a.shape == b.shape else {
                throw Status.invalidArgument("Incompatible input TensorList tensor shapes: \(a.shape) vs. \(b.shape)")
            }
            let output = try context.output(0, .variant, a.shape).mutableElements(Variant.self)
            let (left, right) = (a.elements(Variant.self), b.elements(Variant.self))
            for index in left.indices {
                var list = try TensorList(left[index])
                let other = try TensorList(right[index])
                for (name, one) in [("input_a", list), ("input_b", other)] where one.elementDType != dtype {
                    throw Status.invalidArgument(
                        "\(name)[\(index)].dtype != element_dtype.  Saw: \(one.elementDType) vs. \(dtype)")
                }
                guard list.elementShape == other.elementShape else {
                    throw Status.invalidArgument(
                        "input_a and input_b TensorList element shapes are not identical at index \(index).  Saw "
                            + "\(list.elementShape) vs. \(other.elementShape)")
                }
                try TensorList.requireCount(list.elements.count + other.elements.count)
                list.elements += other.elements
                output[index] = try Variant(list)
            }
        }
    }
}

extension TensorList {
    /// Appends an element.
    /// - Throws: `invalidArgument` when the shape or dtype does not match, or the list is full.
    mutating func push(_ tensor: Tensor, _ dtype: DType) throws(Status) {
        guard elementShape.isCompatible(with: tensor.shape) else {
            throw .invalidArgument(
                "Tried to append a tensor with incompatible shape to a list. Op element shape: \(tensor.shape) list "
                    + "shape: \(elementShape)")
        }
        try requireElements(dtype)
        guard maximumCount < 0 || elements.count < maximumCount else {
            throw .invalidArgument(
                "Tried to push item into a full list list size: \(elements.count) max_num_elements: \(maximumCount)")
        }
        elements.append(tensor)
    }
    /// Cuts the list off, or extends it with unwritten elements.
    mutating func resize(_ count: Int) throws(Status) {
        try TensorList.requireCount(count)
        if count < elements.count {
            elements.removeLast(elements.count - count)
        } else {
            elements.append(contentsOf: repeatElement(nil, count: count - elements.count))
        }
    }
}
