import WeirGraph
import WeirKernels
import WeirTensor

extension ShapeContext {
    /// Sets output 0 to a list whose elements have this shape and the dtype of the attribute `element_dtype`.
    mutating func setList(_ shape: PartialShape, output: Int = 0) {
        setOutput(0, .scalar)
        if let dtype = attributes.type("element_dtype") { setHandle(0, dtype, shape) }
    }
    /// Returns the constant value of input `index` as an element shape. A scalar is an unknown shape.
    func elementShape(_ index: Int) -> PartialShape {
        input(index).rank == 0 ? .unknown : constantShape(index)
    }
    /// The known shape of the elements of the list at input 0.
    var listElements: PartialShape { handle(0)?.shape ?? .unknown }
}

extension OpDefinition {
    /// `EmptyTensorList`: a list without elements.
    static let emptyTensorList = OpDefinition(
        "EmptyTensorList", "(element_shape: shape_type, max_num_elements: int32) -> (handle: variant)",
        "element_dtype: type", "shape_type: {int32, int64}"
    )
    .shape { c in c.setList(c.elementShape(0)) }
    .noGradient()
    .cudaAsOnHost()
    .kernel(gpu: [:], hostMemory: ["element_shape", "max_num_elements"]) { request in
        let dtype = try request.type("element_dtype")
        return .sync { context in
            guard context.shape(1).rank == 0 else {
                throw Status.invalidArgument(
                    "max_num_elements expected to be a scalar but got shape: \(context.shape(1))")
            }
            try context.setOutput(
                0,
                TensorList(
                    elementDType: dtype, elementShape: try context.partialShape(0),
                    maximumCount: try context.input(1).integer("max_num_elements")))
        }
    }

    /// `TensorListReserve`: a list of `num_elements` unwritten elements.
    static let tensorListReserve = OpDefinition(
        "TensorListReserve", "(element_shape: shape_type, num_elements: int32) -> (handle: variant)",
        "element_dtype: type", "shape_type: {int32, int64}"
    )
    .shape { c in c.setList(c.elementShape(0)) }
    .noGradient()
    .cudaAsOnHost()
    .kernel(gpu: [:], hostMemory: ["element_shape", "num_elements"]) { request in
        let dtype = try request.type("element_dtype")
        return .sync { context in
            guard context.shape(1).elementCount == 1 else {
                throw Status.invalidArgument(
                    "The num_elements to reserve must be a tensor size 1, but got \(context.shape(1))")
            }
            let count = try context.input(1).integer("num_elements")
            guard count >= 0 else {
                throw Status.invalidArgument(
                    "The num_elements to reserve must be a non negative number, but got \(count)")
            }
            try TensorList.requireCount(count)
            try context.setOutput(
                0,
                TensorList(
                    elementDType: dtype, elementShape: try context.partialShape(0),
                    elements: [Tensor?](repeating: nil, count: count)))
        }
    }

    /// `TensorListLength`: the number of elements of a list.
    static let tensorListLength = OpDefinition("TensorListLength", "(input_handle: variant) -> (length: int32)")
        .shape(ShapeFunctions.scalar)
        .noGradient()
        .cudaAsOnHost()
        .kernel(gpu: [:], hostMemory: ["length"]) { _ in
            .sync { context in
                context.setOutput(0, Tensor(Int32(clamping: try context.tensorList(0).elements.count)))
            }
        }

    /// `TensorListElementShape`: the known shape of the elements, -1 for an unknown dimension; the scalar -1 if the rank is
    /// unknown.
    static let tensorListElementShape = OpDefinition(
        "TensorListElementShape", "(input_handle: variant) -> (element_shape: shape_type)", "shape_type: {int32, int64}"
    )
    .shape { c in
        if let element = c.handle(0), let rank = element.shape.rank { c.setOutput(0, .vector(rank)) }
    }
    .noGradient()
    .cudaAsOnHost()
    .kernel(gpu: [:], hostMemory: ["element_shape"]) { request in
        let isLong = try request.type("shape_type") == .int64
        return .sync { context in
            let dimensions = try context.tensorList(0).elementShape.dimensions.map { $0.map { $0 ?? -1 } }
            let shape = dimensions.map { Shape($0.count) } ?? .scalar
            let numbers = dimensions ?? [-1]
            context.setOutput(
                0,
                isLong
                    ? Tensor(numbers.map { Int64($0) }, ofShape: shape)
                    : Tensor(numbers.map { Int32(clamping: $0) }, ofShape: shape))
        }
    }
}
