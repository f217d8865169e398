import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

/// Convolutions of single channels on a card, each with several filters.
struct CUDADepthwise: Sendable {
    private let device: CUDADevice
    private let program: CUDAProgram
    private let size: Int

    init(_ request: KernelRequest, _ dtype: DType, _ epilogue: CUDAEpilogue = CUDAEpilogue()) throws {
        device = try request.cudaDevice()
        size = max(4, dtype.byteCount)
        guard let type = dtype.cudaName else { throw request.unsupportedType("T") }
        program = CUDAProgram(
            "\(request.op.name) of single channels \(type)",
            """
            typedef \(type) T;
            typedef Compute<T>::type C;
            \(epilogue.declarations)
            DEVICE T finish(C x, int64 channel, int64 place\(epilogue.parameters)) {
            \(epilogue.statements)
                return narrow<T>(x);
            }
            #define PARAMETERS \(epilogue.parameters)
            #define ARGUMENTS \(epilogue.arguments)

            """ + CUDADepthwise.source)
    }

    /// Starts to compile the program, unless `run` did.
    func compile() throws { _ = try device.modules.module(program) }

    func run(_ result: ConvolutionResult, _ shape: ConvolutionShape, _ input: Tensor, _ filter: Tensor, _ output: Tensor, _ arguments: [Tensor]) throws {
        let module = try device.modules.module(program)
        func list(_ value: SIMD3<Int>) -> [Int] { [value.x, value.y, value.z] }
        let words = CUDAArgument.ints(
            [shape.batch, shape.inputChannels, shape.outputChannels, shape.outputChannels / shape.inputChannels, shape.channelsFirst ? 1 : 0]
                + list(shape.input) + list(shape.kernel) + list(shape.output) + list(shape.stride) + list(shape.dilation) + list(shape.before))
        let arrays = [input, filter, output].map { CUDAArgument.elements($0) }
        let isLarge = max(shape.inputCount, shape.outputCount) >= 1 << 31
        func function(_ name: String) throws -> CUDAFunction { try module.function(isLarge ? "\(name)_large" : name) }
        switch result {
        case .output:
            try device.launch(function("forward"), over: shape.outputCount, arrays + [words] + arguments.map { .elements($0) })
        case .inputGradient: try device.launch(function("input_gradient"), over: shape.inputCount, arrays + [words])
        case .filterGradient:
            let (channels, taps, pixels) = (shape.outputChannels, shape.kernel.volume, shape.batch * shape.output.volume)
            // Neighbouring threads read neighbouring channels, or with the channels first neighbouring pixels.
            var across = 1
            if !shape.channelsFirst { while across < channels, across < 32 { across *= 2 } }
            let blocks = (channels + across - 1) / across
            let splits = max(1, min(device.card.processorCount * 4 / max(1, blocks * taps), pixels / (256 / across * 16), 256))
            let partial = try Tensor(.uint8, Shape(validating: [splits * taps * channels * size]), in: device.allocator)
            try device.launch(
                function("filter_gradient"), CUDAGrid(blocks: (blocks, min(taps, 65535), splits), threads: (across, 256 / across, 1)),
                arrays + [.elements(partial), words])
            try device.launch(
                module.function("combine"), over: taps * channels,
                [.elements(partial), .elements(filter), .int(splits), .int(taps * channels)])
        }
    }

