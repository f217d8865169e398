/// A place that runs one trial at a time.
public enum SweepServer: Hashable, Sendable {
    /// A server at `host:port`.
    case address(String)
    /// A place in this process, by number.
    case slot(Int)
}

extension SweepServer: CustomStringConvertible {
    /// The address, or `slot` and the number.
    public var description: String {
        switch self {
        case .address(let address): address
        case .slot(let number): "slot \(number)"
        }
    }
}
