import WeirGraph
import WeirKernels
import WeirTensor

/// The three versions of the tensor array ops, which differ in the type of the handle.
enum TensorArrayVersion: Sendable {
    case first, second, third

    var suffix: String {
        switch self {
        case .first: ""
        case .second: "V2"
        case .third: "V3"
        }
    }
    /// The type of the handle, in the notation of op schemas.
    var handle: String {
        switch self {
        case .first: "Ref(string)"
        case .second: "string"
        case .third: "resource"
        }
    }
    var isStateful: Bool { self == .third }
}

extension OpDefinition {
    /// Makes the schema of one version of an op on a tensor array. `HANDLE` in `signature` is the type of the handle.
    convenience init(_ name: String, _ version: TensorArrayVersion, _ signature: String, _ attributes: String...) {
        self.init(
            name + version.suffix, signature.replacingHandle(with: version.handle), attributes: attributes)
        if version.isStateful { _ = stateful() }
    }
}

extension String {
    /// Replaces the first `HANDLE` with `type`.
    fileprivate func replacingHandle(with type: String) -> String {
        guard let range = firstRange(of: "HANDLE") else { return self }
        return replacingSubrange(range, with: type)
    }
    private func replacingSubrange(_ range: Range<String.Index>, with text: String) -> String {
        String(self[..<range.lowerBound]) + text + String(self[range.upperBound...])
    }
}

/// The input of a kernel that is a tensor array's handle.
typealias TensorArrayInput = StepResourceInput<TensorArrayResource>

extension KernelRequest {
    var tensorArrayInput: TensorArrayInput { TensorArrayInput(self, label: "Tensor array") }
}

/// Returns the index in an `int32` scalar.
func tensorArrayIndex(_ tensor: Tensor) throws -> Int {
    guard tensor.rank == 0 else {
        throw Status.invalidArgument("TensorArray index must be scalar, but had shape: \(tensor.shape)")
    }
    return Int(tensor.elements(Int32.self)[0])
}