    private static let source = """
        struct Windows {
            int64 batch, inputs, outputs, multiplier, channels_first, in[3], kernel[3], out[3], stride[3], dilation[3], before[3];
        };
        DEVICE float mad(float a, float b, float c) { return fmaf(a, b, c); }
        DEVICE double mad(double a, double b, double c) { return fma(a, b, c); }
        DEVICE uint32 mad(uint32 a, uint32 b, uint32 c) { return a * b + c; }
        // The place of a pixel of an image in an array of `channels`.
        DEVICE int64 place(int64 image, const int64* sizes, int64 z, int64 y, int64 x, int64 channel, int64 channels, bool first) {
            int64 volume = sizes[0] * sizes[1] * sizes[2], pixel = (z * sizes[1] + y) * sizes[2] + x;
            return first ? (image * channels + channel) * volume + pixel : (image * volume + pixel) * channels + channel;
        }
        struct Spot { int64 image, channel; int z, y, x; };
        template <class I> DEVICE Spot spot(int64 n, const int64* sizes, int64 channels, bool first) {
            Spot s;
            I rest = (I)n;
            if (!first) {
                s.channel = (int64)(rest % (I)channels);
                rest = rest / (I)channels;
            }
            s.x = (int)(rest % (I)sizes[2]);
            rest = rest / (I)sizes[2];
            s.y = (int)(rest % (I)sizes[1]);
            rest = rest / (I)sizes[1];
            s.z = (int)(rest % (I)sizes[0]);
            rest = rest / (I)sizes[0];
            if (first) {
                s.channel = (int64)(rest % (I)channels);
                rest = rest / (I)channels;
            }
            s.image = (int64)rest;
            return s;
        }
        template <class I> DEVICE void run_forward(const T* input, const T* filter, T* output, const Windows& w PARAMETERS) {
            bool is_first = w.channels_first != 0;
            int64 count = w.batch * w.outputs * w.out[0] * w.out[1] * w.out[2];
            for (int64 n = first(); n < count; n += stride()) {
                Spot s = spot<I>(n, w.out, w.outputs, is_first);
                int64 channel = (int64)((I)s.channel / (I)w.multiplier);
                int z0 = s.z * (int)w.stride[0] - (int)w.before[0], y0 = s.y * (int)w.stride[1] - (int)w.before[1],
                    x0 = s.x * (int)w.stride[2] - (int)w.before[2];
                C sum = 0;
                const T* tap = filter + s.channel;
                for (int kz = 0; kz < w.kernel[0]; kz++)
                    for (int ky = 0; ky < w.kernel[1]; ky++)
                        for (int kx = 0; kx < w.kernel[2]; kx++, tap += w.outputs) {
                            int z = z0 + kz * (int)w.dilation[0], y = y0 + ky * (int)w.dilation[1], x = x0 + kx * (int)w.dilation[2];
                            if (z < 0 || z >= w.in[0] || y < 0 || y >= w.in[1] || x < 0 || x >= w.in[2]) continue;
                            sum = mad((C)widen(input[place(s.image, w.in, z, y, x, channel, w.inputs, is_first)]), (C)widen(*tap), sum);
                        }
                output[n] = finish(sum, s.channel, n ARGUMENTS);
            }
        }
        template <class I> DEVICE void run_input_gradient(T* input, const T* filter, const T* output, const Windows& w) {
            bool is_first = w.channels_first != 0;
            int64 count = w.batch * w.inputs * w.in[0] * w.in[1] * w.in[2];
            for (int64 n = first(); n < count; n += stride()) {
                Spot s = spot<I>(n, w.in, w.inputs, is_first);
                C sum = 0;
                for (int kz = 0; kz < w.kernel[0]; kz++) {
                    int z = s.z + (int)w.before[0] - kz * (int)w.dilation[0];
                    if (z < 0 || z % (int)w.stride[0] || (z /= (int)w.stride[0]) >= w.out[0]) continue;
                    for (int ky = 0; ky < w.kernel[1]; ky++) {
                        int y = s.y + (int)w.before[1] - ky * (int)w.dilation[1];
                        if (y < 0 || y % (int)w.stride[1] || (y /= (int)w.stride[1]) >= w.out[1]) continue;
                        for (int kx = 0; kx < w.kernel[2]; kx++) {
                            int x = s.x + (int)w.before[2] - kx * (int)w.dilation[2];
                            if (x < 0 || x % (int)w.stride[2] || (x /= (int)w.stride[2]) >= w.out[2]) continue;
                            const T* tap = filter + ((kz * w.kernel[1] + ky) * w.kernel[2] + kx) * w.outputs;
                            for (int64 m = s.channel * w.multiplier; m < (s.channel + 1) * w.multiplier; m++)
                                sum = mad((C)widen(output[place(s.image, w.out, z, y, x, m, w.outputs, is_first)]), (C)widen(tap[m]), sum);
                        }
                    }
                }
                input[n] = narrow<T>(sum);
            }
        }
        // The parts of the gradient of one element of the filter for neighbouring channels.
        template <class I> DEVICE void run_filter_gradient(const T* input, const T* output, C* partial, const Windows& w) {
            __shared__ C shared[256];
            bool is_first = w.channels_first != 0;
            int t = threadIdx.y * blockDim.x + threadIdx.x;
            int64 channel = (int64)blockIdx.x * blockDim.x + threadIdx.x, taps = w.kernel[0] * w.kernel[1] * w.kernel[2];
            int64 pixels = w.batch * w.out[0] * w.out[1] * w.out[2];
            int64 begin = pixels * blockIdx.z / gridDim.z, end = pixels * (blockIdx.z + 1) / gridDim.z;
            for (int64 tap = blockIdx.y; tap < taps; tap += gridDim.y) {
                int kx = (int)(tap % w.kernel[2]), ky = (int)(tap / w.kernel[2] % w.kernel[1]), kz = (int)(tap / w.kernel[2] / w.kernel[1]);
                C sum = 0;
                if (channel < w.outputs) {
                    int64 from = channel / w.multiplier;
                    for (int64 n = begin + threadIdx.y; n < end; n += blockDim.y) {
                        Spot s = spot<I>(n, w.out, 1, false);
                        int z = s.z * (int)w.stride[0] - (int)w.before[0] + kz * (int)w.dilation[0];
                        int y = s.y * (int)w.stride[1] - (int)w.before[1] + ky * (int)w.dilation[1];
                        int x = s.x * (int)w.stride[2] - (int)w.before[2] + kx * (int)w.dilation[2];
                        if (z < 0 || z >= w.in[0] || y < 0 || y >= w.in[1] || x < 0 || x >= w.in[2]) continue;
                        C flow = widen(output[place(s.image, w.out, s.z, s.y, s.x, channel, w.outputs, is_first)]);
                        sum = mad((C)widen(input[place(s.image, w.in, z, y, x, from, w.inputs, is_first)]), flow, sum);
                    }
                }
                shared[t] = sum;
                for (int d = blockDim.y / 2; d > 0; d /= 2) {
                    __syncthreads();
                    if (threadIdx.y < d) shared[t] = shared[t] + shared[t + d * blockDim.x];
                }
                if (threadIdx.y == 0 && channel < w.outputs) partial[(blockIdx.z * taps + tap) * w.outputs + channel] = shared[t];
                __syncthreads();
            }
        }
        #define BOTH(I, end) \\
            KERNEL forward##end(const T* input, const T* filter, T* output, Windows w PARAMETERS) { \\
                run_forward<I>(input, filter, output, w ARGUMENTS); \\
            } \\
            KERNEL input_gradient##end(T* input, const T* filter, const T* output, Windows w) { \\
                run_input_gradient<I>(input, filter, output, w); \\
            } \\
            KERNEL filter_gradient##end(const T* input, const T* filter, const T* output, C* partial, Windows w) { \\
                run_filter_gradient<I>(input, output, partial, w); \\
            }
        BOTH(uint32, )
        BOTH(uint64, _large)
        KERNEL combine(const C* partial, T* filter, int64 splits, int64 count) {
            for (int64 n = first(); n < count; n += stride()) {
                C sum = partial[n];
                for (int64 s = 1; s < splits; s++) sum = sum + partial[s * count + n];
                filter[n] = narrow<T>(sum);
            }
        }
        """
}
