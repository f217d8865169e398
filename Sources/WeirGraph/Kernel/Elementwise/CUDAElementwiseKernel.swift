import Synchronization
import WeirDevice
import WeirTensor

/// The kernel of a fused elementwise node on a CUDA device: one program of all steps, which reads each input and writes each output once.
final class CUDAElementwiseKernel: Sendable {
    private let program: ElementwiseProgram
    private let device: CUDADevice
    private let module: CUDAModule
    private let members: ElementwiseMembers
    private let last = Mutex<CUDAElementwiseShapes?>(nil)

    /// Starts to compile the program.
    init(_ program: ElementwiseProgram, _ request: KernelRequest) throws {
        guard let device = request.place.device.underlying as? CUDADevice else {
            throw Status.internalError("Node '\(request.name)' is not on a CUDA device")
        }
        guard let source = program.cudaSource else {
            throw Status.internalError("An op of the fused node '\(request.name)' has no expression in CUDA")
        }
        self.program = program
        self.device = device
        members = ElementwiseMembers(program, request) { op, attributes in
            op.elementwise == nil ? op.hostKernel(attributes)?.make : op.cudaKernel
        }
        module = try device.modules.module(CUDAProgram("\(program.steps.count) fused ops", source))
    }

    func run(_ context: borrowing KernelContext) throws {
        let shapes = shapes(context)
        guard shapes.isSupported else { return try members.run(context) }
        for index in 0..<context.outputCount {
            let first = program.firstOutputs[index]
            if first < index { context.setOutput(index, slot: context.outputs[first]) } else { _ = try context.output(index, .float32, shapes.shape) }
        }
        guard shapes.count > 0 else { return }
        var arguments: [CUDAArgument] = []
        var isAligned = shapes.isPackable
        func add(_ slot: EdgeValue, isPacked: Bool) {
            guard case .value(let tensor) = slot else { preconditionFailure("an input or output of a fused node holds no value") }
            arguments.append(.elements(tensor))
            if isPacked, tensor.deviceAddress % 16 != 0 { isAligned = false }
        }
        for index in 0..<context.outputCount { add(context.outputs[index], isPacked: true) }
        for index in 0..<context.inputCount { add(context.slot(index), isPacked: shapes.blocks[index].isPacked) }
        arguments += [.int(shapes.count), .ints(shapes.blocks.flatMap { [$0.kind.rawValue, $0.inner, $0.period] })]
        let name = "fused\(isAligned ? 4 : 1)" + (shapes.count < 1 << 31 ? "" : "_large")
        try device.launch(module.function(name), over: shapes.count, perThread: isAligned ? 4 : 1, arguments)
    }

    private func shapes(_ context: borrowing KernelContext) -> CUDAElementwiseShapes {
        if let known = last.withLock({ $0 }), known.fits(context) { return known }
        let made = CUDAElementwiseShapes(program, context)
        last.withLock { $0 = made }
        return made
    }
}

/// How the inputs of a fused node lie in the result, for inputs of certain shapes.
private final class CUDAElementwiseShapes: Sendable {
    /// Element e of the result uses element `e / inner % period` of the input.
    struct Block {
        enum Kind: Int { case single, full, row, repeated }
        let kind: Kind
        let inner: Int
        let period: Int
        /// Whether four elements are read at a time.
        var isPacked: Bool { kind == .full || kind == .row }
    }
    private let inputs: [Shape]
    let shape: Shape
    let count: Int
    let blocks: [Block]
    /// Whether the program supports these shapes: every step has an operand of the full shape.
    let isSupported: Bool
    /// Whether four adjacent elements of the result use four adjacent elements of each input, or one.
    let isPackable: Bool

    init(_ program: ElementwiseProgram, _ context: borrowing KernelContext) {
        let shapes = (0..<program.inputCount).map { context.shape($0) }
        inputs = shapes
        let full = shapes.max { ($0.elementCount, $0.rank) < ($1.elementCount, $1.rank) } ?? .scalar
        let found = shapes.map { CUDAElementwiseShapes.block($0, in: full) }
        var isFull = shapes.map { $0 == full } + [Bool](repeating: true, count: program.valueCount - program.inputCount)
        var isSupported = !found.contains { $0 == nil }
        for step in program.steps {
            switch step.function.operands {
            case .same: isSupported = isSupported && isFull[step.left] && isFull[step.right]
            case .broadcast: isSupported = isSupported && (isFull[step.left] || isFull[step.right])
            case .bias:
                isSupported =
                    isSupported && isFull[step.left] && full.rank > 1 && step.right < shapes.count && shapes[step.right].rank == 1
                    && shapes[step.right][0] == full[full.rank - 1]
            }
            isFull[step.result] = true
        }
        shape = full
        count = full.elementCount
        blocks = found.compactMap { $0 }
        self.isSupported = isSupported
        isPackable = blocks.allSatisfy { block in
            switch block.kind {
            case .single, .full: true
            case .row: block.period % 4 == 0
            case .repeated: block.inner % 4 == 0
            }
        }
    }

