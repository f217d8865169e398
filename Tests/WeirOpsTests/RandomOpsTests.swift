import Testing
import WeirDevice
import WeirGraph
import WeirTensor

import WeirKernels
@testable import WeirMathOps
@testable import WeirArrayOps
import WeirOps

// Expected numbers were printed by TensorFlow 2.21 on a CPU.

@Suite struct StatefulRandomOpTests {
    let seeds: Attributes = ["seed": 87_654_321, "seed2": 42]

    @Test func `RandomUniform goes on in its sequence from run to run`() throws {
        let node = try OneNode("RandomUniform", [Tensor([Int32(5)])], seeds.with(["dtype": .type(.float32)]))
        let runs = try (0..<2).map { _ in try node.run()[0].array(of: Float.self).map(\.bitPattern) }
        #expect(runs[0] == [0x3F73_C810, 0x3F2D_6A98, 0x3F4B_99FA, 0x3F41_7AEA, 0x3EF3_B074])
        #expect(runs[1] == [0x3F50_0FE0, 0x3F18_F4EE, 0x3F4B_D050, 0x3F13_7534, 0x3E0D_35B0])
    }

    @Test func `TruncatedNormal fills a tensor on several threads as on one`() throws {
        let node = try OneNode("TruncatedNormal", [Tensor([Int64(17), 301])], seeds.with(["dtype": .type(.float64)]))
        let alone = try node.run(threads: 1)[0]
        let again = try OneNode("TruncatedNormal", [Tensor([Int64(17), 301])], seeds.with(["dtype": .type(.float64)]))
        #expect(try again.run(threads: 4)[0] == alone)
        #expect(alone.shape == [17, 301])
    }

    @Test func `RandomUniformInt gives TensorFlow's integers and refuses bounds without any`() throws {
        let shape = Tensor([Int32(5)])
        let node = try OneNode("RandomUniformInt", [shape, Tensor(Int32(-7)), Tensor(Int32(1000))], seeds)
        #expect(try node.run()[0].array(of: Int32.self) == [0x2F4, 0x259, 0x313, 0x1D0, 0x371])
        let empty = try OneNode("RandomUniformInt", [shape, Tensor(Int32(5)), Tensor(Int32(5))], seeds)
        #expect(throws: Status.invalidArgument("Need minval < maxval, got 5 >= 5")) { try empty.run() }
        let none = try OneNode("RandomUniformInt", [Tensor([Int32(0)]), Tensor(Int32(5)), Tensor(Int32(5))], seeds)
        #expect(try none.run()[0].shape == [0])
        let vector = try OneNode("RandomUniformInt", [shape, Tensor([Int32(5)]), Tensor(Int32(5))], seeds)
        #expect(throws: Status.invalidArgument("minval must be 0-D, got shape [1]")) { try vector.run() }
    }

    @Test func `RandomShuffle moves whole rows, of strings too`() throws {
        let rows: [ByteString] = ["a", "b", "c", "d", "e", "f", "g", "h"]
        let node = try OneNode("RandomShuffle", [Tensor(rows, ofShape: [4, 2])], seeds)
        #expect(try node.run()[0].array(of: ByteString.self) == ["a", "b", "e", "f", "g", "h", "c", "d"])
        #expect(try node.run()[0].array(of: ByteString.self) == ["c", "d", "g", "h", "e", "f", "a", "b"])
    }

    @Test func `RandomShuffle of a scalar and of empty rows is the value itself`() throws {
        #expect(try OneNode("RandomShuffle", [Tensor(Int32(3))], seeds).run()[0] == Tensor(Int32(3)))
        let empty = Tensor([Float](), ofShape: [3, 0])
        #expect(try OneNode("RandomShuffle", [empty], seeds).run()[0] == empty)
    }

