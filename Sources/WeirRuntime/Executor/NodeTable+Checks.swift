import Glibc
import WeirGraph
import WeirTensor

// What both `ParallelRun` and `SequentialRun` do before and after a kernel.
extension NodeTable {
    /// Replaces each reference by the variable's current value where the kernel takes a value.
    func dereference(_ node: Int32, _ inputs: UnsafeMutablePointer<EdgeValue>, _ count: Int) -> Status? {
        let types = inputTypeStarts[Int(node)]
        for index in 0..<count {
            guard case .reference(let cell) = inputs[index], !inputTypes[types + index].isReference else { continue }
            guard let value = cell.value else {
                return .failedPrecondition("Attempting to use uninitialized value \(cell.name)")
            }
            guard value.dtype == inputTypes[types + index].dtype else {
                return .invalidArgument("\(index)-th input expects type \(inputTypes[types + index].dtype) but its value is \(value.dtype)")
            }
            inputs[index] = .value(value)
        }
        return nil
    }

    /// Checks that every output exists and has the type of the graph, because kernels do not check the types of their inputs.
    @inline(__always)
    func check(_ node: Int32, _ outputs: UnsafeMutablePointer<EdgeValue>, _ count: Int) -> Status? {
        let entry = entries + Int(node)
        for index in 0..<count {
            let expected = types[Int(entry.pointee.typeStart) + index]
            switch outputs[index] {
            case .value(let tensor):
                if tensor.dtype != expected.dtype {
                    return .internalError("output \(index) must be \(expected.dtype), found \(tensor.dtype)")
                }
            case .reference(let cell):
                if cell.dtype != expected.dtype {
                    return .internalError("output \(index) must be a reference to \(expected.dtype), found \(cell.dtype)")
                }
            case .dead: break
            case .empty:
                if entry.pointee.kind == .merge, index == 1 { break }
                return .internalError("Missing \(index)-th output from {{node \(names[Int(node)])}}")
            }
        }
        return nil
    }

    /// Appends the name of the failed node to a status.
    func naming(_ node: Int32, _ status: Status) -> Status {
        // Each nested function call appends a name. The limit bounds the message when thousands of calls are nested.
        guard status.message.utf8.count < 16 << 10 else { return status }
        let name = "[[{{node \(messageNames[Int(node)])}}]]"
        return status.message.contains(name) ? status : status.appending("\n\t \(name)")
    }

    func record(
        _ node: Int32, _ start: Int, _ outputs: UnsafeMutablePointer<EdgeValue>, _ count: Int, _ step: StepContext, _ place: KernelEnvironment
    ) {
        step.trace?.record(
            node: names[Int(node)], op: ops[Int(node)], device: place.device.name.description, start: start, end: StepClock.now(),
            outputs: (0..<count).map { outputs[$0] })
    }
}

/// The clock of traces: nanoseconds since 1970.
package enum StepClock {
    /// The time now.
    package static func now() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }
}
