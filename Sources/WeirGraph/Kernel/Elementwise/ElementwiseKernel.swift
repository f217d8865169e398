import Synchronization
import WeirDevice
import WeirTensor

/// The kernel of a fused elementwise node, which runs its `ElementwiseProgram`.
final class ElementwiseKernel: Sendable {
    private let program: ElementwiseProgram
    private let members: ElementwiseMembers
    private let last = Mutex<ElementwiseShapes?>(nil)

    init(_ program: ElementwiseProgram, _ request: KernelRequest) throws {
        self.program = program
        members = ElementwiseMembers(program, request) { op, attributes in op.hostKernel(attributes)?.make }
        try members.prepare()
    }

    func run(_ context: borrowing KernelContext) throws {
        let shapes = shapes(context)
        guard shapes.isSupported, shapes.count > 0 else { return try members.run(context) }
        for index in 0..<context.outputCount {
            let first = program.firstOutputs[index]
            if first < index { context.setOutput(index, slot: context.outputs[first]) } else { _ = try context.output(index, .float32, shapes.shape) }
        }
        let rowLength = shapes.rowLength
        // A block's values fit into the level-1 cache together.
        var block = max(64, min(512, (24 << 10) / 4 / max(program.registerCount + program.outputs.count, 1)) & ~15)
        if rowLength > 0 { block = rowLength <= block ? block / rowLength * rowLength : block }
        let grain = max(1024, program.grain)
        // Each thread's range begins at the beginning of a row.
        let unit = max(rowLength, 1)
        let inputs = context.inputs, outputs = context.outputs
        context.pool.parallelFor(shapes.count / unit, grain: max(1, grain / unit)) { rows in
            self.run(rows.lowerBound * unit..<rows.upperBound * unit, block, shapes, inputs, outputs)
        }
    }

    /// Runs the program for a range of elements, block by block.
    private func run(
        _ range: Range<Int>, _ block: Int, _ shapes: ElementwiseShapes, _ inputs: UnsafeMutablePointer<EdgeValue>,
        _ outputs: UnsafeMutablePointer<EdgeValue>
    ) {
        let program = program
        let blockBytes = block * 4
        let rowCount = shapes.rows.count
        HostAllocator.shared.withScratch((program.registerCount + rowCount + 1) * blockBytes) { space in
            withUnsafeTemporaryAllocation(of: UnsafeMutableRawPointer.self, capacity: 2 * program.valueCount) { pointers in
                guard let current = pointers.baseAddress else { return }
                let bases = current + program.valueCount
                func base(_ slot: EdgeValue) -> UnsafeMutableRawPointer {
                    guard case .value(let tensor) = slot else { preconditionFailure("an input holds no value") }
                    return UnsafeMutableRawPointer(mutating: tensor.bytes.baseAddress!)
                }
                for value in 0..<program.valueCount {
                    let start = value < program.inputCount ? base(inputs[value]) : space + max(program.registers[value], 0) * blockBytes
                    (bases + value).initialize(to: start)
                    (current + value).initialize(to: start)
                }
                for (index, value) in program.outputs.enumerated() { bases[value] = base(outputs[index]) }
                let rowLength = shapes.rowLength
                let rowsFit = rowLength > 0 && rowLength <= block
                if rowsFit {
                    // A short row is copied as often as it fits into a block.
                    for (index, value) in shapes.rows.enumerated() {
                        let target = space + (program.registerCount + index) * blockBytes
                        for copy in 0..<block / rowLength { (target + copy * rowLength * 4).copyMemory(from: bases[value], byteCount: rowLength * 4) }
                        current[value] = target
                    }
                }
                var start = range.lowerBound
                while start < range.upperBound {
                    var length = min(block, range.upperBound - start)
                    if rowLength > 0, !rowsFit {
                        let column = start % rowLength
                        length = min(length, rowLength - column)
                        for value in shapes.rows { current[value] = bases[value] + column * 4 }
                    }
                    for value in shapes.perElementValues { current[value] = bases[value] + start * 4 }
                    runSteps(current, length, shapes)
                    start += length
                }
            }
        }
    }

