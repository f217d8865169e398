import ArgumentParser

/// A number of bytes as people write it: `512MB`, `4GB`, `1073741824`.
struct ByteCount: ExpressibleByArgument {
    let value: Int
    private static let units: [String: Int] = ["": 1, "B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40]

    init?(argument: String) {
        let digits = argument.prefix { $0.isASCII && $0.isNumber }
        guard let count = Int(digits), let unit = ByteCount.units[argument[digits.endIndex...].uppercased()] else { return nil }
        let (value, overflow) = count.multipliedReportingOverflow(by: unit)
        guard !overflow, value > 0 else { return nil }
        self.value = value
    }
}
