public import WeirDevice
public import WeirTensor

/// Passes tensors between devices and tasks, by key, within one step. TensorFlow's `Rendezvous`.
public protocol Rendezvous: AnyObject, Sendable {
    /// Stores a tensor for the receiver of the key. Never blocks. Several tensors of one key are received in the order in which
    /// they were sent.
    /// - Throws: the status that the rendezvous was aborted with.
    func send(_ key: RendezvousKey, _ delivery: RendezvousItem) throws(Status)
    /// Requests a tensor, before or after it is sent. Each receive takes one tensor.
    func receive(_ key: RendezvousKey, _ done: @escaping Completion<RendezvousItem>)
    /// Fails all pending and all later sends and receives.
    func abort(_ status: Status)
}

/// A tensor sent through a rendezvous, with its device and event.
public struct RendezvousItem: Sendable {
    /// The tensor; empty if `isDead`.
    public var tensor: Tensor
    /// Whether the tensor is dead, because it comes from a branch that was not taken.
    public var isDead: Bool
    /// The device whose memory contains the tensor; nil for the host.
    public var device: (any Device)?
    /// The event after which the tensor's elements are written; nil if they already are.
    public var event: (any DeviceEvent)?

    /// A tensor in the memory of `device`, complete after `event`.
    public init(_ tensor: Tensor, isDead: Bool = false, device: (any Device)? = nil, event: (any DeviceEvent)? = nil) {
        self.tensor = tensor
        self.isDead = isDead
        self.device = device
        self.event = event
    }
    /// Whether the tensor is in host memory.
    public var isOnHost: Bool { device?.isHost ?? true }
    /// Copies the tensor to host memory. A tensor that is there already is not copied.
    public func download(_ done: @escaping Completion<Tensor>) {
        guard let device, !device.isHost else { return done(.success(tensor)) }
        device.underlying.download(tensor, after: event, done)
    }
    /// A dead tensor. Whatever the dtype of the edge, it carries an empty `float32` vector, as TensorFlow's executor sends for a
    /// dead input. The receiver propagates deadness and does not read the tensor.
    public static func dead() -> RendezvousItem { RendezvousItem(Tensor([Float]()), isDead: true) }
}

/// `source device;source incarnation;destination device;tensor name;frame:iteration`, in TensorFlow's format, because other
/// tasks use it too.
public struct RendezvousKey: Sendable, Hashable, CustomStringConvertible {
    /// The whole key.
    public let text: String
    private let hash: Int

    /// A key with this text, which is not checked.
    public init(_ text: String) {
        self.text = text
        hash = text.hashValue
    }
    /// A key of these fields.
    public init(source: String, incarnation: UInt64, destination: String, tensor: String, frame: FrameIteration = .root) {
        let beginning = RendezvousKey.beginning(source: source, incarnation: incarnation)
        self.init("\(beginning)\(destination);\(tensor);\(frame.frame):\(frame.iteration)")
    }
    /// The prefix of all keys of one sending device: its name and its incarnation as 16 hexadecimal digits.
    public static func beginning(source: String, incarnation: UInt64) -> String {
        let digits = String(incarnation, radix: 16)
        return "\(source);\(String(repeating: "0", count: 16 - digits.count))\(digits);"
    }

    /// Whether the texts are equal. Compares the cached hash values first.
    public static func == (a: RendezvousKey, b: RendezvousKey) -> Bool { a.hash == b.hash && a.text == b.text }
    /// Hashes the cached hash value of the text.
    public func hash(into hasher: inout Hasher) { hasher.combine(hash) }
    /// The whole key.
    public var description: String { text }

    /// The text before the first separator: the name of the sending device, as the key spells it.
    public var source: Substring {
        let bytes = text.utf8
        return text[..<(bytes.firstIndex(of: UInt8(ascii: ";")) ?? bytes.endIndex)]
    }

    /// The parsed fields of a key.
    public struct Fields: Sendable {
        /// The sending device.
        public var source: DeviceName
        /// The incarnation of the sending device, which changes when its task restarts.
        public var incarnation: UInt64
        /// The receiving device.
        public var destination: DeviceName
        /// The name of the tensor's edge.
        public var tensor: String
        /// `frame:iteration` of the loop; `0:0` outside of loops.
        public var frame: String
    }
    /// Parses the key.
    /// - Throws: `invalidArgument` when the key does not have five well-formed fields.
    public func fields() throws(Status) -> Fields {
        let parts = text.split(separator: ";", omittingEmptySubsequences: false)
        guard parts.count == 5, parts.allSatisfy({ !$0.isEmpty }), let incarnation = UInt64(parts[1], radix: 16) else {
            throw .invalidArgument("Invalid rendezvous key: \(text)")
        }
        return Fields(
            source: try DeviceName(String(parts[0])), incarnation: incarnation,
            destination: try DeviceName(String(parts[2])), tensor: String(parts[3]), frame: String(parts[4]))
    }
}
