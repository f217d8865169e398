import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

/// What is done to the sums of a product or convolution before they are stored, in CUDA C++.
struct CUDAEpilogue: Sendable {
    /// Statements on `C x` for channel `channel` and element `place` of the result, and the tensors `e0`, `e1`… of type T.
    var statements = ""
    var declarations = ""
    private(set) var tensorCount = 0

    /// Takes another tensor and returns its name.
    mutating func tensor() -> String {
        tensorCount += 1
        return "e\(tensorCount - 1)"
    }
    /// The parameters and arguments of functions that take the tensors, each after a comma.
    var parameters: String { (0..<tensorCount).map { ", const T* e\($0)" }.joined() }
    var arguments: String { (0..<tensorCount).map { ", e\($0)" }.joined() }

    /// The program that applies the epilogue to a result that is there. Channels are `inner` elements apart.
    func pass(_ request: KernelRequest, _ dtype: DType) throws -> CUDAModule {
        guard let type = dtype.cudaName else { throw request.unsupportedType("T") }
        return try request.cudaModule(
            "\(request.op.name) epilogue", ["T": type],
            """
            typedef Compute<T>::type C;
            \(declarations)
            DEVICE T finish(C x, int64 channel, int64 place\(parameters)) {
            \(statements)
                return narrow<T>(x);
            }
            template <class I> DEVICE void visit(T* out, I count, I channels, I inner\(parameters)) {
                for (int64 n = first(); n < count; n += stride()) out[n] = finish(widen(out[n]), (I)n / inner % channels, n\(arguments));
            }
            KERNEL pass(T* out, int64 count, int64 channels, int64 inner\(parameters)) {
                if (count < (int64)1 << 32) visit<uint32>(out, (uint32)count, (uint32)channels, (uint32)inner\(arguments));
                else visit<int64>(out, count, channels, inner\(arguments));
            }
            """)
    }
}

extension Double {
    /// The number in CUDA C++, also if it is infinite or NaN.
    var cudaLiteral: String { "__longlong_as_double((int64)0x\(String(bitPattern, radix: 16))ULL)" }
}
