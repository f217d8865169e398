public import WeirGraph
import WeirKernels
public import WeirTensor

/// A tensor array in a graph under construction.
///
/// It is a value: each write returns a new `TensorArray`, whose `flow` orders later ops after the write. In a loop, make
/// `flow` a loop variable and use `with(flow:)` in the body.
public struct TensorArray: Sendable {
    /// The handle of the array, the output of `TensorArrayV3`.
    public let handle: Output
    /// A float scalar that carries no data. It orders the ops on the array.
    public let flow: Output
    /// The dtype of the elements.
    public let dtype: DType
    /// The shape that all elements match.
    public let elementShape: PartialShape

    private var builder: GraphBuilder { flow.builder }

    /// Returns this array, with later ops ordered after `flow`.
    public func with(flow: Output) -> TensorArray {
        TensorArray(handle: handle, flow: flow, dtype: dtype, elementShape: elementShape)
    }

    /// Writes `value` to element `index`, an `int32` scalar.
    public func write(_ index: Output, _ value: Output, name: String? = nil) -> TensorArray {
        with(flow: builder.add("TensorArrayWriteV3", [handle, index, value, flow], name: name)[0])
    }
    /// Reads element `index`, an `int32` scalar. The elements' shape is that of `elementShape`.
    public func read(_ index: Output, name: String? = nil) -> Output {
        let value = builder.add(
            "TensorArrayReadV3", [handle, index, flow], name: name, attributes: ["dtype": .type(dtype)])[0]
        builder.refineShape(of: value, elementShape)
        return value
    }
    /// Returns a tensor whose rows are the elements at `indices`, an `int32` vector.
    public func gather(_ indices: Output, name: String? = nil) -> Output {
        builder.add(
            "TensorArrayGatherV3", [handle, indices, flow], name: name,
            attributes: ["dtype": .type(dtype), "element_shape": .shape(elementShape)])[0]
    }
    /// Returns a tensor whose rows are all elements.
    public func stack(name: String? = nil) -> Output { gather(positions(size()), name: name) }
    /// Writes the rows of `value` to the elements at `indices`, an `int32` vector.
    public func scatter(_ indices: Output, _ value: Output, name: String? = nil) -> TensorArray {
        with(flow: builder.add("TensorArrayScatterV3", [handle, indices, value, flow], name: name)[0])
    }
    /// Writes row i of `value` to element i, for all rows.
    public func unstack(_ value: Output, name: String? = nil) -> TensorArray {
        let zero = builder.constant(Tensor([Int32(0)])), one = builder.constant(Tensor([Int32(1)]))
        let count: Output
        if let known = value.shape[0] {
            count = builder.int32(known, "count")
        } else {
            count =
                builder.add(
                    "StridedSlice", [builder.add("Shape", [value])[0], zero, one, one],
                    attributes: ["shrink_axis_mask": 1])[0]
        }
        return scatter(positions(count), value, name: name)
    }
    /// Returns the concatenation of all elements along dimension 0.
    public func concat(name: String? = nil) -> Output {
        builder.add(
            "TensorArrayConcatV3", [handle, flow], name: name,
            attributes: ["dtype": .type(dtype), "element_shape_except0": .shape(elementShape.dropFirst())])[0]
    }
    /// Splits `value` along dimension 0 and writes the pieces to all elements. `lengths`, an `int64` vector, holds the rows
    /// of each piece.
    public func split(_ value: Output, lengths: Output, name: String? = nil) -> TensorArray {
        with(flow: builder.add("TensorArraySplitV3", [handle, value, lengths, flow], name: name)[0])
    }
    /// Returns the number of elements, an `int32` scalar.
    public func size(name: String? = nil) -> Output { builder.add("TensorArraySizeV3", [handle, flow], name: name)[0] }
    /// Closes the array and releases its elements.
    @discardableResult public func close(name: String? = nil) -> Operation {
        builder.add("TensorArrayCloseV3", [handle], name: name)
    }

    private func positions(_ count: Output) -> Output {
        let zero = builder.constant(Tensor(Int32(0))), one = builder.constant(Tensor(Int32(1)))
        return builder.add("Range", [zero, count, one])[0]
    }
}

extension GraphBuilder {
    /// Adds a tensor array, which lives as long as a step (`TensorArrayV3`).
    ///
    /// - Parameters:
    ///   - size: the number of elements, an `int32` scalar.
    ///   - isDynamic: whether a write beyond the end makes the array larger.
    ///   - clearsAfterRead: whether a read releases the element, so that it can be read only once.
    ///   - hasIdenticalShapes: whether all elements have the shape of the first write.
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
