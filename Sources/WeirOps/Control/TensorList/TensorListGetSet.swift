import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `TensorListGetItem`: one element; zeros if it was never written.
    static let tensorListGetItem = OpDefinition(
        "TensorListGetItem", "(input_handle: variant, index: int32, element_shape: Tshape) -> (item: element_dtype)",
        "element_dtype: type", "Tshape: {int32, int64} = int32"
    )
    .shape { c in c.setOutput(0, try c.listElements.merging(c.elementShape(2))) }
    .gradient { g in
        let item = g.gradient()
        let empty = g.op(
            "TensorListReserve",
            g.op("TensorListElementShape", g.inputs[0], attributes: ["shape_type": .type(.int64)]),
            g.op("TensorListLength", g.inputs[0]), attributes: ["element_dtype": .type(item.dtype)])
        return [g.op("TensorListSetItem", empty, g.inputs[1], item), nil, nil]
    }
    .cudaAsOnHost()
    .kernel(gpu: [:], hostMemory: ["index", "element_shape"]) { request in
        let dtype = try request.type("element_dtype")
        return .sync { context in
            let list = try context.tensorList(0)
            try list.requireElements(dtype)
            guard let index = try context.input(1).integers("index").first, list.elements.indices.contains(index) else {
                throw Status.invalidArgument(
                    "Trying to access element \(context.input(1).summary(1)) in a list with \(list.elements.count) "
                        + "elements."
                )
            }
            if let item = list.elements[index] { return context.setOutput(0, item) }
            let said = try context.partialShape(2)
            let shape = try list.elementShape(merging: said, usingElements: !said.isFullyKnown)
            guard let known = shape.known else {
                throw Status.invalidArgument(
                    "Trying to read an uninitialized tensor but element_shape is not fully defined: \(shape) and no "
                        + "list "
                        + "element is set.")
            }
            let allocator = dtype.isBitwise ? context.allocator : HostAllocator.shared
            context.setOutput(0, try .zeros(dtype, known, in: allocator))
        }
    }

    /// `TensorListSetItem`: a list with one element replaced.
    static let tensorListSetItem = OpDefinition(
        "TensorListSetItem", "(input_handle: variant, index: int32, item: element_dtype) -> (output_handle: variant)",
        "element_dtype: type", "resize_if_index_out_of_bounds: bool = false"
    )
    .shape { c in
        if c.handle(0) != nil { _ = try c.listElements.merging(c.input(2)) }
        c.setList(c.listElements)
    }
    .gradient { g in
        let (index, item) = (g.inputs[1], g.inputs[2])
        let list = g.gradient()
        let itemGradient = g.op(
            "TensorListGetItem", list, index, g.shape(item), attributes: ["element_dtype": .type(item.dtype)])
        return [g.op("TensorListSetItem", list, index, g.op("ZerosLike", item)), nil, itemGradient]
    }
    .cudaAsOnHost()
    .kernel(gpu: [:], hostMemory: ["index"]) { request in
        let dtype = try request.type("element_dtype")
        let resizes = try request.bool("resize_if_index_out_of_bounds")
        return .sync { context in
            let indexTensor = context.input(1), item = context.input(2)
            guard indexTensor.rank == 0 else {
                throw Status.invalidArgument("Expected argument 1 to be a scalar. Received\(indexTensor)")
            }
            let index = try indexTensor.integer("index")
            var list = try context.takeTensorList(0)
            try list.requireElements(dtype)
            if index >= list.elements.count, resizes {
                try list.resize(index + 1)
            }
            guard list.elements.indices.contains(index) else {
                throw Status.invalidArgument(
                    "Trying to modify element \(index) in a list with \(list.elements.count) elements.")
            }
            guard list.elementShape.isCompatible(with: item.shape) else {
                throw Status.invalidArgument(
                    "Tried to set a tensor with incompatible shape at a list index. Item element shape: "
                        + "\(item.shape) list "
                        + "shape: \(list.elementShape)")
            }
            list.elements[index] = item
            try context.setOutput(0, list)
        }
    }
}
