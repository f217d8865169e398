import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

/// `MirrorPadGrad` on a card: each element of the result sums all places that it was copied to, at most three along each axis.
@Sendable func mirrorPadGradCUDAKernel(_ request: KernelRequest) throws -> Kernel {
    let (dtype, edge, device) = (try request.type("T"), try mirrorOffset(request), try request.cudaDevice())
    let module = try request.cudaModule("MirrorPadGrad", ["T": try request.cudaType("T")], source)
    return .sync { context in
        let input = context.input(0)
        let (paddings, own) = try mirrorGradPlan(context, edge)
        let output = try context.output(0, dtype, try Shape(validating: own))
        // Axes without paddings are a part of the one before them, unless that has paddings: then they are an axis of their own.
        var axes: [(own: Int, before: Int, after: Int)] = []
        for (axis, (before, after)) in paddings.enumerated() {
            if before == 0, after == 0, let last = axes.last, last.before == 0, last.after == 0 {
                axes[axes.count - 1].own *= own[axis]
            } else {
                axes.append((own[axis], before, after))
            }
        }
        guard axes.count <= 16 else { throw Status.unimplemented("A GPU mirrors at most 16 dimensions, found \(input.shape)") }
        var words: [Int] = []
        var stride = 1
        for axis in axes.reversed() {
            words += [axis.own, axis.before, axis.after, stride]
            stride *= axis.own + axis.before + axis.after
        }
        words += [Int](repeating: 0, count: 4 * (16 - axes.count))
        let count = output.elementCount
        try device.launch(
            module.function("add_mirrored"), over: count, [.elements(input), .elements(output), .int(count), .int(edge), .ints([axes.count] + words)])
    }
}

private let source = """
    struct Axis { int64 own, before, after, step; };
    // The last axis first.
    struct Axes { int64 rank; Axis at[16]; };
    // The offset of a place along an axis: the element itself, or where it stands in the margin after or before; -1 if it does not.
    DEVICE int64 offset(const Axis& axis, int64 at, int choice, int64 edge) {
        int64 place = at + axis.before;
        if (choice == 1) {
            place = axis.before + 2 * axis.own - 1 - edge - at;
            if (place < axis.before + axis.own || place >= axis.before + axis.own + axis.after) return -1;
        } else if (choice == 2) {
            place = axis.before - 1 + edge - at;
            if (place < 0 || place >= axis.before) return -1;
        }
        return place * axis.step;
    }
    KERNEL add_mirrored(const T* in, T* out, int64 count, int64 edge, Axes axes) {
        typedef Compute<T>::type C;
        int choices = 1;
        for (int d = 0; d < (int)axes.rank; d++) if (axes.at[d].before + axes.at[d].after > 0) choices *= 3;
        for (int64 i = first(); i < count; i += stride()) {
            C sum = number<C>(0);
            for (int choice = 0; choice < choices; choice++) {
                int64 from = 0, rest = i;
                int digits = choice;
                bool exists = true;
                for (int d = 0; d < (int)axes.rank; d++) {
                    const Axis& axis = axes.at[d];
                    int64 at = rest % axis.own;
                    rest /= axis.own;
                    int digit = 0;
                    if (axis.before + axis.after > 0) {
                        digit = digits % 3;
                        digits /= 3;
                    }
                    int64 place = offset(axis, at, digit, edge);
                    exists = exists && place >= 0;
                    from += place;
                }
                if (exists) sum = sum + widen(in[from]);
            }
            out[i] = narrow<T>(sum);
        }
    }
    """
