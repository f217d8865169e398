/// The element of a resource tensor: names a variable, queue, table… in one device's resource table.
public struct ResourceHandle: TensorElement, Hashable {
    /// What a handle says; shared, so that a handle is one pointer.
    public final class Contents: Sendable, Hashable {
        public let device: String
        public let container: String
        public let name: String
        /// TensorFlow's hash of the resource's type: opaque, echoed to whoever sent it.
        public let hashCode: UInt64
        public let typeName: String
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
        public static func == (a: Contents, b: Contents) -> Bool {
            a === b
                || (a.device == b.device && a.container == b.container && a.name == b.name
                    && a.typeName == b.typeName)
        }
        public func hash(into hasher: inout Hasher) {
            hasher.combine(device)
            hasher.combine(container)
            hasher.combine(name)
        }
    }

    let contents: Contents?
    /// An in-process object that the handle carries itself (anonymous resources); never crosses a process.
    public let object: (any AnyObject & Sendable)?

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

    public var device: String { contents?.device ?? "" }
    public var container: String { contents?.container ?? "" }
    public var name: String { contents?.name ?? "" }
    public var typeName: String { contents?.typeName ?? "" }
    public var hashCode: UInt64 { contents?.hashCode ?? 0 }
    public var dtypesAndShapes: [(dtype: DType, shape: PartialShape)] { contents?.dtypesAndShapes ?? [] }

    public static var dtype: DType { .resource }
    public static var zero: ResourceHandle { ResourceHandle() }
    public static func == (a: ResourceHandle, b: ResourceHandle) -> Bool {
        a.contents == b.contents && a.object === b.object
    }
    public func hash(into hasher: inout Hasher) { hasher.combine(contents) }
}
