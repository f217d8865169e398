import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

/// The CUDA kernel of `Multinomial` and `StatelessMultinomial`: the draws of the CPU's kernel, up to the rounding of the sums.
func cudaMultinomial(_ request: KernelRequest, _ source: @escaping MultinomialSource) throws -> Kernel {
    let (device, output) = (try request.cudaDevice(), try request.type("output_dtype"))
    let module = try request.cudaModule(
        "Multinomial", ["T": request.cudaType("T"), "I": request.cudaType("output_dtype")],
        CUDARandom.philox + """
            // The weight of each class: its exponential, over the largest one of the row. A class whose logit is not finite has none.
            KERNEL weights(const T* logits, double* out, int64 rows, int64 classes) {
                __shared__ double shared[256];
                int t = threadIdx.x;
                for (int64 row = blockIdx.x; row < rows; row += gridDim.x) {
                    const T* p = logits + row * classes;
                    double largest = -1.7976931348623157e308;
                    for (int64 c = t; c < classes; c += 256) {
                        double x = (double)widen(p[c]);
                        if (isfinite(x) && x > largest) largest = x;
                    }
                    shared[t] = largest;
                    for (int w = 128; w > 0; w /= 2) {
                        __syncthreads();
                        if (t < w) shared[t] = fmax(shared[t], shared[t + w]);
                    }
                    __syncthreads();
                    largest = shared[0];
                    for (int64 c = t; c < classes; c += 256) {
                        double x = (double)widen(p[c]);
                        out[row * classes + c] = isfinite(x) ? exp(x - largest) : 0;
                    }
                    __syncthreads();
                }
            }
            KERNEL draw(const double* sums, I* out, int64 count, int64 samples, int64 classes, uint64 key, uint64 low, uint64 high) {
                for (int64 i = first(); i < count; i += stride()) {
                    Philox g = {key, low, high};
                    g.skip((uint64)i / 2);
                    Words w = g.next();
                    const double* row = sums + i / samples * classes;
                    double bound = (i % 2 ? unit(w.at[2], w.at[3]) : unit(w.at[0], w.at[1])) * row[classes - 1];
                    int64 begin = 0, end = classes;
                    while (begin < end) {
                        int64 middle = (begin + end) / 2;
                        if (row[middle] > bound) end = middle;
                        else begin = middle + 1;
                    }
                    out[i] = (I)begin;
                }
            }
            """)
    let scan = try CUDAScan(device, "Multinomial", .float64, .float64, .sum)
    return .sync { context in
        let (rows, classes, samples) = try multinomialSizes(context)
        let generator = try source(context, MultinomialSampling.reservation(rows: rows, samples: samples))
        let out = try context.output(0, output, Shape(validating: [rows, samples]))
        guard out.elementCount > 0 else { return }
        let shape = try Shape(validating: [rows, classes])
        let (weights, sums) = (try Tensor(.float64, shape, in: device.allocator), try Tensor(.float64, shape, in: device.allocator))
        try device.launch(
            module.function("weights"), CUDAGrid(min(rows, 1 << 16), 256),
            [.elements(context.input(0)), .elements(weights), .int(rows), .int(classes)])
        try scan.run(weights, sums, axis: 1)
        try device.launch(
            module.function("draw"), over: out.elementCount,
            [
                .elements(sums), .elements(out), .int(out.elementCount), .int(samples), .int(classes), .word(generator.key),
                .word(generator.counterLow), .word(generator.counterHigh),
            ])
    }
}
