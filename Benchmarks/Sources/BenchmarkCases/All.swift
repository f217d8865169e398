extension BenchmarkCase {
    /// All cases. A new case needs `count.py --update`.
    public static let all = tensors + kernels + executor + wire + links + steps
}
