public import WeirGraph
public import WeirTensor

/// What `Session.run` can fetch: an output, the name of a tensor, an operation, or an array or a dictionary of fetchables.
public protocol Fetchable: Sendable {
    /// The type of the fetched value.
    associatedtype Fetched
    /// The names of the tensors to fetch, in order.
    var fetchNames: [String] { get }
    /// The names of the operations to run for their effect.
    var targetNames: [String] { get }
    /// Makes the fetched value.
    /// - Parameter tensors: the tensors of `fetchNames`, in their order.
    func value(from tensors: [Tensor]) -> Fetched
}

extension Fetchable {
    /// No operations.
    public var targetNames: [String] { [] }
}

extension Output: Fetchable {
    /// The name of the tensor.
    public var fetchNames: [String] { [name] }
    /// Returns the tensor.
    public func value(from tensors: [Tensor]) -> Tensor { tensors[0] }
}

extension String: Fetchable {
    /// The text, as the name of a tensor: `node:index`, or `node` for its first output.
    public var fetchNames: [String] { [self] }
    /// Returns the tensor.
    public func value(from tensors: [Tensor]) -> Tensor { tensors[0] }
}

extension Operation: Fetchable {
    /// No tensors.
    public var fetchNames: [String] { [] }
    /// The name of the operation.
    public var targetNames: [String] { [name] }
    /// Returns nothing.
    public func value(from tensors: [Tensor]) {}
}

extension Array: Fetchable where Element: Fetchable {
    /// The tensors of all elements, in order.
    public var fetchNames: [String] { flatMap(\.fetchNames) }
    /// The operations of all elements.
    public var targetNames: [String] { flatMap(\.targetNames) }
    /// Returns the value of each element.
    public func value(from tensors: [Tensor]) -> [Element.Fetched] {
        var rest = tensors[...]
        return map { element in
            let count = element.fetchNames.count
            defer { rest = rest.dropFirst(count) }
            return element.value(from: [Tensor](rest.prefix(count)))
        }
    }
}

extension Dictionary: Fetchable where Key == String, Value: Fetchable {
    /// Sorted by key, because the order of a dictionary may differ between two calls.
    private var ordered: [(String, Value)] { map { ($0.key, $0.value) }.sorted { $0.0 < $1.0 } }
    /// The tensors of all values, by key.
    public var fetchNames: [String] { ordered.flatMap(\.1.fetchNames) }
    /// The operations of all values.
    public var targetNames: [String] { ordered.flatMap(\.1.targetNames) }
    /// Returns the fetched value for each key.
    public func value(from tensors: [Tensor]) -> [String: Value.Fetched] {
        var rest = tensors[...]
        var result: [String: Value.Fetched] = [:]
        for (key, element) in ordered {
            let count = element.fetchNames.count
            result[key] = element.value(from: [Tensor](rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
        return result
    }
}
