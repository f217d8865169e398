extension CUDAPool {
    static let source = places + kernels

    private static let places = """
        typedef Compute<T>::type C;
        struct Pool { int64 batch, channels, in[3], window[3], stride[3], out[3], before[3]; };
        // An element of the input or output: its image, position and channel.
        struct Spot { int64 image, at[3], channel; };
        template <class I> DEVICE Spot spot(int64 n, const Pool& p, const int64* sizes) {
            Spot s;
            I rest = (I)n, next = rest / (I)p.channels;
            s.channel = (int64)(rest - next * (I)p.channels);
            rest = next;
        #pragma unroll
            for (int d = 2; d >= 0; d--) {
                next = rest / (I)sizes[d];
                s.at[d] = (int64)(rest - next * (I)sizes[d]);
                rest = next;
            }
            s.image = (int64)rest;
            return s;
        }
        // The part of the input that a window covers, or the windows that cover an element.
        struct Box { int64 from[3], to[3]; };
        DEVICE Box covered(const Pool& p, int64 z, int64 y, int64 x) {
            int64 at[3] = {z, y, x};
            Box b;
        #pragma unroll
            for (int d = 0; d < 3; d++) {
                int64 start = at[d] * p.stride[d] - p.before[d], end = start + p.window[d];
                b.from[d] = start < 0 ? 0 : (start > p.in[d] ? p.in[d] : start);
                b.to[d] = end < 0 ? 0 : (end > p.in[d] ? p.in[d] : end);
            }
            return b;
        }
        template <class I> DEVICE Box covering(const Pool& p, const Spot& s) {
            Box b;
        #pragma unroll
            for (int d = 0; d < 3; d++) {
                int64 at = s.at[d] + p.before[d];
                b.from[d] = at < p.window[d] ? 0 : (int64)((I)(at - p.window[d]) / (I)p.stride[d]) + 1;
                int64 end = (int64)((I)at / (I)p.stride[d]) + 1;
                b.to[d] = end > p.out[d] ? p.out[d] : end;
            }
            return b;
        }
        DEVICE int64 volume(const int64* sizes) { return sizes[0] * sizes[1] * sizes[2]; }
        // Visits each place (z, y, x) of a box in order; `pixel` is its number in an image of `sizes`.
        template <class F> DEVICE void visit(const Box& b, const int64* sizes, const F& function) {
            for (int64 z = b.from[0]; z < b.to[0]; z++)
                for (int64 y = b.from[1]; y < b.to[1]; y++)
                    for (int64 x = b.from[2], row = (z * sizes[1] + y) * sizes[2]; x < b.to[2]; x++) function(row + x, z, y, x);
        }
        // The first maximum of a window and its pixel, -1 if it covers none.
        template <class I> DEVICE T first_maximum(const Pool& p, const Spot& s, const T* x, int64& best_pixel) {
            const T* image = x + s.image * volume(p.in) * p.channels + s.channel;
            T best = narrow<T>(-(C)__int_as_float(0x7f800000));
            best_pixel = -1;
            visit(covered(p, s.at[0], s.at[1], s.at[2]), p.in, [&](int64 pixel, int64, int64, int64) {
                T value = image[pixel * p.channels];
                if (best_pixel >= 0 && !(widen(best) < widen(value))) return;
                best = value;
                best_pixel = pixel;
            });
            return best;
        }

        """

    /// Each kernel twice: with 32-bit divisions and with 64-bit ones.
    private static let kernels = [
        (
            "maxima", "const T* x, T* y, double lowest", "out",
            """
            C best = (C)lowest;
            const T* image = x + s.image * volume(p.in) * p.channels + s.channel;
            visit(covered(p, s.at[0], s.at[1], s.at[2]), p.in, [&](int64 pixel, int64, int64, int64) {
                C value = widen(image[pixel * p.channels]);
                if (value > best) best = value;
            });
            y[n] = narrow<T>(best);
            """
        ),
        (
            "means", "const T* x, T* y", "out",
            """
            C sum = 0;
            const T* image = x + s.image * volume(p.in) * p.channels + s.channel;
            Box b = covered(p, s.at[0], s.at[1], s.at[2]);
            visit(b, p.in, [&](int64 pixel, int64, int64, int64) { sum += widen(image[pixel * p.channels]); });
            y[n] = narrow<T>(sum / (C)((b.to[0] - b.from[0]) * (b.to[1] - b.from[1]) * (b.to[2] - b.from[2])));
            """
        ),
        (
            "means_gradient", "const T* flow, T* result", "in",
            """
            C sum = 0;
            const T* image = flow + s.image * volume(p.out) * p.channels + s.channel;
            visit(covering<I>(p, s), p.out, [&](int64 window, int64 z, int64 y, int64 x) {
                Box b = covered(p, z, y, x);
                C share = 1 / (C)((b.to[0] - b.from[0]) * (b.to[1] - b.from[1]) * (b.to[2] - b.from[2]));
                sum += widen(image[window * p.channels]) * share;
            });
            result[n] = narrow<T>(sum);
            """
        ),
        ("first_maxima", "const T* x, T* best", "out", "int64 pixel;\nbest[n] = first_maximum<I>(p, s, x, pixel);"),
        ("places", "const T* x, int32* pixels", "out", "int64 pixel;\nfirst_maximum<I>(p, s, x, pixel);\npixels[n] = (int32)pixel;"),
        (
            "maxima_and_indices", "const T* x, T* y, int64* indices, int64 includes_batch", "out",
            """
            int64 pixel;
            y[n] = first_maximum<I>(p, s, x, pixel);
            indices[n] = (includes_batch ? s.image * volume(p.in) * p.channels : 0) + pixel * p.channels + s.channel;
            """
        ),
        (
            "gradient_of_first", "const int32* pixels, const T* flow, T* result", "in",
            """
            C sum = 0;
            int64 start = s.image * volume(p.out) * p.channels + s.channel, own = (s.at[0] * p.in[1] + s.at[1]) * p.in[2] + s.at[2];
            visit(covering<I>(p, s), p.out, [&](int64 window, int64, int64, int64) {
                int64 place = start + window * p.channels;
                if (pixels[place] == own) sum += widen(flow[place]);
            });
            result[n] = narrow<T>(sum);
            """
        ),
        (
            "gradient_of_all", "const T* x, const T* best, const T* flow, T* result", "in",
            """
            C sum = 0, own = widen(x[n]);
            int64 start = s.image * volume(p.out) * p.channels + s.channel;
            visit(covering<I>(p, s), p.out, [&](int64 window, int64, int64, int64) {
                int64 place = start + window * p.channels;
                if (widen(best[place]) == own) sum += widen(flow[place]);
            });
            result[n] = narrow<T>(sum);
            """
        ),
        (
            "at_maxima", "const int32* pixels, const T* values, T* result", "out",
            """
            int64 pixel = pixels[n];
            result[n] = pixel < 0 ? narrow<T>((C)0) : values[(s.image * volume(p.in) + pixel) * p.channels + s.channel];
            """
        ),
    ].map { name, parameters, sizes, body in
        let names = parameters.split(separator: ",").map { $0.split(separator: " ").last.map(String.init) ?? "" }.joined(separator: ", ")
        return """
            template <class I> DEVICE void run_\(name)(\(parameters), int64 count, const Pool& p) {
                for (int64 n = first(); n < count; n += stride()) {
                    Spot s = spot<I>(n, p, p.\(sizes));
                    \(body)
                }
            }
            KERNEL \(name)(\(parameters), int64 count, Pool p) { run_\(name)<uint32>(\(names), count, p); }
            KERNEL \(name)_large(\(parameters), int64 count, Pool p) { run_\(name)<uint64>(\(names), count, p); }

            """
    }.joined()
}
