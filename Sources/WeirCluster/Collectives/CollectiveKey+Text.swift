import WeirRuntime
import WeirTensor

extension CollectiveKey {
    /// The key as RecvBuf's `buf_rendezvous_key`: `group:generation:instance:number:source:destination:part`. TensorFlow's keys
    /// have other fields, because its algorithms send other parts.
    var text: String {
        let generation = String(run.generation, radix: 16)
        return "\(run.group):\(generation):\(run.instance):\(run.number):\(source):\(destination):\(part)"
    }

    /// Parses a key.
    /// - Throws: `invalidArgument` for any other text.
    init(text: String) throws(Status) {
        let fields = text.split(separator: ":", omittingEmptySubsequences: false)
        let numbers = fields.enumerated().compactMap { $0 == 1 ? 0 : Int($1) }
        guard fields.count == 7, numbers.count == 7, let generation = UInt64(fields[1], radix: 16) else {
            throw .invalidArgument(
                "RecvBuf: expected a key group:generation:instance:number:source:destination:part of a Weir task, found \(ClusterSpec.quoted(text)); "
                    + "Weir and TensorFlow tasks cannot be members of one group")
        }
        let run = CollectiveRun(group: numbers[0], generation: generation, instance: numbers[2], number: numbers[3])
        self.init(run: run, source: numbers[4], destination: numbers[5], part: numbers[6])
    }
}
