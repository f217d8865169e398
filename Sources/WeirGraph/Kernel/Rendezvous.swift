public import WeirDevice
public import WeirTensor

/// Where tensors are handed over between devices and tasks, by key, within one step.
public protocol Rendezvous: AnyObject, Sendable {
    /// Leaves a tensor for whoever asks for the key. Never blocks. Several sends to one key queue up.
    /// - Throws: the status the rendezvous was aborted with.
    func send(_ key: RendezvousKey, _ delivery: Delivery) throws(Status)
    /// Asks for a tensor, before or after it is sent; each receive takes one.
    func receive(_ key: RendezvousKey, _ done: @escaping Completion<Delivery>)
    /// Fails everything that waits and everything that comes later.
    func abort(_ status: Status)
}

/// What is handed over.
public struct Delivery: Sendable {
    public var tensor: Tensor
    /// Whether it comes from a branch that was not taken; the tensor is then empty.
    public var isDead: Bool
    /// The device whose memory holds the tensor; nil for the host's.
    public var device: (any Device)?
    /// When the tensor's elements are there; nil when they are.
    public var event: (any DeviceEvent)?

    public init(_ tensor: Tensor, isDead: Bool = false, device: (any Device)? = nil, event: (any DeviceEvent)? = nil) {
        self.tensor = tensor
        self.isDead = isDead
        self.device = device
        self.event = event
    }
    /// Whether it is in the host's memory, for anybody to read.
    public var isOnHost: Bool { device?.isHost ?? true }
    /// Brings the tensor to the host's memory.
    public func download(_ done: @escaping Completion<Tensor>) {
        guard let device, !device.isHost else { return done(.success(tensor)) }
        device.underlying.download(tensor, after: event, done)
    }
    /// A dead one, with the empty tensor that peers expect in its place.
    public static func dead(_ dtype: DType = .float32) -> Delivery {
        Delivery(Tensor([Float](), shape: Shape(0)), isDead: true)
    }
}

/// `source device;source incarnation;destination device;tensor name;frame:iteration`, as peers write it.
public struct RendezvousKey: Sendable, Hashable, CustomStringConvertible {
    public let text: String
    private let hash: Int

    public init(_ text: String) {
        self.text = text
        hash = text.hashValue
    }
    public init(source: String, incarnation: UInt64, destination: String, tensor: String, frame: FrameIteration = .root) {
        let beginning = RendezvousKey.beginning(source: source, incarnation: incarnation)
        self.init("\(beginning)\(destination);\(tensor);\(frame.frame):\(frame.iteration)")
    }
    /// What all keys of a device that sends begin with.
    public static func beginning(source: String, incarnation: UInt64) -> String {
        let digits = String(incarnation, radix: 16)
        return "\(source);\(String(repeating: "0", count: 16 - digits.count))\(digits);"
    }

    public static func == (a: RendezvousKey, b: RendezvousKey) -> Bool { a.hash == b.hash && a.text == b.text }
    public func hash(into hasher: inout Hasher) { hasher.combine(hash) }
    public var description: String { text }

    /// The text up to the first separator: the device that sends, as the key calls it.
    public var source: Substring {
        let bytes = text.utf8
        return text[..<(bytes.firstIndex(of: UInt8(ascii: ";")) ?? bytes.endIndex)]
    }

    /// The fields of a key from a peer.
    public struct Fields: Sendable {
        public var source: DeviceName
        public var incarnation: UInt64
        public var destination: DeviceName
        public var tensor: String
        public var frame: String
    }
    /// - Throws: `invalidArgument` when the key has not five well-formed fields.
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
