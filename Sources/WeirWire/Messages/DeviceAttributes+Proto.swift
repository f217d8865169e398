package import WeirProto
public import WeirTensor

/// The attributes of a device that a server announces: TensorFlow's `DeviceAttributes`.
public struct DeviceAttributes: Sendable, Hashable {
    /// The full name, such as `/job:worker/replica:0/task:0/device:CPU:0`.
    public var name: DeviceName
    /// The device type, such as `CPU` or `GPU`.
    public var type: String
    /// The most bytes of tensors that the device holds.
    public var memoryLimit: Int
    /// A random number drawn when the process starts. When it changes, the process was restarted and has lost its state.
    public var incarnation: UInt64
    /// A description of the hardware for a person.
    public var hardware: String

    /// Makes the attributes of a device.
    public init(name: DeviceName, type: String, memoryLimit: Int, incarnation: UInt64, hardware: String = "") {
        self.name = name
        self.type = type
        self.memoryLimit = memoryLimit
        self.incarnation = incarnation
        self.hardware = hardware
    }

    /// Decodes the attributes.
    /// - Throws: `invalidArgument` when the name is not a device name.
    package init(_ message: TFDeviceAttributes) throws(Status) {
        self.init(
            name: try DeviceName(message.name), type: message.deviceType, memoryLimit: Int(message.memoryLimit),
            incarnation: message.incarnation, hardware: message.physicalDeviceDesc)
    }
}

extension DeviceAttributes: CustomStringConvertible {
    /// The attributes in TensorFlow's order: `DeviceAttributes(/job:ps/replica:0/task:0/device:CPU:0, CPU, 268435456, 1234)`.
    public var description: String {
        "DeviceAttributes(\(name), \(type), \(memoryLimit), \(incarnation)\(hardware.isEmpty ? "" : ", \(hardware)"))"
    }
}

extension TFDeviceAttributes {
    package init(_ device: DeviceAttributes) {
        self.init()
        name = device.name.description
        deviceType = device.type
        memoryLimit = Int64(device.memoryLimit)
        // TensorFlow writes an empty locality and this id for a device whose locality it does not know.
        locality = TFDeviceLocality()
        xlaGlobalID = -1
        incarnation = device.incarnation
        physicalDeviceDesc = device.hardware
    }
}
