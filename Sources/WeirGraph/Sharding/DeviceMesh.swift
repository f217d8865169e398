public import WeirTensor

/// Devices in a grid with named axes, such as `data=2, model=2` for four devices.
///
/// The devices are in row-major order: those of one index of the first axis follow each other.
public struct DeviceMesh: Sendable, Hashable {
    /// An axis of a mesh.
    public struct Axis: Sendable, Hashable {
        /// The name.
        public var name: String
        /// The number of devices along the axis.
        public var size: Int
        /// An axis of this size.
        public init(_ name: String, _ size: Int) {
            self.name = name
            self.size = size
        }
    }

    /// The axes; the last varies fastest.
    public let axes: [Axis]
    /// The devices in row-major order, as device scopes take them.
    public let devices: [String]
    private let strides: [Int]

    /// Arranges devices in a grid.
    /// - Throws: `invalidArgument` when there is no axis, an axis has no name or no device, two have the same name, or there are not as
    ///   many devices as the grid has places, each a different one.
    public init(_ axes: [Axis], devices: [String]) throws(Status) {
        try DeviceMesh.check(axes)
        var strides: [Int] = []
        var count = 1
        for axis in axes.reversed() {
            strides.append(count)
            let (product, overflow) = count.multipliedReportingOverflow(by: axis.size)
            guard !overflow else { throw .invalidArgument("A mesh of \(DeviceMesh.text(axes)) has more places than there are devices (\(devices.count))") }
            count = product
        }
        guard count == devices.count else {
            throw .invalidArgument("A mesh of \(DeviceMesh.text(axes)) needs \(count) devices, found \(devices.count): \(devices.joined(separator: ", "))")
        }
        guard Set(devices).count == count else {
            throw .invalidArgument("The devices of a mesh must differ, found \(devices.joined(separator: ", "))")
        }
        self.axes = axes
        self.devices = devices
        self.strides = strides.reversed()
    }

    /// Reads the axes of a mesh: `data=2,model=2`.
    /// - Throws: `invalidArgument` when the text is not such a list, or the axes are not those of a mesh.
    public static func axes(_ text: String) throws(Status) -> [Axis] {
        var axes: [Axis] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let sides = part.split(separator: "=", omittingEmptySubsequences: false)
            guard sides.count == 2, let size = Int(sides[1]) else {
                throw .invalidArgument("A mesh is written like data=2,model=2; found '\(part)' in '\(text)'")
            }
            axes.append(Axis(String(sides[0]), size))
        }
        try check(axes)
        return axes
    }

    private static func check(_ axes: [Axis]) throws(Status) {
        guard !axes.isEmpty else { throw .invalidArgument("A mesh needs at least one axis, found none") }
        // Placements remember axes in the bits of a word.
        guard axes.count <= 8 else { throw .invalidArgument("A mesh has at most 8 axes, found \(axes.count)") }
        for axis in axes where axis.name.isEmpty || axis.size < 1 {
            throw .invalidArgument("An axis of a mesh needs a name and at least one device, found '\(axis.name)' with \(axis.size)")
        }
        guard Set(axes.map(\.name)).count == axes.count else {
            throw .invalidArgument("The axes of a mesh must have different names, found \(text(axes))")
        }
    }
    private static func text(_ axes: [Axis]) -> String { axes.map { "\($0.name)=\($0.size)" }.joined(separator: ",") }

    /// The number of the axis of this name; nil if there is none.
    public func axis(named name: String) -> Int? { axes.firstIndex { $0.name == name } }
    /// The index of a device along an axis.
    package func index(of position: Int, along axis: Int) -> Int { position / strides[axis] % axes[axis].size }
    /// The device with another index along an axis.
    func position(_ position: Int, along axis: Int, at index: Int) -> Int {
        position + (index - self.index(of: position, along: axis)) * strides[axis]
    }
    /// The devices along an axis, in order, beside the device at `position`.
    func line(through position: Int, along axis: Int) -> [Int] { (0..<axes[axis].size).map { self.position(position, along: axis, at: $0) } }
    /// The devices that have index 0 along every axis for which `spans` is false.
    func positions(_ spans: (Int) -> Bool) -> [Int] {
        devices.indices.filter { position in axes.indices.allSatisfy { spans($0) || index(of: position, along: $0) == 0 } }
    }
}

extension DeviceMesh: CustomStringConvertible {
    /// The axes as `axes(_:)` reads them.
    public var description: String { DeviceMesh.text(axes) }
}
