extension Duration {
    /// Whole milliseconds, rounded up: a timeout must not become 0, which means no timeout.
    var milliseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1000)
        let (sum, isTooMuch) = whole.addingReportingOverflow((attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
        return overflow || isTooMuch ? .max : sum
    }
}
