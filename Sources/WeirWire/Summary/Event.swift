import Glibc

/// One event of an event file (TensorFlow's `Event`).
package struct Event: Sendable {
    /// Seconds since 1970.
    package var wallTime: Double
    package var step: Int64
    package var content: Content?
    /// The program that wrote the file; set in its first event only.
    package var writer: String

    package enum Content: Sendable {
        /// The first event of a file: `brain.Event:2`.
        case fileVersion(String)
        /// A serialized `GraphDef`.
        case graph([UInt8])
        /// A serialized `MetaGraphDef`.
        case metaGraph([UInt8])
        case summary(Summary)
        case session(SessionLog)
        /// A serialized `RunMetadata` of the step `tag`.
        case runMetadata(tag: String, [UInt8])
    }

    /// Records that a run starts, stops, or wrote a checkpoint. A start invalidates later steps of an earlier run.
    package struct SessionLog: Hashable, Sendable {
        package enum State: Int, Sendable { case unspecified, start, stop, checkpoint }
        package var state: State
        package var checkpointPath: String
        package var message: String

        package init(_ state: State, checkpointPath: String = "", message: String = "") {
            self.state = state
            self.checkpointPath = checkpointPath
            self.message = message
        }
    }

    package init(wallTime: Double = Event.now, step: Int64 = 0, _ content: Content?, writer: String = "") {
        self.wallTime = wallTime
        self.step = step
        self.content = content
        self.writer = writer
    }

    /// The current time, in seconds since 1970.
    package static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}
