package import WeirTensor

/// The names of a checkpoint's files. All begin with the checkpoint's prefix.
package enum BundleFiles {
    package static func index(_ prefix: String) -> String { "\(prefix).index" }

    package static func data(_ prefix: String, shard: Int, of count: Int) -> String {
        sharded("\(prefix).data", shard, of: count)
    }

    /// `base-SSSSS-of-NNNNN`.
    package static func sharded(_ base: String, _ shard: Int, of count: Int) -> String {
        "\(base)-\(fiveDigits(shard))-of-\(fiveDigits(count))"
    }

    /// `base-?????-of-NNNNN`, the pattern of all shards.
    package static func sharded(_ base: String, of count: Int) -> String {
        "\(base)-?????-of-\(fiveDigits(count))"
    }

    /// Removes the files of a checkpoint: the index first, so that no index remains without its data. A checkpoint without
    /// files is ignored.
    package static func remove(_ prefix: String) throws(Status) {
        let directory = FileSystem.directory(of: prefix)
        guard FileSystem.isDirectory(directory.isEmpty ? "." : directory) else { return }
        let base = String(prefix.suffix(from: prefix.lastIndex(of: "/").map(prefix.index(after:)) ?? prefix.startIndex))
        let names = try FileSystem.contents(of: directory)
        for name in names.filter({ $0 == index(base) }) + names.filter({ isShard($0, of: base) }) {
            try FileSystem.remove(FileSystem.join(directory, name))
        }
    }

    /// Whether a name is `base.data-SSSSS-of-NNNNN`.
    private static func isShard(_ name: String, of base: String) -> Bool {
        guard name.hasPrefix("\(base).data-") else { return false }
        let parts = name.dropFirst(base.count + 6).split(separator: "-", omittingEmptySubsequences: false)
        return parts.count == 3 && parts[1] == "of" && [parts[0], parts[2]].allSatisfy { $0.count == 5 && $0.allSatisfy(\.isNumber) }
    }

    private static func fiveDigits(_ number: Int) -> String {
        let digits = String(number.magnitude)
        let sign = number < 0 ? "-" : ""
        return sign + String(repeating: "0", count: max(0, 5 - sign.count - digits.count)) + digits
    }
}