    @Test func `Multinomial draws TensorFlow's classes`() throws {
        let none = -Float.infinity
        let logits = Tensor([0, 1, 2, none, 1, 3, 0, 0, 0, 0, none, none, none, none, none] as [Float], ofShape: [3, 5])
        let node = try OneNode("Multinomial", [logits, Tensor(Int32(7))], seeds)
        _ = try node.run()
        let second = try node.run()[0]
        #expect(second.shape == [3, 7])
        #expect(
            try second.array(of: Int64.self) == [
                4, 2, 2, 2, 4, 2, 2, 0, 0, 0, 0, 0, 3, 2, 5, 5, 5, 5, 5, 5, 5,
            ])
    }

    @Test(
        arguments: [
            ("logits should be a matrix, got shape [2]", Shape(2), [Int32(3)], Shape.scalar),
            ("num_samples should be a scalar, got shape [1]", Shape(1, 2), [3], Shape(1)),
            ("num_samples should be non-negative, got -3", Shape(1, 2), [-3], Shape.scalar),
            ("num_classes should be positive, got 0", Shape(2, 0), [3], Shape.scalar),
        ] as [(String, Shape, [Int32], Shape)])
    func `Multinomial refuses what makes no sense`(
        message: String, logits: Shape, samples: [Int32], samplesShape: Shape
    ) throws {
        let node = try OneNode("Multinomial", [.zeros(.float32, logits), Tensor(samples, ofShape: samplesShape)], seeds)
        #expect(throws: Status.invalidArgument(message)) { try node.run() }
    }

    @Test(
        arguments: [
            ("shape must be a vector of {int32,int64}, got shape []", [Int32(3)], Shape.scalar),
            ("shape must be a vector of {int32,int64}, got shape [1,1]", [3], Shape(1, 1)),
            ("Dimension -3 must be >= 0", [2, -3], Shape(2)),
        ] as [(String, [Int32], Shape)])
    func `a shape that is none is refused in TensorFlow's words`(
        message: String, values: [Int32], shape: Shape
    ) throws {
        let node = try OneNode("RandomUniform", [Tensor(values, ofShape: shape)], ["dtype": .type(.float32)])
        #expect(throws: Status.invalidArgument(message)) { try node.run() }
    }

    @Test func `a shape whose element count overflows is refused`() throws {
        let huge = Tensor([Int64(1) << 40, 1 << 40])
        let node = try OneNode("RandomUniform", [huge], ["dtype": .type(.float32)])
        #expect(throws: Status.self) { try node.run() }
    }

    @Test func `RandomGamma gives TensorFlow's bits in float, double and half`() throws {
        let shape = Tensor([Int32(2)])
        let floats = try OneNode("RandomGamma", [shape, Tensor([0.5, 1, 5] as [Float])], seeds).run()[0]
        #expect(
            try floats.array(of: Float.self).map(\.bitPattern) == [
                0x3ECA_03E9, 0x3EA0_EEAB, 0x40F4_140F, 0x3AF8_F00B, 0x3EA1_6F75, 0x4049_39F9,
            ])
        let doubles = try OneNode("RandomGamma", [shape, Tensor([0.5, 1, 5])], seeds).run()[0]
        #expect(
            try doubles.array(of: Double.self).map(\.bitPattern) == [
                0x3FD9_407D_170C_947F, 0x3FD4_1DD5_6022_D078, 0x401E_8281_E745_F765, 0x3F5F_1E01_6F70_41E1,
                0x3FD4_2DEE_A0EB_75FD, 0x4009_273F_1833_BAC9,
            ])
        let halves = try OneNode("RandomGamma", [shape, Tensor([0.5, 1, 5] as [Float16])], seeds).run()[0]
        #expect(
            try halves.array(of: Float16.self).map(\.bitPattern) == [
                0x3650, 0x3507, 0x47A1, 0x17C8, 0x350B, 0x424A,
            ])
    }

    @Test func `RandomGamma answers for a shape parameter that accepts no number`() throws {
        let node = try OneNode("RandomGamma", [Tensor([Int32(1)]), Tensor([-2] as [Float])], seeds)
        #expect(try node.run()[0].array(of: Float.self)[0].isNaN)
    }
}

@Suite struct StatelessRandomOpTests {
    let seed = Tensor([Int64(7), -8])

    @Test func `StatelessRandomUniform and its V2 agree with TensorFlow, whichever type the seeds have`() throws {
        let shape = Tensor([Int32(2), 2])
        let expected: [UInt64] = [
            0x3FDD_70A7_C744_D208, 0x3FC0_6041_B7E4_C2C8, 0x3FB6_F41F_8DBA_D700, 0x3FE6_51F2_49AD_C090,
        ]
        let double: Attributes = ["dtype": .type(.float64)]
        for seed in [seed, Tensor([Int32(7), -8])] {
            let direct = try OneNode("StatelessRandomUniform", [shape, seed], double).run()[0]
            #expect(try direct.array(of: Double.self).map(\.bitPattern) == expected)
            let state = try OneNode("StatelessRandomGetKeyCounterAlg", [seed]).run()
            let keyed = try OneNode("StatelessRandomUniformV2", [shape] + state, double).run()[0]
            #expect(keyed == direct)
        }
    }

