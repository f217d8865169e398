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

    private static func fiveDigits(_ number: Int) -> String {
        let digits = String(number.magnitude)
        let sign = number < 0 ? "-" : ""
        return sign + String(repeating: "0", count: max(0, 5 - sign.count - digits.count)) + digits
    }
}