    /// Nil if the input is not broadcast to the shape, or its dimensions above 1 are not adjacent ones of the shape.
    private static func block(_ input: Shape, in full: Shape) -> Block? {
        if input == full { return Block(kind: .full, inner: 1, period: max(full.elementCount, 1)) }
        guard input.rank <= full.rank else { return nil }
        if input.elementCount == 1 { return Block(kind: .single, inner: 1, period: 1) }
        let sizes = [Int](repeating: 1, count: full.rank - input.rank) + input.dimensions
        var axis = full.rank - 1
        var (inner, period) = (1, 1)
        while axis >= 0, sizes[axis] == 1 {
            inner *= full[axis]
            axis -= 1
        }
        while axis >= 0, sizes[axis] == full[axis] {
            period *= full[axis]
            axis -= 1
        }
        guard sizes.prefix(axis + 1).allSatisfy({ $0 == 1 }), inner > 0, period > 0 else { return nil }
        return Block(kind: inner == 1 ? .row : .repeated, inner: inner, period: period)
    }

    func fits(_ context: borrowing KernelContext) -> Bool {
        for index in inputs.indices where context.shape(index) != inputs[index] { return false }
        return true
    }
}

extension ElementwiseProgram {
    /// The program in CUDA C++; nil if a step has no expression.
    ///
    /// `element` computes the outputs of one element. Each thread reads and writes four elements at a time where it can.
    fileprivate var cudaSource: String? {
        let (ins, outs) = (0..<inputCount, outputs.indices.filter { firstOutputs[$0] == $0 })
        var functions = "", body = ""
        for step in steps {
            guard let expression = step.expression else { return nil }
            functions += "DEVICE float f\(step.result)(float x, float y) { return narrow<float>(\(expression)); }\n"
            body += "    float v\(step.result) = f\(step.result)(v\(step.left), v\(step.right));\n"
        }
        func list(_ items: some Sequence<Int>, _ text: (Int) -> String) -> String { items.map(text).joined(separator: ", ") }
        func lines(_ items: some Sequence<Int>, _ text: (Int) -> String) -> String { items.map(text).joined(separator: "\n") }
        // Every output has a pointer; those that share a value with another one do not use it.
        let pointers = list(outputs.indices) { "float* o\($0)" } + ", " + list(ins) { "const float* p\($0)" }
        let passed = list(outputs.indices) { "o\($0)" } + ", " + list(ins) { "p\($0)" }
        return """
            typedef float T;
            typedef float C;
            typedef float R;
            \(functions)DEVICE void element(\(list(ins) { "float v\($0)" }), \(list(outs) { "float& r\($0)" })) {
            \(body)\(lines(outs) { "    r\($0) = v\(outputs[$0]);" })
            }
            struct Block { int64 kind, inner, period; };
            struct Blocks { Block at[\(inputCount)]; };
            template <int N, class I> DEVICE void load(Pack<float, N>& a, const float* p, I i, const Block& b) {
                if (b.kind == 1) a = ((const Pack<float, N>*)p)[i];
                else if (b.kind == 2) a = ((const Pack<float, N>*)p)[i % (I)(b.period / N)];
                else if (b.kind == 3) {
                    float x = p[i * N / (I)b.inner % (I)b.period];
                    for (int k = 0; k < N; k++) a.at[k] = x;
                }
            }
            template <int N, class I> DEVICE void run(\(pointers), int64 count, const Blocks& blocks) {
            \(lines(ins) { "    Pack<float, N> a\($0);\n    if (blocks.at[\($0)].kind == 0) for (int k = 0; k < N; k++) a\($0).at[k] = p\($0)[0];" })
                int64 packs = count / N;
                for (int64 i = first(); i < packs; i += stride()) {
            \(lines(ins) { "        load<N, I>(a\($0), p\($0), (I)i, blocks.at[\($0)]);" })
            \(lines(outs) { "        Pack<float, N> r\($0);" })
            #pragma unroll
                    for (int k = 0; k < N; k++) element(\(list(ins) { "a\($0).at[k]" }), \(list(outs) { "r\($0).at[k]" }));
            \(lines(outs) { "        ((Pack<float, N>*)o\($0))[i] = r\($0);" })
                }
                if (N == 1) return;
                for (int64 i = packs * N + first(); i < count; i += stride()) {
            \(lines(ins) { "        Pack<float, 1> b\($0);\n        b\($0).at[0] = a\($0).at[0];\n        load<1, I>(b\($0), p\($0), (I)i, blocks.at[\($0)]);" })
                    element(\(list(ins) { "b\($0).at[0]" }), \(list(outs) { "o\($0)[i]" }));
                }
            }
            KERNEL fused1(\(pointers), int64 count, Blocks blocks) { run<1, uint32>(\(passed), count, blocks); }
            KERNEL fused4(\(pointers), int64 count, Blocks blocks) { run<4, uint32>(\(passed), count, blocks); }
            KERNEL fused1_large(\(pointers), int64 count, Blocks blocks) { run<1, uint64>(\(passed), count, blocks); }
            KERNEL fused4_large(\(pointers), int64 count, Blocks blocks) { run<4, uint64>(\(passed), count, blocks); }
            """
    }
}
