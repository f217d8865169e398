package import WeirTensor

/// The members of a group of collective operations, in the order of their ranks. TensorFlow's `CollGroupParams`.
package struct CollectiveGroup: Sendable, Equatable {
    /// A device that takes part.
    package struct Member: Sendable, Equatable {
        /// The device, with job, replica, task, type and index.
        package var device: DeviceName
        /// The incarnation of the device, which changes when its task restarts.
        package var incarnation: UInt64
        /// A member.
        package init(device: DeviceName, incarnation: UInt64) {
            self.device = device
            self.incarnation = incarnation
        }
    }
    /// The key that all members use.
    package var key: Int
    /// The members. A member's rank is its index: members are sorted by job, replica, task, type and index of their devices, or
    /// as they asked.
    package var members: [Member]
    /// Distinguishes this group from an earlier one of the same key, which has failed or whose members have restarted. All members
    /// have the same. Later groups of a key have larger numbers, also if the task that gives them restarts.
    package var generation: UInt64

    /// A group.
    package init(key: Int, members: [Member], generation: UInt64) {
        self.key = key
        self.members = members
        self.generation = generation
    }

    /// The rank of a device; nil if it is not a member.
    package func rank(of device: DeviceName) -> Int? { members.firstIndex { $0.device == device } }
}