    @Test func `StatelessRandomUniformInt gives TensorFlow's integers`() throws {
        let inputs = [Tensor([Int32(2), 3]), seed, Tensor(Int32(-5)), Tensor(Int32(100))]
        let direct = try OneNode("StatelessRandomUniformInt", inputs).run()[0]
        #expect(direct == Tensor([Int32(75), 12, 62, 32, 63, 57], ofShape: [2, 3]))
        let state = try OneNode("StatelessRandomGetKeyCounter", [seed]).run()
        let algorithm = try OneNode("StatelessRandomGetAlg", []).run()
        let keyed = try OneNode("StatelessRandomUniformIntV2", [inputs[0]] + state + algorithm + inputs[2...]).run()[0]
        #expect(keyed == direct)
    }

    @Test func `StatelessRandomUniformFullInt gives TensorFlow's words in every type`() throws {
        let inputs = [Tensor([Int32(2)]), Tensor([Int64(1), -2])]
        func run(_ type: DType) throws -> Tensor {
            try OneNode("StatelessRandomUniformFullInt", inputs, ["dtype": .type(type)]).run()[0]
        }
        #expect(try run(.uint32) == Tensor([UInt32(0x145F_B3FE), 0x9A60_D91C]))
        #expect(try run(.int32) == Tensor([Int32(0x145F_B3FE), Int32(bitPattern: 0x9A60_D91C)]))
        #expect(try run(.uint64) == Tensor([UInt64(0x9A60_D91C_145F_B3FE), 0x4B1F_6244_D8EB_F198]))
        let unsigned = try OneNode("StatelessRandomUniformFullInt", [inputs[0], Tensor([UInt32(1), 2])])
        #expect(throws: Status.invalidArgument("Invalid seed type: uint32")) { try unsigned.run() }
    }

    @Test func `StatelessMultinomial draws TensorFlow's classes`() throws {
        let logits = Tensor([0, 1, 2, 2, 1, 0].map { BFloat16($0) }, ofShape: [2, 3])
        let node = try OneNode(
            "StatelessMultinomial", [logits, Tensor(Int32(6)), seed], ["output_dtype": .type(.int32)])
        #expect(try node.run()[0] == Tensor([Int32(2), 1, 0, 2, 1, 2, 1, 0, 0, 0, 0, 0], ofShape: [2, 6]))
    }

    @Test func `StatelessRandomGetKeyCounterAlg names Philox`() throws {
        let outputs = try OneNode("StatelessRandomGetKeyCounterAlg", [Tensor([Int64(1), -2])]).run()
        #expect(outputs[0] == Tensor([UInt64(0x58DC_D6B2_C524_FE74)]))
        #expect(outputs[1] == Tensor([UInt64(0), 0x13E1_40C5_50FB_8D48]))
        #expect(outputs[2] == Tensor(Int32(1)))
    }

    @Test func `seeds that are not two are refused`() throws {
        let node = try OneNode(
            "StatelessRandomUniform", [Tensor([Int32(3)]), Tensor([Int64(1)])], ["dtype": .type(.float32)])
        #expect(throws: Status.invalidArgument("seed must have shape [2], not [1]")) { try node.run() }
    }

    @Test(
        arguments: [
            ("Unsupported algorithm id: 2", [UInt64(1)], [UInt64(1), 2], Int32(2)),
            ("key must have shape [1], not [2]. (Note that batched keys are not supported yet.)", [1, 2], [1, 2], 1),
            // TensorFlow takes a counter of one element here, and reads the second from memory behind it.
            (
                "counter must be a vector with length at least 2; got shape: [1]. "
                    + "(Note that batched counters are not supported yet.)", [1], [1], 1
            ),
        ] as [(String, [UInt64], [UInt64], Int32)])
    func `a key, counter or algorithm that is none is refused`(
        message: String, key: [UInt64], counter: [UInt64], algorithm: Int32
    ) throws {
        let inputs = [Tensor([Int32(3)]), Tensor(key), Tensor(counter), Tensor(algorithm)]
        let node = try OneNode("StatelessRandomUniformV2", inputs)
        #expect(throws: Status.invalidArgument(message)) { try node.run() }
    }

    @Test func `StatelessRandomNormal and StatelessTruncatedNormal give TensorFlow's bits`() throws {
        let shape = Tensor([Int32(5)])
        let normal = try OneNode("StatelessRandomNormal", [shape, seed]).run()[0]
        #expect(
            try normal.array(of: Float.self).map(\.bitPattern) == [
                0xBFB0_84C6, 0xBF9C_C777, 0xBDA3_B1DB, 0x3EF2_90F7, 0xBF6E_010B,
            ])
        let truncated = try OneNode("StatelessTruncatedNormal", [shape, seed], ["dtype": .type(.bfloat16)]).run()[0]
        #expect(
            try truncated.array(of: BFloat16.self).map(\.bits) == [0xBFB1, 0xBF9D, 0xBDA4, 0x3EF3, 0xBF4F])
    }
}

