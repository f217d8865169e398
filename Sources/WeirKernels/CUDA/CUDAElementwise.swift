package import WeirDevice
package import WeirGraph
package import WeirTensor

/// How the operands of an elementwise op fit together.
package enum CUDAOperands: Sendable {
    /// By NumPy's rule.
    case broadcast
    /// The same number of elements.
    case same
}

extension OpDefinition {
    /// Adds a CUDA kernel that computes an expression for each element.
    /// - Parameter expression: the result in CUDA C++, of the operands x, y, z, w at one index in the type that they are computed in
    ///   (`Compute<T>`), which is named C in it for the first operand, whose type is T; R is that of the result.
    package func cuda(_ expression: String, _ operands: CUDAOperands = .broadcast) -> OpDefinition {
        cuda(operands) { _ in expression }
    }
    /// The same with an expression that depends on the node's attributes.
    /// - Parameter declarations: functions that the expression uses. The op is then never fused with others.
    package func cuda(
        _ operands: CUDAOperands = .broadcast, with declarations: String = "", _ expression: @escaping @Sendable (Attributes) -> String?
    ) -> OpDefinition {
        let definition = declarations.isEmpty ? cudaExpression(expression) : self
        return definition.cuda { request in
            guard let text = expression(request.attributes) else { throw request.unsupportedType("T") }
            return try .cudaElementwise(request, text, operands, with: declarations)
        }
    }
    /// Adds a CUDA kernel whose expression depends on the type of numbers.
    /// - Parameters:
    ///   - floating: the expression for floating-point types; nil if the kernel takes none. The same for the others.
    ///   - declarations: functions that the expressions use.
    package func cuda(
        floating: String? = nil, integer: String? = nil, complex: String? = nil, _ operands: CUDAOperands = .broadcast,
        with declarations: String = ""
    ) -> OpDefinition {
        cuda(operands, with: declarations) { attributes in
            guard let type = attributes.type("T") else { return nil }
            return type.isComplex ? complex : type.isFloating ? floating : integer
        }
    }
}

extension Kernel {
    /// A kernel that computes an expression for each element of the inputs.
    package static func cudaElementwise(
        _ request: KernelRequest, _ expression: String, _ operands: CUDAOperands = .broadcast, with declarations: String = ""
    ) throws -> Kernel {
        let output = request.outputTypes[0].dtype
        let elementwise = try CUDAElementwise(
            request.cudaDevice(), request.op.name, request.inputTypes.map(\.dtype), output, expression, with: declarations)
        let count = request.inputTypes.count
        return .sync { context in
            let inputs = (0..<count).map { context.input($0) }
            let shapes = inputs.map(\.shape)
            if case .same = operands, let other = shapes.first(where: { $0.elementCount != shapes[0].elementCount }) {
                throw Status.invalidArgument(
                    "The two arguments to a cwise op must have same number of elements, got \(shapes[0].elementCount) and \(other.elementCount)")
            }
            let broadcast = operands == .same ? nil : try CUDABroadcast(shapes)
            let result = try Tensor(output, broadcast?.shape ?? shapes[0], in: context.allocator)
            try elementwise.run(inputs, broadcast, result)
            context.setOutput(0, result)
        }
    }
}

/// The broadcast of any number of shapes: the sizes of the result's merged dimensions, and each operand's strides along them.
package struct CUDABroadcast {
    /// The most dimensions that a kernel takes.
    static let maximumRank = 8
    package let shape: Shape
    package private(set) var sizes: [Int] = []
    package private(set) var strides: [[Int]]
    /// Whether every operand has one element, or all that the result has in the same order.
    package let isPlain: Bool

    /// - Throws: `invalidArgument` when the shapes do not fit; `unimplemented` when more than eight dimensions are left.
    package init(_ shapes: [Shape]) throws {
        var result = shapes.first ?? .scalar
        for other in shapes.dropFirst() where other != result { result = try Broadcast(result, other).shape }
        shape = result
        strides = shapes.map { _ in [] }
        let total = result.elementCount
        if shapes.allSatisfy({ $0.elementCount == total || $0.elementCount == 1 }) {
            isPlain = true
            return
        }
        isPlain = false
        var steps = shapes.map { _ in 1 }
        var merged: [(size: Int, strides: [Int])] = []  // innermost first
        for back in 1...max(1, result.rank) where back <= result.rank {
            let size = result[result.rank - back]
            if size == 1 { continue }
            let strides = shapes.enumerated().map { index, shape in back <= shape.rank && shape[shape.rank - back] != 1 ? steps[index] : 0 }
            if let last = merged.last, zip(last.strides, strides).allSatisfy({ $0 == 0 ? $1 == 0 : $1 == $0 * last.size }) {
                merged[merged.count - 1].size *= size
            } else {
                merged.append((size, strides))
            }
            for index in steps.indices where strides[index] != 0 { steps[index] *= size }
        }
        guard merged.count <= CUDABroadcast.maximumRank else {
            throw Status.unimplemented("Broadcast of shapes \(shapes.map { "\($0)" }.joined(separator: ", ")) has more than 8 dimensions on a GPU")
        }
        for (size, step) in merged.reversed() {
            sizes.append(size)
            for index in step.indices { strides[index].append(step[index]) }
        }
    }

    /// The structure `Layout` of the kernel.
    var words: [Int] {
        let rest = [Int](repeating: 0, count: CUDABroadcast.maximumRank - sizes.count)
        return [sizes.count] + sizes + rest + strides.flatMap { $0 + rest }
    }
}

