extension Case {
    /// Every case, family by family. A new one needs `count.py --update`.
    public static let all = tensors + kernels + executor + wire + links + steps
}
