import WeirGraph
import WeirKernels
import WeirTensor

/// The three generations of tensor array ops, which differ in what a handle is.
enum TensorArrayVersion: Sendable {
    case first, second, third

    var suffix: String {
        switch self {
        case .first: ""
        case .second: "V2"
        case .third: "V3"
        }
    }
    /// The handle's type, in the notation of schemas.
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
    /// An op on a tensor array, of one generation.
    convenience init(_ name: String, _ version: TensorArrayVersion, _ signature: String, _ attributes: String...) {
        self.init(
            name + version.suffix, signature.replacingHandle(with: version.handle), attributes: attributes)
        if version.isStateful { _ = stateful() }
    }
}

extension String {
    /// `HANDLE` stands for the handle's type.
    fileprivate func replacingHandle(with type: String) -> String {
        guard let range = firstRange(of: "HANDLE") else { return self }
        return replacingSubrange(range, with: type)
    }
    private func replacingSubrange(_ range: Range<String.Index>, with text: String) -> String {
        String(self[..<range.lowerBound]) + text + String(self[range.upperBound...])
    }
}

/// The array a node works on, and its number among the inputs.
typealias TensorArrayInput = StepResourceInput<TensorArrayResource>

extension KernelRequest {
    var tensorArrayInput: TensorArrayInput { TensorArrayInput(self, label: "Tensor array") }
}

/// One number.
func tensorArrayIndex(_ tensor: Tensor) throws -> Int {
    guard tensor.rank == 0 else {
        throw Status.invalidArgument("TensorArray index must be scalar, but had shape: \(tensor.shape)")
    }
    return Int(tensor.elements(Int32.self)[0])
}
