extension String {
    /// Up to `limit` of these names that this one may be a mistake for: those with a component between slashes like its last one
    /// or, if there are none, those that differ in the fewest letters. Upper and lower case are the same.
    /// - Complexity: O(length × sum of the names' lengths).
    package func nearest(among names: some Sequence<String>, limit: Int = 3) -> [String] {
        let asked = Array(lowercased().utf8)
        let parts = asked.split(separator: UInt8(ascii: "/"))
        var found: [(distance: Int, name: String)] = []
        for name in names {
            let bytes = Array(name.lowercased().utf8)
            let components = bytes.split(separator: UInt8(ascii: "/"))
            if let last = parts.last, components.contains(last) {
                found.append((0, name))
            } else {
                let distance = String.editDistance(asked, bytes)
                if distance <= Swift.min(3, asked.count / 3) { found.append((distance, name)) }
            }
        }
        guard let best = found.map(\.distance).min() else { return [] }
        return Array(found.filter { $0.distance == best }.map(\.name).sorted().prefix(limit))
    }

    /// The number of bytes to insert, delete or replace to make one text from another (Levenshtein).
    private static func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
        var row = Array(0...b.count)
        for (i, x) in a.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, y) in b.enumerated() {
                let replaced = diagonal + (x == y ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = Swift.min(replaced, diagonal + 1, row[j] + 1)
            }
        }
        return row[b.count]
    }
}
