import Weir

// Variables and queues. Control edges put all accesses to state in one order, so that results are deterministic.
extension GraphMaker {
    private func effect(_ made: Operation) -> Operation {
        lastEffect = made
        return made
    }

    /// A reference variable with reads and updates.
    func referenceVariable(_ items: [Item]) -> [Item] {
        guard let model = any(items, where: { [.float32, .int32, .float64, .int64].contains($0.dtype) && $0.count <= 1000 }) else { return [] }
        // Reads are on the variable's device: a read elsewhere gets the value early, whatever its control inputs.
        let home = random.pick(statefulDevices)
        counter += 1
        let variable = add(
            "VariableV2", [], ["dtype": .type(model.dtype), "shape": .shape(PartialShape(Shape(model.shape))), "shared_name": .string("\(prefix)v\(counter)")],
            device: home)
        let start = constant(tensor(model.dtype, model.shape), anchor: nil)
        initializers.append(add("Assign", [variable[0], start.output], device: home))
        var made: [Item] = []
        for _ in 0..<random.int(1...4) {
            if random.chance(50) {
                made.append(item(use(add("Identity", [variable[0]], controls: [lastEffect], device: home)[0], model), model))
                lastEffect = made.last?.output.operation
            } else {
                let value = any(items) { $0.fits(model) } ?? start
                let update = effect(add(random.pick(["AssignAdd", "AssignSub", "Assign"]), [variable[0], value.output], controls: [lastEffect], device: home))
                // Uses the value before a later update changes it.
                let seen = use(add("Identity", [update[0]], device: home)[0], model)
                made.append(item(seen, model))
                lastEffect = seen.operation
            }
        }
        return made
    }
    /// Computes a new value, because the read value may share the variable's memory.
    private func use(_ read: Output, _ model: Item) -> Output {
        add("AddV2", [read, constant(like: model, anchor: nil).output])[0]
    }
    private func item(_ output: Output, _ model: Item) -> Item { Item(output: output, dtype: model.dtype, shape: model.shape, isPure: false) }

    /// A resource variable with reads and updates, also in a function.
    func resourceVariable(_ items: [Item]) -> [Item] {
        guard let model = any(items, where: { [.float32, .int32, .float64, .int64].contains($0.dtype) && $0.count <= 1000 }) else { return [] }
        let home = random.pick(statefulDevices)
        counter += 1
        let type = AttributeValue.type(model.dtype)
        let shape = AttributeValue.shape(PartialShape(Shape(model.shape)))
        let handle = add("VarHandleOp", [], ["dtype": type, "shape": shape, "shared_name": .string("\(prefix)r\(counter)")], device: home)
        let start = constant(tensor(model.dtype, model.shape), anchor: nil)
        initializers.append(add("AssignVariableOp", [handle[0], start.output], ["dtype": type], device: home))
        var made: [Item] = []
        for _ in 0..<random.int(1...4) {
            switch random.below(3) {
            case 0:
                let read = effect(add("ReadVariableOp", [handle[0]], ["dtype": type], controls: [lastEffect], device: home))
                made.append(item(read[0], model))
            case 1:
                let value = any(items) { $0.fits(model) } ?? start
                _ = effect(
                    add(
                        random.pick(["AssignAddVariableOp", "AssignSubVariableOp", "AssignVariableOp"]), [handle[0], value.output], ["dtype": type],
                        controls: [lastEffect], device: home))
            default:
                let call = effect(
                    add(
                        random.pick(["PartitionedCall", "StatefulPartitionedCall"]), [handle[0]],
                        ["f": .function(FunctionReference(reader(model))), "Tout": .types([model.dtype])], controls: [lastEffect],
                        device: random.chance(70) ? home : nil))
                made.append(item(call[0], model))
            }
        }
        return made
    }
    /// A function that reads the variable of its argument.
    private func reader(_ model: Item) -> String {
        counter += 1
        let name = "read\(counter)"
        let type = AttributeValue.type(model.dtype)
        root.addFunction(
            FunctionDefinition(
                name: name, inputs: [.init(name: "handle", type: .fixed(.resource))], outputs: [.init(name: "out_0", type: .fixed(model.dtype))],
                nodes: [
                    NodeDefinition(name: "read", op: "ReadVariableOp", inputs: ["handle"], attributes: ["dtype": type]),
                    NodeDefinition(name: "twice", op: "AddV2", inputs: ["read:value:0", "read:value:0"], attributes: ["T": type]),
                ], returns: ["out_0": "twice:z:0"], isStateful: true))
        return name
    }

