#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import SwiftProtobuf
import WeirGraph
import WeirProto
import WeirRuntime
import WeirTensor
import WeirWire

// Encodes and decodes TensorFlow's messages of collective operations. Decoding throws `invalidArgument` for malformed messages.
//
// All members of a group must be Weir tasks: TensorFlow's algorithms send other parts. So the leader of a group must know which
// task asks, and a member which task has answered. Weir's requests say so in the upper half of `collective_type`, of which
// TensorFlow uses only small numbers; Weir's replies have a `communicator_key`, which TensorFlow's have only with NCCL.

/// What the upper half of `collective_type` is in a request of a Weir task.
private let weirMark: Int32 = 0x5745_0000
/// `BROADCAST_COLLECTIVE` in TensorFlow's `CollectiveType`.
private let broadcastType: Int32 = 1

extension CompleteGroup {
    /// Decodes a request.
    /// - Throws: `internalError` when it has no device; `failedPrecondition` when it comes from a TensorFlow server.
    init(_ message: TFCompleteGroupRequest) throws(Status) {
        guard message.hasDeviceAttributes else {
            throw .internalError(
                "CompleteGroupRequest device_attributes is not set. Make sure you're running the same version of Tensorflow on all workers.")
        }
        let device = try DeviceAttributes(message.deviceAttributes)
        guard message.collectiveType & 0x7FFF_0000 == weirMark else {
            throw .failedPrecondition(
                "Device \(device.name) of a TensorFlow server asks to join collective group \(message.groupKey), which a Weir task leads; "
                    + "the members of a group must all be Weir tasks, or all be TensorFlow servers")
        }
        guard device.name.isFull else {
            throw .invalidArgument("A member of a collective group has a full device name, found '\(device.name)'")
        }
        self.init(
            groupKey: Int(message.groupKey), groupSize: Int(message.groupSize),
            member: CollectiveGroup.Member(device: device.name, incarnation: device.incarnation),
            rank: message.deviceAttributes.xlaGlobalID < 0 ? nil : Int(message.deviceAttributes.xlaGlobalID))
    }
}

extension TFCompleteGroupRequest {
    init(_ request: CompleteGroup) {
        self.init()
        groupKey = Int32(clamping: request.groupKey)
        groupSize = Int32(clamping: request.groupSize)
        deviceType = request.member.device.type ?? ""
        collectiveType = weirMark
        deviceAttributes = TFDeviceAttributes(request.member)
        // TensorFlow's message has no rank. This is the number of a device among all devices that work together.
        if let rank = request.rank { deviceAttributes.xlaGlobalID = Int64(rank) }
    }
}

extension TFDeviceAttributes {
    fileprivate init(_ member: CollectiveGroup.Member) {
        self.init(
            DeviceAttributes(name: member.device, type: member.device.type ?? "", memoryLimit: 0, incarnation: member.incarnation))
    }
}

extension TFCompleteGroupResponse {
    init(_ group: CollectiveGroup) {
        self.init()
        groupKey = Int32(clamping: group.key)
        groupSize = Int32(clamping: group.members.count)
        deviceType = group.members.first?.device.type ?? ""
        numTasks = Int32(clamping: Set(group.members.map(\.device.taskName)).count)
        communicatorKey = withUnsafeBytes(of: group.generation.littleEndian) { Data($0) }
        deviceAttributes = group.members.map { TFDeviceAttributes($0) }
    }
}

extension CollectiveGroup {
    /// Decodes a reply.
    /// - Throws: `failedPrecondition` when it comes from a TensorFlow server; `internalError` when it is not about this group.
    init(_ message: TFCompleteGroupResponse, for request: CompleteGroup) throws(Status) {
        guard message.communicatorKey.count == 8 else {
            throw .failedPrecondition(
                "Collective group \(request.groupKey) has a TensorFlow server as its leader; the leader of a group of Weir tasks must be a Weir task")
        }
        let generation = message.communicatorKey.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let members = try message.deviceAttributes.map { device throws(Status) in
            Member(device: try DeviceName(device.name), incarnation: device.incarnation)
        }
        guard message.groupKey == request.groupKey, members.count == request.groupSize, members.contains(request.member) else {
            throw .internalError(
                "CompleteGroup: expected group \(request.groupKey) of \(request.groupSize) members with \(request.member.device), "
                    + "found group \(message.groupKey) of \(members.count)")
        }
        self.init(key: request.groupKey, members: members, generation: generation)
    }
}

extension CompleteInstance {
    init(_ message: TFCompleteInstanceRequest) throws(Status) {
        guard message.type & 0x7FFF_0000 == weirMark, message.type & 0xFFFF == broadcastType else {
            throw .invalidArgument(
                "CompleteInstance: expected a broadcast (1) of a Weir task, found an operation of type \(message.type)")
        }
        guard let dtype = DType(message.dataType) else {
            throw .invalidArgument("CompleteInstance: \(message.dataType.rawValue) is not an element type")
        }
        let operation = CollectiveOperation(
            .broadcast(isSource: message.isSource), groupKey: Int(message.groupKey), groupSize: Int(message.groupSize),
            instanceKey: Int(message.instanceKey), dtype: dtype, shape: message.hasShape ? try Shape(message.shape) : nil,
            device: try DeviceName(message.device), name: message.name)
        self.init(operation, generation: UInt64(bitPattern: message.stepID))
    }
}

extension TFCompleteInstanceRequest {
    init(_ request: CompleteInstance) {
        self.init()
        let operation = request.operation
        name = operation.name
        type = weirMark | broadcastType
        dataType = TFDataType(operation.dtype)
        if let known = operation.shape { shape = TFTensorShapeProto(known) }
        groupKey = Int32(clamping: operation.groupKey)
        groupSize = Int32(clamping: operation.groupSize)
        instanceKey = Int32(clamping: operation.instanceKey)
        deviceType = operation.device.type ?? ""
        device = operation.device.description
        if case .broadcast(let isTheSource) = operation.kind { isSource = isTheSource }
        // TensorFlow's leader keeps a group for ever. Weir's needs to know of which generation of the group the request is.
        stepID = Int64(bitPattern: request.generation)
    }
}

extension ReceiveBuffer {
    init(_ message: TFRecvBufRequest) throws(Status) {
        self.init(
            key: try CollectiveKey(text: message.bufRendezvousKey), byteCount: Int(message.numBytes),
            source: CollectiveGroup.Member(device: try DeviceName(message.srcDevice), incarnation: message.srcIncarnation))
        requestID = Int(message.requestID)
    }
}

extension TFRecvBufRequest {
    init(_ request: ReceiveBuffer) {
        self.init()
        bufRendezvousKey = request.key.text
        numBytes = Int64(request.byteCount)
        srcDevice = request.source.device.description
        srcIncarnation = request.source.incarnation
        requestID = Int64(request.requestID)
    }
}
