import WeirDevice
public import WeirGraph
import WeirKernels
import WeirTensor

// Ops that search values in sorted rows.

extension OpDefinition {
    /// Finds the first element that is not less than the value.
    static let lowerBound = boundOp("LowerBound", isUpper: false)
    /// Finds the first element that is greater than the value.
    static let upperBound = boundOp("UpperBound", isUpper: true)

    private static func boundOp(_ name: String, isUpper: Bool) -> OpDefinition {
        OpDefinition(
            name, "(sorted_inputs: T, values: T) -> (output: out_type)", "T: type", "out_type: {int32, int64} = int32"
        )
        .shape { c in
            try c.requireRank(0, 2)
            try c.requireRank(1, 2)
            c.setOutput(0, c.input(1).rank == nil ? .matrix(c.input(0)[0], nil) : c.input(1))
        }
        .noGradient()
        .kernel(["T": .real], gpu: ["T": .real]) { request in
            try request.real(
                "T", SearchVisitor(isUpper: isUpper, isWide: try request.type("out_type") == .int64))
        }
        .cuda { request in
            let device = try request.cudaDevice()
            let output = try request.type("out_type")
            let module = try request.cudaModule(
                nil, ["T": request.cudaType("T"), "I": request.cudaType("out_type")],
                """
                KERNEL search(const T* rows, const T* values, I* out, int64 count, int64 columns, int64 width) {
                    for (int64 i = first(); i < count; i += stride()) {
                        Compute<T>::type value = widen(values[i]);
                        const T* row = rows + i / columns * width;
                        int64 low = 0, length = width;
                        while (length > 0) {
                            int64 half = length / 2;
                            Compute<T>::type element = widen(row[low + half]);
                            if (\(isUpper ? "!(value < element)" : "element < value")) {
                                low += half + 1;
                                length -= half + 1;
                            } else length = half;
                        }
                        out[i] = (I)low;
                    }
                }
                """)
            return .sync { context in
                let width = try searchWidth(context, isWide: output == .int64)
                let (rows, values) = (context.input(0), context.input(1))
                let out = try context.output(0, output, values.shape)
                let count = values.elementCount
                guard count > 0 else { return }
                try device.launch(
                    module.function("search"), over: count,
                    [.elements(rows), .elements(values), .elements(out), .int(count), .int(values.dimension(1)), .int(width)])
            }
        }
    }
}

/// Checks the shapes. Returns the number of elements of a sorted row.
private func searchWidth(_ context: borrowing KernelContext, isWide: Bool) throws -> Int {
    let (sorted, shape) = (context.shape(0), context.shape(1))
    guard sorted.rank == 2 else {
        throw Status.invalidArgument(
            "Shape must be rank 2 but is rank \(sorted.rank) for `sorted_inputs` argument")
    }
    guard shape.rank == 2 else {
        throw Status.invalidArgument("Shape must be rank 2 but is rank \(shape.rank) for `values` argument")
    }
    guard sorted[0] == shape[0] else {
        throw Status.invalidArgument("Leading dim_size of both tensors must match.")
    }
    guard isWide || sorted[1] < Int(Int32.max) else {
        throw Status.invalidArgument(
            "trailing dim_size must less than INT_MAX for int32 output type, was \(sorted[1])")
    }
    return sorted[1]
}

private struct SearchVisitor: RealVisitor {
    let isUpper: Bool
    let isWide: Bool

    func visit<E: RealElement>(_ type: E.Type) throws -> Kernel {
        .sync { [isUpper, isWide] context in
            let width = try searchWidth(context, isWide: isWide)
            let shape = context.shape(1)
            let rows = context.elements(0, E.self), values = context.elements(1, E.self)
            let output = try context.output(0, isWide ? .int64 : .int32, shape)
            guard shape.elementCount > 0 else { return }
            let count = shape[1]
            context.pool.parallelFor(values.count, grain: 4096) { range in
                for index in range {
                    let value = values[index]
                    var low = index / count * width
                    let start = low
                    var length = width
                    while length > 0 {
                        let half = length / 2
                        let element = rows[low + half]
                        let goesOn = isUpper ? !(value < element) : element < value
                        if goesOn {
                            low += half + 1
                            length -= half + 1
                        } else {
                            length = half
                        }
                    }
                    if isWide {
                        output.mutableElements(Int64.self)[index] = Int64(low - start)
                    } else {
                        output.mutableElements(Int32.self)[index] = Int32(low - start)
                    }
                }
            }
        }
    }
}

extension Output {
    /// Returns the positions at which `values` can be inserted into these sorted rows: before the first element that is not less
    /// (`LowerBound`). With `afterEqual` it is before the first element that is greater (`UpperBound`).
    public func searchSorted(_ values: Output, afterEqual: Bool = false) -> Output {
        builder.add(afterEqual ? "UpperBound" : "LowerBound", [self, values])[0]
    }
}
