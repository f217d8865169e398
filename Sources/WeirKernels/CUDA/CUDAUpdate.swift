package import WeirDevice
package import WeirTensor

/// How one element of a variable and of its slots is updated, in CUDA C++.
///
/// In the texts, `x.v` is the variable's element and `x.a`, `x.b`, `x.c` those of its slots, in the type that they are computed in
/// (`C`); `g` is the gradient or the update, and `h.name` the scalar of a name.
package struct CUDAUpdateRule: Sendable {
    /// The number of slots besides the variable, up to three.
    package var slots = 0
    /// The names of the scalars that a node gives, in the order of its inputs.
    package var scalars: [String] = []
    /// The names of the scalars that are 0 in this node, because it has no such input.
    package var absent: [String] = []
    /// Declarations before the functions: constants for the node's attributes, for example.
    package var declarations = ""
    /// Statements that are run once by each thread: they compute `h.derived` and `h.derived2`.
    package var prepare = ""
    /// Statements that update one element.
    package var update: String

    package init(slots: Int = 0, prepare: String = "", update: String, declarations: String = "") {
        (self.slots, self.prepare, self.update, self.declarations) = (slots, prepare, update, declarations)
    }
}

/// The leading dimensions of a variable that an index vector selects from: `depth` numbers select a row of `width` elements.
package struct CUDASlices: Sendable {
    package let sizes: [Int]
    package let width: Int
    package init(sizes: [Int], width: Int) { (self.sizes, self.width) = (sizes, width) }
    var rowCount: Int { sizes.reduce(1, *) }
    static let maximumDepth = 8
}

/// A program that updates variables in place: all elements, or rows by their indices. Updates of one row are applied one after the
/// other in their order, so that results repeat bit for bit. A row whose index is out of range is skipped.
package struct CUDAUpdate: Sendable {
    private let device: CUDADevice
    private let module: CUDAModule
    private let slots: Int
    private let scalarCount: Int
    private let perVector: Int

    /// Starts to compile the program.
    /// - Parameters:
    ///   - type: the elements' type in CUDA programs.
    ///   - size: its bytes.
    ///   - index: the type of the indices; nil for a program that updates all elements.
    package init(_ device: CUDADevice, _ name: String, _ type: String, size: Int, index: DType?, _ rule: CUDAUpdateRule) throws {
        self.device = device
        slots = rule.slots
        scalarCount = rule.scalars.count
        perVector = max(1, 16 / size)
        let common = CUDAUpdate.common(type, rule)
        let source: String
        if let index {
            guard let indices = index.cudaName else { throw Status.unimplemented("\(name): a card has no indices of type \(index)") }
            source = common + "typedef \(indices) I;\n" + CUDAUpdate.rows
        } else {
            source = common + "const int N = \(perVector);\n" + CUDAUpdate.dense
        }
        module = try device.modules.module(CUDAProgram([name, type, index?.name ?? ""].joined(separator: " "), source))
    }

    /// Enqueues the update of all elements of a variable and its slots (`tensors`) by `gradient`, which has as many.
    package func run(_ tensors: [Tensor], _ gradient: Tensor, _ scalars: [Tensor]) throws {
        let count = gradient.elementCount
        guard count > 0 else { return }
        let isAligned = (tensors + [gradient]).allSatisfy { $0.deviceAddress % 16 == 0 }
        try device.launch(
            module.function("dense"), over: count, perThread: perVector,
            [state(tensors), .elements(gradient), pointers(scalars), .int(count), .int(isAligned ? count / perVector : 0)])
    }

    /// Enqueues the update of rows: row i of `updates` updates the row that index vector i selects. A scalar updates all of them.
    package func run(_ tensors: [Tensor], _ updates: Tensor, _ indices: Tensor, _ slices: CUDASlices, _ scalars: [Tensor] = []) throws {
        let count = slices.sizes.isEmpty ? updates.elementCount / max(1, slices.width) : indices.elementCount / slices.sizes.count
        guard count > 0, slices.width > 0 else { return }
        guard slices.sizes.count <= CUDASlices.maximumDepth, count < Int(Int32.max) else {
            throw Status.unimplemented(
                "A GPU updates at most \(Int32.max) rows by index vectors of at most \(CUDASlices.maximumDepth) numbers, "
                    + "found \(count) and \(slices.sizes.count)")
        }
        let words = CUDAArgument.ints(
            [slices.sizes.count] + slices.sizes + [Int](repeating: 0, count: CUDASlices.maximumDepth - slices.sizes.count))
        let isScalar = updates.rank == 0 ? 0 : 1
        let width = slices.width
        if count <= 256 {
            return try device.launch(
                module.function("few"), over: count * width,
                [state(tensors), .elements(updates), .elements(indices), pointers(scalars), .int(count), .int(width), .int(isScalar), words])
        }
        // The counts of all rows, and two totals after them.
        let counts = try Tensor(.int32, Shape(validating: [slices.rowCount + 2]), in: device.allocator)
        let entries = try Tensor(.int64, Shape(validating: [count, 2]), in: device.allocator)
        let positions = try Tensor(.int32, Shape(validating: [count]), in: device.allocator)
        try device.fill(counts)
        let lists: [CUDAArgument] = [.elements(counts), .int(slices.rowCount), .elements(entries), .elements(positions)]
        let selection: [CUDAArgument] = [.elements(indices), .int(count), words]
        try device.launch(module.function("count_rows"), over: count, lists + selection)
        try device.launch(module.function("place"), over: count, lists)
        try device.launch(module.function("fill"), over: count, lists + selection)
        try device.launch(module.function("order"), over: count, lists + selection)
        try device.launch(
            module.function("update_rows"), over: count * width,
            [state(tensors), .elements(updates), pointers(scalars)] + lists + [.int(width), .int(isScalar)])
    }

    private func state(_ tensors: [Tensor]) -> CUDAArgument {
        .words((0..<4).map { $0 <= slots && $0 < tensors.count ? tensors[$0].deviceAddress : 0 })
    }
    private func pointers(_ scalars: [Tensor]) -> CUDAArgument { .words([0] + scalars.prefix(scalarCount).map(\.deviceAddress)) }
}
