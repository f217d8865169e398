import Weir

// Conditionals and loops of primitive ops: Switch and Merge, Enter and Exit.
extension GraphMaker {
    func conditional(_ items: [Item], anchor: Operation?) -> [Item] {
        guard let predicate = predicate(items, anchor: anchor) else { return [] }
        depth += 1
        defer { depth -= 1 }
        let captured = (0..<random.int(1...3)).compactMap { _ in any(items) }
        guard !captured.isEmpty else { return [] }
        let pivotSwitch = add("Switch", [predicate.output, predicate.output])
        let pivots = (0...1).map { add("Identity", [pivotSwitch[$0]]) }
        let switches = captured.map { add("Switch", [$0.output, predicate.output]) }
        // Both branches give values of the same types and shapes as these.
        let models = (0..<random.int(1...2)).map { _ in random.chance(70) ? random.pick(captured) : random.pick(items) }
        let isPure = predicate.isPure && captured.allSatisfy(\.isPure)
        let results = (0...1).map { side -> [Item] in
            var inner = zip(captured, switches).map { item, made in Item(output: made[side], dtype: item.dtype, shape: item.shape, isPure: isPure) }
            // Some branches have no data inputs.
            if random.chance(25) { inner = [constant(tensor(.float32, []), anchor: pivots[side])] }
            grow(&inner, random.int(0...5), anchor: pivots[side])
            return models.map { value(like: $0, from: inner, anchor: pivots[side]) }
        }
        var made: [Item] = []
        for index in models.indices {
            let merge = add("Merge", [results[0][index].output, results[1][index].output])
            let pure = isPure && results.allSatisfy { $0[index].isPure }
            made.append(Item(output: merge[0], dtype: models[index].dtype, shape: models[index].shape, isPure: pure))
            if random.chance(20) { made.append(Item(output: merge[1], dtype: .int32, shape: [], isPure: pure)) }
        }
        return made
    }

    /// A value of the model's type and shape: an existing one, or a constant.
    func value(like model: Item, from items: [Item], anchor: Operation?) -> Item {
        if random.chance(80), let found = items.last(where: { $0.fits(model) }) { return found }
        if random.chance(30), let scalar = items.last(where: { $0.dtype == model.dtype && $0.shape.isEmpty }) {
            let shape = constant(Tensor(model.shape.map { Int32($0) }), anchor: anchor)
            let made = add("Fill", [shape.output, scalar.output])
            return Item(output: made[0], dtype: model.dtype, shape: model.shape, isPure: scalar.isPure)
        }
        return constant(like: model, anchor: anchor)
    }

    func loop(_ items: [Item], anchor: Operation?) -> [Item] {
        depth += 1
        defer { depth -= 1 }
        counter += 1
        let frame = "frame\(counter)"
        let start = constant(Tensor(Int32(0)), anchor: anchor)
        let variables = [start] + (0..<random.int(1...2)).compactMap { _ in any(items) }
        guard variables.count > 1 else { return [] }
        let parallel = AttributeValue.int(random.pick([1, 2, 10]))
        // The control flow nodes of a loop variable share a device; those of the body may be anywhere.
        let statefulDevices = variables.map { _ in place() }
        func enter(_ item: Item, isConstant: Bool, _ device: String?) -> Item {
            let made = add(
                "Enter", [item.output], ["frame_name": .string(frame), "is_constant": .bool(isConstant), "parallel_iterations": parallel], device: device)
            return Item(output: made[0], dtype: item.dtype, shape: item.shape, isPure: item.isPure)
        }
        let entered = zip(variables, statefulDevices).map { enter($0, isConstant: false, $1) }
        let merges = zip(entered, statefulDevices).map { add("Merge", [$0.output, $0.output], device: $1) }
        let limit = enter(constant(Tensor(Int32(random.int(0...4))), anchor: anchor), isConstant: true, nil)
        let test = add("LoopCond", [add("Less", [merges[0][0], limit.output])[0]])
        let switches = zip(merges, statefulDevices).map { add("Switch", [$0[0], test[0]], device: $1) }
        let bodies = switches.map { add("Identity", [$0[1]]) }
        let isPure = variables.allSatisfy(\.isPure)
        var inner = zip(variables, bodies).map { Item(output: $1[0], dtype: $0.dtype, shape: $0.shape, isPure: isPure) }
        for _ in 0..<random.int(0...2) { if let outside = any(items) { inner.append(enter(outside, isConstant: true, nil)) } }
        let pureInside = isPure && inner.allSatisfy(\.isPure)
        for index in inner.indices { inner[index].isPure = pureInside }
        grow(&inner, random.int(1...6), anchor: bodies[0])
        let one = constant(Tensor(Int32(1)), anchor: bodies[0])
        var results: [Item] = []
        for index in variables.indices {
            let next: Output =
                index == 0
                ? add("AddV2", [bodies[0][0], one.output])[0] : value(like: variables[index], from: inner, anchor: bodies[0]).output
            // Without this control edge, values that do not depend on a loop variable would iterate forever.
            let held = add("Identity", [next], controls: [bodies[0]])
            let back = add("NextIteration", [held[0]], device: statefulDevices[index])
            builder.replaceInput(1, of: merges[index], with: back[0])
            let exit = add("Exit", [switches[index][0]], device: statefulDevices[index])
            results.append(Item(output: exit[0], dtype: variables[index].dtype, shape: variables[index].shape, isPure: pureInside))
        }
        return results
    }
}
