import Weir

extension BenchmarkCase {
    /// Encodes and decodes messages.
    static let wire: [BenchmarkCase] =
        [("4B", 1, 500), ("4KB", 1 << 10, 200), ("1MB", 256 << 10, 5)].flatMap(tensorMessages) + [
            BenchmarkCase("wire/graph-encode/1000", iterations: 2, parts: 1000) {
                let definition = thousandNodes
                return { keep(try definition.serialized()) }
            },
            BenchmarkCase("wire/graph-decode/1000", iterations: 2, parts: 1000) {
                let bytes = try thousandNodes.serialized()
                return { keep(try GraphDefinition(serialized: bytes)) }
            },
            BenchmarkCase("wire/graph-resolve/1000", iterations: 2, parts: 1000) {
                let definition = thousandNodes
                return { keep(try Graph(definition, registry: .standard)) }
            },
        ]

    /// Encodes a tensor as a `TensorProto` and as a response to RecvTensor, of which only the head is encoded. Decodes both.
    private static func tensorMessages(_ label: String, _ count: Int, _ iterations: Int) -> [BenchmarkCase] {
        [
            BenchmarkCase("wire/tensor-encode/\(label)", iterations: iterations) {
                let tensor = try Tensor.sample([count])
                return { keep(try tensor.serialized()) }
            },
            BenchmarkCase("wire/tensor-decode/\(label)", iterations: iterations) {
                let bytes = try Tensor.sample([count]).serialized()
                return { keep(try Tensor(serialized: bytes)) }
            },
            BenchmarkCase("wire/receive-encode/\(label)", iterations: iterations) {
                let tensor = try Tensor.sample([count])
                return { keep(try ReceiveTensorCoder.encode(tensor, sendStartMicros: 1 << 50)) }
            },
            BenchmarkCase("wire/receive-decode/\(label)", iterations: iterations) {
                let bytes = try ReceiveTensorCoder.encode(try .sample([count]), sendStartMicros: 1 << 50).contiguous
                return { keep(try ReceiveTensorCoder.decode(bytes)) }
            },
        ]
    }

    private static let thousandNodes = GraphDefinition(
        nodes: [NodeDefinition(name: "scope/node_0", op: "Placeholder", attributes: ["dtype": .type(.float32)])]
            + (1..<1000).map { number in
                NodeDefinition(
                    name: "scope/node_\(number)", op: "AddV2",
                    inputs: ["scope/node_\(number - 1)", "scope/node_\(number / 2)"],
                    device: "/job:worker/task:\(number % 2)", attributes: ["T": .type(.float32)])
            })
}
