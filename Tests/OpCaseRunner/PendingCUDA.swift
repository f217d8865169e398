import WeirGraph
import WeirOps

/// The ops for which TensorFlow has a GPU kernel, but Weir has none for CUDA yet. This list only gets shorter.
enum PendingCUDA {
    static let ops: Set<String> = Set(
        OpRegistry.standard.definitions.filter { op in
            op.cudaKernel == nil && op.supports.contains { $0.deviceType == "GPU" }
        }.map(\.name))

    /// The op that a case needs and that has no CUDA kernel; nil if the case fails for another reason, or does not fail.
    static func op(_ differences: [String]) -> String? {
        for text in differences {
            guard let end = text.firstRange(of: " has no CUDA kernel"), let start = text.firstRange(of: "Op '") else { continue }
            return String(text[start.upperBound..<end.lowerBound].prefix { $0 != "'" })
        }
        return nil
    }
}
