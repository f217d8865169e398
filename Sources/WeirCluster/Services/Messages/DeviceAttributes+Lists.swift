import WeirGraph
import WeirProto
import WeirTensor
import WeirWire

extension DeviceAttributes {
    static func all(_ messages: [TFDeviceAttributes]) throws(Status) -> [DeviceAttributes] {
        var devices: [DeviceAttributes] = []
        for message in messages { devices.append(try DeviceAttributes(message)) }
        return devices
    }
}