    @inline(__always)
    private func runSteps(_ values: UnsafeMutablePointer<UnsafeMutableRawPointer>, _ length: Int, _ shapes: ElementwiseShapes) {
        program.steps.withUnsafeBufferPointer { steps in
            shapes.steps.withUnsafeBufferPointer { kinds in
                for index in steps.indices {
                    let out = values[steps[index].result]
                    switch steps[index].function.body {
                    case .unary(let body): body(values[steps[index].left], out, length)
                    case .binary(let body): body(values[steps[index].left], values[steps[index].right], out, length, kinds[index])
                    }
                }
            }
        }
    }

    /// How the operands of this call are combined. Reuses the result of the previous call if the shapes are the same.
    private func shapes(_ context: borrowing KernelContext) -> ElementwiseShapes {
        if let known = last.withLock({ $0 }), known.fits(context) { return known }
        let made = ElementwiseShapes(program, context)
        last.withLock { $0 = made }
        return made
    }

}

/// The kernels of a fused node's members, for shapes that the fused kernel does not support.
final class ElementwiseMembers: Sendable {
    /// What makes the kernel of a node with an op and attributes; nil if there is none.
    typealias Maker = @Sendable (OpDefinition, Attributes) -> KernelFactory.Make?
    private let program: ElementwiseProgram
    private let request: KernelRequest
    private let maker: Maker
    private let made = Mutex<[Kernel]?>(nil)

    /// The kernels are made when they are needed first.
    init(_ program: ElementwiseProgram, _ request: KernelRequest, _ maker: @escaping Maker) {
        (self.program, self.request, self.maker) = (program, request, maker)
    }

    /// Makes the kernels.
    func prepare() throws { _ = try kernels() }

    private func kernels() throws -> [Kernel] {
        if let known = made.withLock({ $0 }) { return known }
        let kernels = try program.members.map { member in
            let node = member.node
            guard let make = maker(node.op, node.attributes) else {
                throw Status.notFound("No kernel of '\(node.op.name)' for \(request.place.device.type)")
            }
            return try make(
                KernelRequest(
                    name: node.name, op: node.op, attributes: node.attributes, inputTypes: node.inputTypes,
                    outputTypes: node.outputTypes, place: request.place, functions: request.functions))
        }
        made.withLock { $0 = kernels }
        return kernels
    }

    /// Runs the members one after another.
    func run(_ context: borrowing KernelContext) throws {
        let kernels = try kernels()
        var values = [EdgeValue](repeating: .empty, count: program.valueCount)
        for index in 0..<context.inputCount { values[index] = context.slot(index) }
        for (position, member) in program.members.enumerated() {
            guard case .sync(let body) = kernels[position] else { continue }
            var inputs = member.values.map { values[$0] }
            var output = EdgeValue.empty
            do {
                try inputs.withUnsafeMutableBufferPointer { inputs in
                    guard let first = inputs.baseAddress else { return }
                    let call = KernelContext(
                        inputs: first, inputCount: inputs.count, outputs: &output, outputCount: 1, step: context.step,
                        place: context.place, frame: context.frame)
                    try body(call)
                }
            } catch {
                throw Status(error).appending("\n\t [[{{node \(member.node.name)}}]]")
            }
            values[member.result] = output
        }
        for (index, value) in program.outputs.enumerated() { context.setOutput(index, slot: values[value]) }
    }
}

extension ElementwiseProgram {
    /// The op of the node that runs this program. It is not in any registry: it exists only in graphs that are ready to run.
    var definition: OpDefinition {
        OpDefinition(
            "_FusedElementwise", "(inputs: Tin) -> (outputs: Tout)", "Tin: list(type) >= 0", "Tout: list(type) >= 0"
        )
        .kernel(gpu: [:]) { request in
            let kernel = try ElementwiseKernel(self, request)
            return .sync { context in try kernel.run(context) }
        }
        .cuda { request in
            let kernel = try CUDAElementwiseKernel(self, request)
            return .sync { context in try kernel.run(context) }
        }
    }
}
