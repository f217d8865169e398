import Weir

/// Chooses the input tensors of a node, with related shapes and suitable numbers.
struct InputMaker {
    var make: TensorMaker
    /// The shape from which the others are derived.
    private let main: Shape
    private let plan: Plan
    private enum Plan: CaseIterable { case same, broadcast, matrices, images, volumes, free, empty }

    init(_ maker: TensorMaker) {
        make = maker
        plan = make.random.pick([.same, .same, .same, .broadcast, .broadcast, .matrices, .images, .volumes, .free, .free, .empty, .empty])
        switch plan {
        case .matrices: main = Shape(make.dimensions(rank: 2))
        case .images: main = Shape([make.random.int(1...2), make.random.int(1...6), make.random.int(1...6), make.random.int(1...3)])
        case .volumes: main = Shape([make.random.int(0...2), make.random.int(1...4), make.random.int(1...4), make.random.int(1...4), make.random.int(1...2)])
        case .empty: main = make.hugeEmptyShape()
        case .same, .broadcast, .free: main = make.shape()
        }
    }

    private mutating func shape(_ position: Int) -> Shape {
        if position == 0 { return main }
        switch plan {
        case .same: return make.random.chance(90) ? main : make.shape()
        case .broadcast: return make.relative(of: main)
        case .matrices: return make.random.chance(50) ? main : Shape([main[1], make.random.int(1...4)])
        case .images, .volumes:
            return make.random.chance(50) ? make.relative(of: main) : make.random.chance(50) ? Shape(main.dimensions.last ?? 1) : main
        case .empty: return make.random.chance(60) ? main : make.random.chance(50) ? make.hugeEmptyShape() : make.shape()
        case .free: return make.shape()
        }
    }

    /// The meaning of an input (a shape, an axis, a count), guessed from TensorFlow's argument name.
    private enum Purpose { case sizes, axes, scalar, pairs, indices, seed, values }
    private static func purpose(_ name: String) -> Purpose {
        switch name {
        case "shape", "dims", "sizes", "begin", "end", "strides", "multiples", "block_shape", "element_shape", "ksize", "s0", "s1",
            "orig_input_shape", "input_sizes", "filter_sizes", "size_splits", "shape_and_slices", "fixed_length", "output_shape", "dense_shape":
            return .sizes
        case "axis", "reduction_indices", "perm", "dim", "shift", "axes": return .axes
        case "split_dim", "concat_dim", "num", "k", "n", "depth", "nbins", "num_required", "max_size", "max_num_elements", "num_elements",
            "num_segments", "num_samples", "start", "limit", "delta", "index", "component_index", "alg", "delta_count", "num_lower",
            "num_upper", "output_index", "shard", "num_shards", "flow_in", "pred", "lr", "alpha", "beta1", "rho", "epsilon", "momentum", "step":
            return .scalar
        case "paddings", "crops": return .pairs
        case "indices", "segment_ids", "partitions", "seq_lengths", "lengths", "argmax", "targets", "labels": return .indices
        case "seed", "key", "counter": return .seed
        default: return .values
        }
    }

    /// A tensor for the input `name` at `position`.
    mutating func tensor(_ name: String, _ position: Int, _ dtype: DType) -> Tensor {
        // Sometimes an unsuitable tensor.
        guard make.random.chance(94) else { return make.tensor(dtype) }
        let isIndex = dtype == .int32 || dtype == .int64
        switch InputMaker.purpose(name) {
        case .sizes where isIndex:
            let count = make.random.chance(85) ? main.rank : make.random.int(0...6)
            if name == "element_shape" || name == "shape", make.random.chance(20) { return integers([-1], dtype, .scalar) }
            if make.random.chance(30) { return integers(main.dimensions, dtype) }
            if make.random.chance(12) { return integers(make.random.pick(TensorMaker.hugeEmpty), dtype) }
            return integers((0..<min(count, 300)).map { _ in make.number() }, dtype)
        case .axes where isIndex:
            let rank = max(1, min(main.rank, 260))
            if make.random.chance(40) { return integers([make.random.int(-rank...rank)], dtype, make.random.chance(70) ? .scalar : nil) }
            return integers(
                make.random.some(Array(0..<rank), make.random.chance(60) ? rank : make.random.int(0...rank)).map {
                    make.random.chance(96) ? $0 : make.number()
                }, dtype)
        case .scalar:
            if isIndex { return integers([make.number()], dtype, .scalar) }
            return make.tensor(dtype, .scalar)
        case .pairs where isIndex:
            let rank = min(main.rank, 254)
            return integers((0..<2 * rank).map { _ in make.random.chance(90) ? make.random.int(0...2) : make.number() }, dtype, Shape([rank, 2]))
        case .indices where isIndex:
            let shape =
                make.random.chance(50)
                ? Shape(main.rank > 0 ? min(main[0], 64) : 1) : make.random.chance(60) ? self.shape(position) : Shape(make.dimensions(rank: 2))
            guard shape.elementCount <= 4096 else { return make.tensor(dtype) }
            return integers((0..<shape.elementCount).map { _ in make.random.chance(92) ? make.random.int(0...3) : make.number() }, dtype, shape)
        case .seed: return make.tensor(dtype, Shape(make.random.int(1...2)))
        default:
            if name == "size", isIndex {
                return make.random.chance(50)
                    ? integers([make.number()], dtype, .scalar) : integers((0..<min(main.rank, 254)).map { _ in make.number() }, dtype)
            }
            return make.tensor(dtype, shape(position))
        }
    }

    private func integers(_ values: [Int], _ dtype: DType, _ shape: Shape? = nil) -> Tensor {
        let shape = shape ?? Shape(values.count)
        return dtype == .int32
            ? Tensor(values.map { Int32(clamping: $0) }, ofShape: shape) : Tensor(values.map { Int64($0) }, ofShape: shape)
    }
}
