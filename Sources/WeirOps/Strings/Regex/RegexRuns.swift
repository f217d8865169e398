/// A set of instruction numbers, stored as ranges. Most patterns are sequences, whose numbers form few ranges.
struct InstructionSet: Hashable {
    private(set) var runs: [ClosedRange<Int32>]

    init(_ runs: [ClosedRange<Int32>] = []) { self.runs = runs }

    @inline(__always)
    mutating func append(_ instruction: Int) {
        let instruction = Int32(truncatingIfNeeded: instruction)
        if let last = runs.last, last.upperBound + 1 == instruction {
            runs[runs.count - 1] = last.lowerBound...instruction
        } else {
            runs.append(instruction...instruction)
        }
    }

    /// Sorts the ranges and joins adjacent ones, so that equal sets are stored equally.
    mutating func sort() {
        if runs.count < 2 { return }
        let ordered = runs.sorted { $0.lowerBound < $1.lowerBound }
        runs.removeAll(keepingCapacity: true)
        for run in ordered {
            if let last = runs.last, run.lowerBound <= last.upperBound + 1 {
                runs[runs.count - 1] = last.lowerBound...max(last.upperBound, run.upperBound)
            } else {
                runs.append(run)
            }
        }
    }
}
