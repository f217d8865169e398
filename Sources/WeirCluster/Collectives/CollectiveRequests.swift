package import WeirGraph
package import WeirRuntime
package import WeirTensor

/// The request of CompleteGroup: a device joins a group.
package struct CompleteGroup: Sendable, Equatable {
    /// The group's key.
    package var groupKey: Int
    /// The number of members.
    package var groupSize: Int
    /// The device that joins.
    package var member: CollectiveGroup.Member
    /// The rank that the device asks for; nil if the names of the devices decide.
    package var rank: Int?
    /// Makes a request.
    package init(groupKey: Int, groupSize: Int, member: CollectiveGroup.Member, rank: Int? = nil) {
        self.groupKey = groupKey
        self.groupSize = groupSize
        self.member = member
        self.rank = rank
    }
}

/// The request of CompleteInstance: a member of a group takes part in a broadcast.
package struct CompleteInstance: Sendable {
    /// The node's part of the operation, with its device. Its kind is a broadcast.
    package var operation: CollectiveOperation
    /// The generation of the group.
    package var generation: UInt64
    /// Makes a request.
    package init(_ operation: CollectiveOperation, generation: UInt64) {
        self.operation = operation
        self.generation = generation
    }
}

/// The request of RecvBuf: one tensor that a member of a group sends to another.
package struct ReceiveBuffer: Sendable, Equatable {
    /// The tensor.
    package var key: CollectiveKey
    /// The number of bytes that it must have.
    package var byteCount: Int
    /// The member that sends it.
    package var source: CollectiveGroup.Member
    /// Identifies the request, so that the worker does not execute it twice. With 0 the client stub draws a random one.
    package var requestID = 0
    /// Makes a request.
    package init(key: CollectiveKey, byteCount: Int, source: CollectiveGroup.Member) {
        self.key = key
        self.byteCount = byteCount
        self.source = source
    }
}

/// Tells a task that a group has ended.
package struct EndGroup: Sendable, Equatable {
    /// The group's key.
    package var groupKey: Int
    /// The generation of the group.
    package var generation: UInt64
    /// Why it has ended.
    package var status: Status
    /// Makes a request.
    package init(groupKey: Int, generation: UInt64, status: Status) {
        self.groupKey = groupKey
        self.generation = generation
        self.status = status
    }
}

/// The request of a task that wants to know when a group ends.
package struct WatchGroup: Sendable, Equatable {
    /// The group's key.
    package var groupKey: Int
    /// The generation of the group.
    package var generation: UInt64
    /// The task that watches, for messages.
    package var task: DeviceName
    /// Makes a request.
    package init(groupKey: Int, generation: UInt64, task: DeviceName) {
        self.groupKey = groupKey
        self.generation = generation
        self.task = task
    }
}
