public import WeirTensor

/// How a model's layers are assigned to devices.
///
/// A layer for which the model itself asks for a device, with `GraphBuilder.device`, keeps it in both ways.
public enum LayerAssignment: Sendable {
    /// Contiguous stages, one for each device in order, such that the most expensive stage is as cheap as possible.
    case balanced(LayerCost = .operations)
    /// The first rule whose pattern matches a layer's name gives its device. A layer that no rule matches is on the device of the
    /// layer before it, the first layer on the first device; so one rule for the first layer of each stage is enough.
    case rules([Rule])

    /// The device of the layers whose names match a pattern.
    public struct Rule: Sendable {
        /// A layer's name, or a pattern in which `*` stands for any characters.
        public var pattern: String
        /// One of the devices that compute: `/cpu:1`, `/job:worker/task:2`. It may leave out what only one of them has.
        public var device: String
        /// A rule.
        public init(_ pattern: String, _ device: String) {
            self.pattern = pattern
            self.device = device
        }

        /// Whether a name matches the pattern.
        func matches(_ name: String) -> Bool { Rule.matches(Array(name.utf8)[...], Array(pattern.utf8)[...]) }
        private static func matches(_ name: ArraySlice<UInt8>, _ pattern: ArraySlice<UInt8>) -> Bool {
            var name = name, pattern = pattern
            // After a star, remembers where to go on if the rest does not match.
            var retry: (name: ArraySlice<UInt8>, pattern: ArraySlice<UInt8>)?
            while true {
                if let first = pattern.first, first == UInt8(ascii: "*") {
                    pattern = pattern.dropFirst()
                    retry = (name, pattern)
                } else if let wanted = pattern.first, wanted == name.first {
                    (name, pattern) = (name.dropFirst(), pattern.dropFirst())
                } else if name.isEmpty, pattern.isEmpty {
                    return true
                } else if let last = retry, !last.name.isEmpty {
                    (name, pattern) = (last.name.dropFirst(), last.pattern)
                    retry = (name, pattern)
                } else {
                    return false
                }
            }
        }
    }

    /// Rules from a list such as `hidden1=/cpu:0,hidden4=/cpu:1`.
    /// - Throws: `invalidArgument` when an entry is not a pattern and a device.
    public init(rules text: String) throws(Status) {
        var rules: [Rule] = []
        for entry in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let middle = entry.firstIndex(of: "="), middle != entry.startIndex, entry.index(after: middle) != entry.endIndex else {
                throw .invalidArgument("Layers must be a list such as hidden1=/cpu:0,hidden4=/cpu:1; found '\(entry)'")
            }
            rules.append(Rule(String(entry[..<middle]), String(entry[entry.index(after: middle)...])))
        }
        self = .rules(rules)
    }

    /// The device of each layer, as an index of `devices`.
    /// - Throws: `invalidArgument` for a rule that matches no layer or names no device, for a device that the model asks for and
    ///   that is not among the devices, and when there is no balanced cut that respects what the model asks for.
    func devices(of cut: LayerCut, _ model: ModelGraph, among devices: [String], rowCount: Int) throws(Status) -> [Int] {
        let pinned = try cut.layers.map { layer throws(Status) in
            try layer.requestedDevice.map { device throws(Status) in try LayerAssignment.index(of: device, in: devices, "Layer '\(layer.name)'") }
        }
        switch self {
        case .rules(let rules):
            let chosen = try rules.map { rule throws(Status) in
                guard cut.layers.contains(where: { rule.matches($0.name) }) else {
                    throw .invalidArgument("No layer is named '\(rule.pattern)'; the model's layers are \(cut.list)")
                }
                return try LayerAssignment.index(of: DeviceName(rule.device), in: devices, "The rule for '\(rule.pattern)'")
            }
            var result: [Int] = []
            for (layer, pin) in zip(cut.layers, pinned) {
                let index = rules.firstIndex { $0.matches(layer.name) }.map { chosen[$0] }
                result.append(pin ?? index ?? result.last ?? 0)
            }
            return result
        case .balanced(let cost):
            // What the model decides alone need not be contiguous.
            let decided = pinned.compactMap { $0 }
            if decided.count == pinned.count { return decided }
            guard devices.count <= cut.layers.count else {
                throw .invalidArgument(
                    "\(devices.count) devices, one for each stage, need as many layers; the model has \(cut.layers.count): \(cut.list)")
            }
            let costs = try cost.layers(of: cut, model, rowCount: rowCount)
            guard let stages = BalancedCut(costs: costs, fixed: pinned, isJoined: cut.isJoined).stages(devices.count) else {
                throw .invalidArgument(
                    "The layers \(cut.list) cannot be cut into \(devices.count) stages in this order such that layers that use each other are "
                        + "together and the devices that the model asks for are kept")
            }
            return stages
        }
    }

    /// The device that a name stands for.
    private static func index(of name: DeviceName, in devices: [String], _ asker: String) throws(Status) -> Int {
        var found: [Int] = []
        for (index, device) in devices.enumerated() where try DeviceName(device).matches(name) { found.append(index) }
        guard found.count == 1 else {
            throw .invalidArgument(
                "\(asker) asks for device \(name), which is \(found.isEmpty ? "none" : "more than one") of \(devices.joined(separator: ", "))")
        }
        return found[0]
    }
}
