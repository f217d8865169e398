import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

extension CUDAReducer {
    /// The greatest and the least row of a segment. As on the CPU, NaN is left out, and infinities of the wrong sign too.
    static let segmentGreatest = CUDAReducer(
        zero: "-finite<T>()", accumulate: "a < x ? x : a", merge: "a < b ? b : a", declarations: CUDAReducer.limits + finite)
    static let segmentLeast = CUDAReducer(
        zero: "finite<T>()", accumulate: "x < a ? x : a", merge: "b < a ? b : a", declarations: CUDAReducer.limits + finite)
    /// The same of integers.
    static let segmentGreatestInteger = CUDAReducer(
        zero: "lowest<C>()", accumulate: "a < x ? x : a", merge: "a < b ? b : a", declarations: CUDAReducer.limits)
    static let segmentLeastInteger = CUDAReducer(
        zero: "highest<C>()", accumulate: "x < a ? x : a", merge: "b < a ? b : a", declarations: CUDAReducer.limits)
    /// The sum divided by the square root of the count.
    static let rootMean = CUDAReducer(
        zero: "number<C>(0)", accumulate: "a + x", merge: "a + b", finish: "a / sqrt((C)count)")

    /// The greatest finite number.
    private static let finite = """
        template <class N> DEVICE C finite() {
            return (C)(sizeof(N) == 8 ? 1.7976931348623157e308 : sizeof(N) == 4 ? 3.4028234663852886e38 : is_bfloat16((N*)0) ? 3.3895313892515355e38 : 65504.0);
        }

        """
}

extension SegmentRuns {
    /// Checks the shapes of the data and the ids of a segment op. (Whether ids ascend, a GPU does not know: for other ids its results
    /// are of rows that it finds by searching.)
    static func check(_ ids: Tensor, count: Int?) throws {
        guard ids.rank == 1 else { throw Status.invalidArgument("segment_ids should be a vector.") }
        if let count, ids.elementCount != count {
            throw Status.invalidArgument("segment_ids should be the same size as dimension 0 of input.")
        }
    }
}

/// The CUDA kernels of the ops that reduce the rows of ascending segments.
struct CUDASegments: Sendable {
    private let device: CUDADevice
    private let type: DType
    private let grouping: CUDAGrouping
    private let reduction: CUDASegmentReduction

    /// - Parameters:
    ///   - ids: the attribute of the ids' type.
    ///   - rows: the attribute of the type of the rows' numbers; nil if row n has id n.
    init(_ request: KernelRequest, _ reducer: CUDAReducer, empty: String, ids: String, rows: String? = nil) throws {
        device = try request.cudaDevice()
        type = try request.type("T")
        grouping = try CUDAGrouping(device, request.type(ids))
        reduction = try CUDASegmentReduction(
            device, request.op.name, type, reducer, empty: empty, rows: rows.map { try request.type($0) })
    }

    /// Enqueues the reduction to `count` segments.
    func run(_ data: Tensor, _ ids: Tensor, _ rows: Tensor?, count: Int) throws -> Tensor {
        let out = try Tensor(type, Shape(validating: [count] + data.shape.dimensions.dropFirst()), in: device.allocator)
        guard out.elementCount > 0 else { return out }
        let starts = try grouping.starts(ofSorted: ids, count: count)
        try reduction.run(data, starts: starts, rows: rows, rowCount: data.dimension(0), placeCount: ids.elementCount, out)
        return out
    }

    /// A kernel that makes as many segments as the last id says: it waits for that id.
    /// - Parameters:
    ///   - ids: the input with the ids.
    ///   - rows: the input with the numbers of the rows; nil if row n has id n.
    func kernel(ids: Int, rows: Int?, check: @escaping @Sendable (borrowing KernelContext) throws -> Void) -> Kernel {
        .async { [self] context, done in
            do {
                try check(context)
                let (data, ids) = (context.input(0), context.input(ids))
                let rows = rows.map { context.input($0) }
                if ids.elementCount == 0 { return done(.success([.value(try run(data, ids, rows, count: 0))])) }
                let last = try grouping.last(of: ids)
                device.download(last, after: device.compute.record()) { result in
                    do {
                        let last = Int(try result.get().elements(Int64.self)[0])
                        let (count, overflow) = last.addingReportingOverflow(1)
                        guard !overflow, count > 0 else { throw Status.invalidArgument("segment ids must be >= 0") }
                        done(.success([.value(try run(data, ids, rows, count: count))]))
                    } catch { done(.failure(Status(error))) }
                }
            } catch { done(.failure(Status(error))) }
        }
    }
}
