extension Sequence<Int> {
    /// The sum of numbers that are not negative; `Int.max` if it is larger than that.
    var saturatingSum: Int {
        reduce(0) { sum, next in
            let (total, overflow) = sum.addingReportingOverflow(next)
            return overflow ? .max : total
        }
    }
}
