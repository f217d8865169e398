/// The element of a resource tensor. It names a resource (a variable, a queue, a table) in the resource table of a device.
public struct ResourceHandle: TensorElement, Hashable {
    /// The fields of a handle. They are shared, so that a handle takes one pointer.
    public final class Contents: Sendable, Hashable {
        /// The name of the device that holds the resource.
        public let device: String
        /// The container in the device's resource table; empty for the default one.
        public let container: String
        /// The resource's name in its container.
        public let name: String
        /// TensorFlow's hash of the resource's type. Weir does not interpret it, and sends it back as received.
        public let hashCode: UInt64
        /// The resource's type, by TensorFlow's name.
        public let typeName: String
        /// The dtypes and shapes of the resource's values (of a variable: one); empty when unknown.
        public let dtypesAndShapes: [(dtype: DType, shape: PartialShape)]

        init(
            device: String, container: String, name: String, hashCode: UInt64, typeName: String,
            dtypesAndShapes: [(dtype: DType, shape: PartialShape)]
        ) {
            self.device = device
            self.container = container
            self.name = name
            self.hashCode = hashCode
            self.typeName = typeName
            self.dtypesAndShapes = dtypesAndShapes
        }
        /// Equal when device, container, name and type name are. Dtypes, shapes and the hash code are not compared.
        public static func == (a: Contents, b: Contents) -> Bool {
            a === b
                || (a.device == b.device && a.container == b.container && a.name == b.name
                    && a.typeName == b.typeName)
        }
        /// Hashes device, container and name.
        public func hash(into hasher: inout Hasher) {
            hasher.combine(device)
            hasher.combine(container)
            hasher.combine(name)
        }
    }

    /// TensorFlow's `shared_name` of resources without a name: each execution of such a node makes a new resource, which lives as
    /// long as its handle.
    package static let anonymousName = "cd2c89b7-88b7-44c8-ad83-06c2a9158347"

    let contents: Contents?
    /// The resource itself, for anonymous resources. It is not serialized.
    public let object: (any AnyObject & Sendable)?

    /// Makes a handle.
    public init(
        device: String, container: String, name: String, typeName: String, hashCode: UInt64 = 0,
        dtypesAndShapes: [(dtype: DType, shape: PartialShape)] = [], object: (any AnyObject & Sendable)? = nil
    ) {
        contents = Contents(
            device: device, container: container, name: name, hashCode: hashCode, typeName: typeName,
            dtypesAndShapes: dtypesAndShapes)
        self.object = object
    }
    private init() {
        contents = nil
        object = nil
    }

    /// The name of the device that holds the resource; empty for an empty handle.
    public var device: String { contents?.device ?? "" }
    /// The container in the device's resource table; empty for the default one.
    public var container: String { contents?.container ?? "" }
    /// The resource's name in its container.
    public var name: String { contents?.name ?? "" }
    /// The resource's type, by TensorFlow's name.
    public var typeName: String { contents?.typeName ?? "" }
    /// TensorFlow's hash of the resource's type; see `Contents.hashCode`.
    public var hashCode: UInt64 { contents?.hashCode ?? 0 }
    /// The dtypes and shapes of the resource's values; empty when unknown.
    public var dtypesAndShapes: [(dtype: DType, shape: PartialShape)] { contents?.dtypesAndShapes ?? [] }

    /// `DType.resource`.
    public static var dtype: DType { .resource }
    /// A handle that names no resource.
    public static var zero: ResourceHandle { ResourceHandle() }
    /// Equal when both name the same resource and carry the same object.
    public static func == (a: ResourceHandle, b: ResourceHandle) -> Bool {
        a.contents == b.contents && a.object === b.object
    }
    /// Hashes the fields; the object does not contribute.
    public func hash(into hasher: inout Hasher) { hasher.combine(contents) }
}