/// A program that computes an expression for each element.
package struct CUDAElementwise: Sendable {
    private let device: CUDADevice
    private let module: CUDAModule
    private let sizes: [Int]
    private let perVector: Int

    /// Starts to compile the program.
    /// - Parameter declarations: functions that the expression uses.
    package init(
        _ device: CUDADevice, _ name: String, _ inputs: [DType], _ output: DType, _ expression: String, with declarations: String = ""
    ) throws {
        self.device = device
        sizes = inputs.map(\.byteCount) + [output.byteCount]
        perVector = max(1, 16 / (sizes.max() ?? 16))
        let types = try (inputs + [output]).map { dtype throws(Status) -> String in
            guard let name = dtype.cudaName else { throw .unimplemented("\(name): a card does not compute with \(dtype)") }
            return name
        }
        module = try device.modules.module(
            CUDAProgram(
                "\(name) \(types.joined(separator: " "))", CUDAElementwise.source(types, expression, perVector, declarations)))
    }

    /// Enqueues the computation of all elements of `output`.
    /// - Parameter broadcast: nil if all have the same number of elements.
    package func run(_ inputs: [Tensor], _ broadcast: CUDABroadcast?, _ output: Tensor) throws {
        let count = output.elementCount
        guard count > 0 else { return }
        let isPlain = broadcast?.isPlain ?? true
        let tensors = inputs + [output]
        let isAligned = zip(tensors, sizes).allSatisfy { tensor, size in
            Int(tensor.deviceAddress % UInt64(size * perVector)) == 0
        }
        if isPlain, isAligned || perVector == 1 {
            let arguments =
                [CUDAArgument.elements(output)] + inputs.flatMap { [.elements($0), .int($0.elementCount == 1 && count > 1 ? 0 : 1)] } + [.int(count)]
            return try device.launch(module.function("vectors"), over: count, perThread: perVector, arguments)
        }
        var words = broadcast?.words ?? []
        if isPlain {
            words = [1, count] + [Int](repeating: 0, count: 7)
            for input in inputs { words += [input.elementCount == 1 && count > 1 ? 0 : 1] + [Int](repeating: 0, count: 7) }
        }
        let arguments = [CUDAArgument.elements(output)] + inputs.map { .elements($0) } + [.int(count), .ints(words)]
        try device.launch(module.function(count < 1 << 31 ? "strided" : "strided_large"), over: count, arguments)
    }

    /// Two kernels: `vectors` reads and writes 16 bytes at a time where operands are whole or single; `strided` any layout.
    private static func source(_ types: [String], _ expression: String, _ perVector: Int, _ declarations: String) -> String {
        let names = ["x", "y", "z", "w", "u", "v"]
        let inputs = Array(types.dropLast().enumerated())
        let result = types[types.count - 1]
        let parameters = inputs.map { "Compute<\($1)>::type \(names[$0])" }.joined(separator: ", ")
        let pointers = inputs.map { "const \($1)* p\($0)" }.joined(separator: ", ")
        let first = types.count > 1 ? types[0] : result
        return """
            typedef \(first) T;
            typedef Compute<\(result)>::type R;
            typedef Compute<T>::type C;
            \(declarations)
            DEVICE \(result) compute(\(parameters)) { return narrow<\(result)>(\(expression)); }
            KERNEL vectors(\(result)* out, \(inputs.map { "const \($1)* p\($0), int64 step\($0)" }.joined(separator: ", ")), int64 count) {
                const int N = \(perVector);
            \(inputs.map { "    Pack<\($1), N> v\($0);\n    if (step\($0) == 0) for (int k = 0; k < N; k++) v\($0).at[k] = p\($0)[0];" }.joined(separator: "\n"))
                int64 packs = count / N;
                for (int64 i = first(); i < packs; i += stride()) {
            \(inputs.map { "        if (step\($0)) v\($0) = ((const Pack<\($1), N>*)p\($0))[i];" }.joined(separator: "\n"))
                    Pack<\(result), N> r;
            #pragma unroll
                    for (int k = 0; k < N; k++) r.at[k] = compute(\(inputs.map { "widen(v\($0.offset).at[k])" }.joined(separator: ", ")));
                    ((Pack<\(result), N>*)out)[i] = r;
                }
                for (int64 i = packs * N + first(); i < count; i += stride())
                    out[i] = compute(\(inputs.map { "widen(p\($0.offset)[i * step\($0.offset)])" }.joined(separator: ", ")));
            }
            struct Layout { int64 rank, sizes[8]\(inputs.map { ", s\($0.offset)[8]" }.joined()); };
            template <class I> DEVICE void visit(\(result)* out, \(pointers), int64 count, const Layout& layout) {
                for (int64 i = first(); i < count; i += stride()) {
                    I rest = (I)i;
                    int64 \(inputs.map { "o\($0.offset) = 0" }.joined(separator: ", "));
                    for (int d = (int)layout.rank - 1; d >= 0; d--) {
                        I size = (I)layout.sizes[d], quotient = rest / size;
                        int64 at = (int64)(rest - quotient * size);
            \(inputs.map { "            o\($0.offset) += at * layout.s\($0.offset)[d];" }.joined(separator: "\n"))
                        rest = quotient;
                    }
                    out[i] = compute(\(inputs.map { "widen(p\($0.offset)[o\($0.offset)])" }.joined(separator: ", ")));
                }
            }
            KERNEL strided(\(result)* out, \(pointers), int64 count, Layout layout) { visit<uint32>(out, \(inputs.map { "p\($0.offset)" }.joined(separator: ", ")), count, layout); }
            KERNEL strided_large(\(result)* out, \(pointers), int64 count, Layout layout) { visit<uint64>(out, \(inputs.map { "p\($0.offset)" }.joined(separator: ", ")), count, layout); }
            """
    }
}