    /// A queue into which a step enqueues values, and dequeues them again.
    func queue(_ items: [Item]) -> [Item] {
        let values = (0..<random.int(1...2)).compactMap { _ in any(items) { $0.dtype != .complex64 } }
        guard !values.isEmpty else { return [] }
        counter += 1
        let home = random.pick(statefulDevices)
        let types = AttributeValue.types(values.map(\.dtype))
        let queue = add(
            "FIFOQueueV2", [], ["component_types": types, "shapes": .emptyList, "capacity": 20, "shared_name": .string("\(prefix)q\(counter)")], device: home)
        var made: [Item] = []
        for _ in 0..<random.int(1...2) {
            let put = effect(add("QueueEnqueueV2", [queue[0]] + values.map(\.output), ["Tcomponents": types], controls: [lastEffect], device: home))
            let take = effect(add("QueueDequeueV2", [queue[0]], ["component_types": types], controls: [put], device: home))
            made += values.enumerated().map { Item(output: take[$0], dtype: $1.dtype, shape: $1.shape, isPure: false) }
        }
        return made
    }

    /// A node named `fail…` that fails when it runs, and nodes after it.
    /// - Returns: the output to fetch. It has a data edge, because the optimizer may remove a pure node with only control edges.
    func failure(_ items: [Item], zero: Item, far: Item) -> Item? {
        let pure = items.filter(\.isPure)
        counter += 1
        let name = "fail\(counter)"
        // GPU kernels do not report indices out of range and similar errors.
        let processor = random.pick(statefulDevices.filter { $0.firstRange(of: "CPU") != nil })
        let made: Item
        switch random.below(4) {
        case 0:
            let value = any(pure) { $0.dtype == .int32 && $0.count > 0 } ?? zero
            made = Item(output: add("FloorDiv", [value.output, zero.output], name: name, device: processor)[0], dtype: .int32, shape: value.shape)
        case 1:
            guard let value = any(pure, where: { $0.shape.first.map { $0 > 0 } == true }) else { return nil }
            let axis = constant(Tensor(Int32(0)), anchor: nil)
            made = Item(
                output: add("GatherV2", [value.output, far.output, axis.output], name: name, device: processor)[0], dtype: value.dtype,
                shape: Array(value.shape.dropFirst()))
        case 2:
            guard let value = any(pure, where: { $0.dtype == .float32 && $0.count > 0 }) else { return nil }
            let float = add("Cast", [zero.output], ["DstT": .type(.float32)])
            let infinite = add("Log", [float[0]])
            let sum = add("AddV2", [infinite[0], add("ZerosLike", [value.output])[0]])
            made = Item(
                output: add("CheckNumerics", [sum[0]], ["message": "found by the fuzzer"], name: name, device: processor)[0], dtype: .float32,
                shape: value.shape)
        default:
            guard let value = any(pure, where: { $0.count > 1 }) else { return nil }
            made = Item(output: add("Reshape", [value.output, far.output], name: name, device: processor)[0], dtype: value.dtype, shape: [])
        }
        // Nodes after it, perhaps on other devices, which the error must not name.
        var last = made.output
        for _ in 0..<random.int(1...3) { last = add("Identity", [last])[0] }
        return Item(output: last, dtype: made.dtype, shape: made.shape)
    }
}
