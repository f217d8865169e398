import WeirGraph
import WeirTensor

// Loops: values enter a frame, pass through its iterations, and leave it. All functions here run under the run's loop lock.
extension ParallelRun {
    func propagateInLoops(
        _ item: Ready, _ entry: UnsafeMutablePointer<NodeTable.Entry>, _ outputs: UnsafeMutablePointer<EdgeValue>, isDead: Bool,
        _ ready: inout [Ready]
    ) {
        let iteration = item.iteration
        let frame = iteration.frame
        switch entry.pointee.kind {
        case .enter, .constantEnter:
            let child = childFrame(of: item, entry)
            let value: EdgeValue = isDead ? .dead : outputs[0]
            if entry.pointee.kind == .constantEnter {
                child.invariants.append((item.node, value))
                for number in child.iterations.keys.sorted() {
                    if let target = child.iterations[number] { send(item.node, value, to: target, &ready) }
                }
            } else if let first = child.iterations[0] {
                send(item.node, value, to: first, &ready)
            }
            child.outstandingEnters -= 1
            finishIterations(of: child, from: 0, &ready)
        case .exit:
            if isDead || outputs[0].isDead {
                // In every iteration but the last, an Exit is dead because the loop continues. An Exit that is dead in the last
                // iteration has no value for the parent frame.
                if iteration.number == frame.lastIteration { frame.deadExits.append(item.node) }
            } else if let target = frame.parentIteration {
                send(item.node, outputs[0], to: target, &ready)
            }
        case .nextIteration:
            if isDead || outputs[0].isDead { break }
            if iteration.number < frame.lastIteration, let target = frame.iterations[iteration.number + 1] {
                send(item.node, outputs[0], to: target, &ready)
            } else if frame.outstandingIterations >= table.frames[frame.layoutIndex].parallelIterations {
                frame.waiting.append((item.node, outputs[0]))
            } else {
                let target = nextIteration(of: frame, &ready)
                send(item.node, outputs[0], to: target, &ready)
            }
        default:
            let before = ready.count
            deliver(entry, outputs, isDead: isDead, to: iteration, &ready)
            iteration.outstanding += ready.count - before
        }
        iteration.outstanding -= 1
        if frame !== root { finishIterations(of: frame, from: iteration.number, &ready) }
    }

    /// Sends a value along all edges of a node's first output, and along its control edges, into an iteration.
    private func send(_ node: Int32, _ value: EdgeValue, to iteration: Iteration, _ ready: inout [Ready]) {
        let entry = table.entries + Int(node)
        let before = ready.count
        var output = value
        withUnsafeMutablePointer(to: &output) { pointer in
            deliver(entry, pointer, isDead: value.isDead, to: iteration, &ready)
        }
        iteration.outstanding += ready.count - before
    }

    private func childFrame(of item: Ready, _ entry: UnsafeMutablePointer<NodeTable.Entry>) -> Frame {
        let frame = item.iteration.frame
        let layout = Int(entry.pointee.position)
        let key = Frame.Child(iteration: item.iteration.number, layout: layout)
        if let child = frame.children[key] { return child }
        let shape = table.frames[layout]
        let child = Frame(
            layoutIndex: layout, id: FrameID.child(of: frame.id, iteration: item.iteration.number, name: shape.name),
            parent: frame, parentIteration: item.iteration, enterCount: shape.enterCount)
        child.iterations[0] = Iteration(shape, number: 0, frame: child)
        frame.children[key] = child
        item.iteration.outstandingFrames += 1
        return child
    }

    private func nextIteration(of frame: Frame, _ ready: inout [Ready]) -> Iteration {
        frame.lastIteration += 1
        frame.deadExits = []
        frame.outstandingIterations += 1
        let iteration = Iteration(table.frames[frame.layoutIndex], number: frame.lastIteration, frame: frame)
        frame.iterations[frame.lastIteration] = iteration
        for (node, value) in frame.invariants { send(node, value, to: iteration, &ready) }
        return iteration
    }

    /// Removes the complete iterations, starting with `number`. Each one lets a waiting iteration start. Ends the frame when no
    /// iteration is left.
    private func finishIterations(of frame: Frame, from number: Int, _ ready: inout [Ready]) {
        var number = number
        while let iteration = frame.iterations[number], iteration.outstanding == 0, iteration.outstandingFrames == 0,
            number == 0 ? frame.outstandingEnters == 0 : frame.iterations[number - 1] == nil
        {
            frame.iterations[number] = nil
            frame.outstandingIterations -= 1
            if !frame.waiting.isEmpty {
                let waiting = frame.waiting
                frame.waiting = []
                let target = nextIteration(of: frame, &ready)
                for (node, value) in waiting { send(node, value, to: target, &ready) }
            }
            number += 1
        }
        if frame.outstandingEnters == 0, frame.outstandingIterations == 0, let target = frame.parentIteration, let parent = frame.parent {
            for node in frame.deadExits { send(node, .dead, to: target, &ready) }
            frame.deadExits = []
            parent.children[Frame.Child(iteration: target.number, layout: frame.layoutIndex)] = nil
            target.outstandingFrames -= 1
            if parent !== root { finishIterations(of: parent, from: target.number, &ready) }
        }
    }
}
