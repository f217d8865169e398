public import WeirGraph
import WeirKernels
public import WeirTensor

/// A tensor array in a graph that is being built.
///
/// A value: each write gives a new one that stands for the array after it. In a loop the `flow` of an array is a loop
/// variable; `with(flow:)` makes an array of it again.
public struct TensorArray: Sendable {
    public let handle: Output
    /// Carries no data, but the order of what is done.
    public let flow: Output
    public let dtype: DType
    public let elementShape: PartialShape

    private var builder: GraphBuilder { flow.builder }

    /// This array after what `flow` stands for.
    public func with(flow: Output) -> TensorArray {
        TensorArray(handle: handle, flow: flow, dtype: dtype, elementShape: elementShape)
    }

    /// Writes element `index`, an `int32` scalar.
    public func write(_ index: Output, _ value: Output, name: String? = nil) -> TensorArray {
        with(flow: builder.add("TensorArrayWriteV3", [handle, index, value, flow], name: name)[0])
    }
    /// Reads element `index`, an `int32` scalar.
    public func read(_ index: Output, name: String? = nil) -> Output {
        let value = builder.add(
            "TensorArrayReadV3", [handle, index, flow], name: name, attributes: ["dtype": .type(dtype)])[0]
        builder.refineShape(of: value, elementShape)
        return value
    }
    /// The elements at `indices` as rows of one tensor.
    public func gather(_ indices: Output, name: String? = nil) -> Output {
        builder.add(
            "TensorArrayGatherV3", [handle, indices, flow], name: name,
            attributes: ["dtype": .type(dtype), "element_shape": .shape(elementShape)])[0]
    }
    /// All elements as rows of one tensor.
    public func stack(name: String? = nil) -> Output { gather(positions(size()), name: name) }
    /// Writes the rows of `value` as the elements at `indices`.
    public func scatter(_ indices: Output, _ value: Output, name: String? = nil) -> TensorArray {
        with(flow: builder.add("TensorArrayScatterV3", [handle, indices, value, flow], name: name)[0])
    }
    /// Writes the rows of `value` as the first elements.
    public func unstack(_ value: Output, name: String? = nil) -> TensorArray {
        let zero = builder.constant(Tensor([Int32(0)])), one = builder.constant(Tensor([Int32(1)]))
        let count: Output
        if let known = value.shape[0] {
            count = builder.constant(Tensor(Int32(clamping: known)))
        } else {
            count =
                builder.add(
                    "StridedSlice", [builder.add("Shape", [value])[0], zero, one, one],
                    attributes: ["shrink_axis_mask": 1])[0]
        }
        return scatter(positions(count), value, name: name)
    }
    /// All elements one after another along their first dimension.
    public func concat(name: String? = nil) -> Output {
        builder.add(
            "TensorArrayConcatV3", [handle, flow], name: name,
            attributes: ["dtype": .type(dtype), "element_shape_except0": .shape(elementShape.dropFirst())])[0]
    }
    /// Writes pieces of `value`, `lengths` rows each (`int64`), as all the elements.
    public func split(_ value: Output, lengths: Output, name: String? = nil) -> TensorArray {
        with(flow: builder.add("TensorArraySplitV3", [handle, value, lengths, flow], name: name)[0])
    }
    /// How many elements there are.
    public func size(name: String? = nil) -> Output { builder.add("TensorArraySizeV3", [handle, flow], name: name)[0] }
    /// Drops what the array holds.
    @discardableResult public func close(name: String? = nil) -> Operation {
        builder.add("TensorArrayCloseV3", [handle], name: name)
    }

    private func positions(_ count: Output) -> Output {
        let zero = builder.constant(Tensor(Int32(0))), one = builder.constant(Tensor(Int32(1)))
        return builder.add("Range", [zero, count, one])[0]
    }
}

extension GraphBuilder {
    /// An array of tensors that lives as long as a step.
    ///
    /// - Parameters:
    ///   - size: how many elements, an `int32` scalar.
    ///   - isDynamic: whether writing beyond the end makes it grow.
    ///   - clearsAfterRead: whether each element is read only once.
    ///   - hasIdenticalShapes: whether all elements have one shape, which the first write decides.
    public func tensorArray(
        size: Output, dtype: DType, elementShape: PartialShape = .unknown, isDynamic: Bool = false,
        clearsAfterRead: Bool = true, hasIdenticalShapes: Bool = false, name: String? = nil
    ) -> TensorArray {
        let node = add(
            "TensorArrayV3", [size], name: name ?? "TensorArray",
            attributes: [
                "dtype": .type(dtype), "element_shape": .shape(elementShape), "dynamic_size": .bool(isDynamic),
                "clear_after_read": .bool(clearsAfterRead), "identical_element_shapes": .bool(hasIdenticalShapes),
                "tensor_array_name": .string(name ?? ""),
            ])
        return TensorArray(handle: node[0], flow: node[1], dtype: dtype, elementShape: elementShape)
    }
}