@Suite struct RandomShapeTests {
    @Test func `shapes follow from constant shapes and sample counts`() throws {
        let builder = GraphBuilder(registry: testRegistry)
        let shape = builder.constant(Tensor([Int32(2), -1]))
        let uniform = builder.add("RandomUniform", [shape], attributes: ["dtype": .type(.float32)])[0]
        #expect(uniform.shape == [2, nil])
        let logits = builder.constant(Tensor([Float](repeating: 0, count: 12), ofShape: [3, 4]))
        let drawn = builder.add("Multinomial", [logits, builder.constant(Tensor(Int32(5)))])[0]
        #expect(drawn.shape == [3, 5])
        let gamma = builder.add("RandomGamma", [shape, logits])[0]
        #expect(gamma.shape == [2, nil, 3, 4])
        let state = builder.add("StatelessRandomGetKeyCounterAlg", [builder.constant(Tensor([Int64(1), 2]))])
        #expect(state.outputs.map(\.shape) == [[1], [2], []])
        _ = try builder.graph()
    }

    @Test func `a graph with seeds that are not two is refused while it is built`() {
        let builder = GraphBuilder(registry: testRegistry)
        let inputs = [builder.constant(Tensor([Int32(2)])), builder.constant(Tensor([Int64(1), 2, 3]))]
        builder.add("StatelessRandomUniform", inputs)
        #expect(builder.failure?.code == .invalidArgument)
        #expect(builder.failure?.message.hasPrefix("Dimension must be 2 but is 3 for") == true)
    }
}

// MARK: - Running one node

private let testRegistry = OpRegistry(randomOps)
    .adding(.const)
    .adding(.placeholder)

/// One node with its kernel, and the tensors it is run on.
private struct OneNode {
    private let node: Node
    private let inputs: [Tensor]
    private let kernel: Kernel
    private let place = KernelEnvironment(
        device: CPUDevice(name: .cpu), resources: ResourceTable(defaultContainer: "localhost"))

    /// The inputs' shapes stay unknown to the graph, so that only the kernel sees them.
    init(_ op: String, _ inputs: [Tensor], _ attributes: Attributes = [:]) throws {
        let builder = GraphBuilder(registry: testRegistry)
        let outputs = inputs.map { builder.add("Placeholder", attributes: ["dtype": .type($0.dtype)])[0] }
        let operation = builder.add(op, outputs, attributes: attributes)
        node = try builder.graph().nodes[operation.id]
        self.inputs = inputs
        let factory = try #require(node.op.hostKernel(node.attributes))
        kernel = try factory.make(
            KernelRequest(
                name: node.name, op: node.op, attributes: node.attributes, inputTypes: node.inputTypes,
                outputTypes: node.outputTypes, place: place, functions: NoFunctions()))
    }

    @discardableResult
    func run(threads: Int = 1) throws -> [Tensor] {
        guard case .sync(let body) = kernel else { throw Status.internalError("the kernel is asynchronous") }
        var inputSlots = inputs.map { EdgeValue.value($0) }
        var outputSlots = [EdgeValue](repeating: .empty, count: node.outputTypes.count)
        let step = StepContext(id: 1, rendezvous: NoRendezvous())
        let place = KernelEnvironment(
            device: place.device, resources: place.resources, pool: try ComputePool(threadCount: threads))
        try inputSlots.withUnsafeMutableBufferPointer { ins in
            try outputSlots.withUnsafeMutableBufferPointer { outs in
                // A kernel without inputs never looks at this address.
                let nowhere = UnsafeMutablePointer<EdgeValue>(bitPattern: 16)
                let context = KernelContext(
                    inputs: try #require(ins.baseAddress ?? nowhere), inputCount: ins.count,
                    outputs: try #require(outs.baseAddress ?? nowhere), outputCount: outs.count, step: step,
                    place: place)
                try body(context)
            }
        }
        return outputSlots.compactMap(\.tensor)
    }
}

private final class NoRendezvous: Rendezvous {
    func send(_ key: RendezvousKey, _ delivery: RendezvousItem) throws(Status) {}
    func receive(_ key: RendezvousKey, _ done: @escaping Completion<RendezvousItem>) {}
    func abort(_ status: Status) {}
}

extension DeviceName {
    fileprivate static var cpu: DeviceName {
        guard let name = try? DeviceName("/job:localhost/replica:0/task:0/device:CPU:0") else {
            preconditionFailure("a well-formed device name")
        }
        return name
    }
}

extension Attributes {
    fileprivate func with(_ more: Attributes) -> Attributes {
        Attributes(values.merging(more.values) { $1 })
    }
}
