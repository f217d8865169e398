extension CUDAMover {
    /// The kernels, for each unit.
    static let source = """
        struct alignas(16) Bytes16 { uint64 low, high; };
        struct Axis { Divisor by; int64 from, to; };
        struct Layout { int64 rank; Axis axes[16]; };
        template <class I> DEVICE void locate(I rest, const Layout& layout, int64& from, int64& to) {
            for (int d = (int)layout.rank - 1; d > 0; d--) {
                I quotient = divide(rest, layout.axes[d].by);
                int64 at = (int64)(rest - quotient * (I)layout.axes[d].by.size);
                from += at * layout.axes[d].from;
                to += at * layout.axes[d].to;
                rest = quotient;
            }
            from += (int64)rest * layout.axes[0].from;
            to += (int64)rest * layout.axes[0].to;
        }
        template <class I, class T> DEVICE void strided(const T* in, T* out, int64 count, const Layout& layout) {
            for (int64 i = first(); i < count; i += stride()) {
                int64 from = 0, to = 0;
                locate((I)i, layout, from, to);
                out[to] = in[from];
            }
        }
        // Tiles of 32 x 32 go through shared memory, so that reads and writes are both coalesced. The source is dense along columns, the
        // target along rows.
        template <class T> DEVICE void transpose(
            const T* in, T* out, int64 rows, int64 columns, int64 in_step, int64 out_step, int64 total, const Layout& others
        ) {
            __shared__ T tile[32][33];
            int64 row_tiles = (rows + 31) / 32, column_tiles = (columns + 31) / 32;
            int x = threadIdx.x, y = threadIdx.y;
            for (int64 t = blockIdx.x; t < total; t += gridDim.x) {
                int64 row = t % row_tiles * 32, column = t / row_tiles % column_tiles * 32, from = 0, to = 0;
                locate((uint64)(t / row_tiles / column_tiles), others, from, to);
                for (int j = y; j < 32; j += 8)
                    if (row + j < rows && column + x < columns) tile[j][x] = in[from + (row + j) * in_step + column + x];
                __syncthreads();
                for (int j = y; j < 32; j += 8)
                    if (column + j < columns && row + x < rows) out[to + (column + j) * out_step + row + x] = tile[x][j];
                __syncthreads();
            }
        }
        struct Parts { int64 at[16], begins[17]; };
        template <class I, bool to_parts, class T> DEVICE void exchange(T* whole, int64 rows, int64 run, int64 total, const Parts& parts) {
            for (int64 i = first(); i < rows * run; i += stride()) {
                int64 row = (int64)((I)i / (I)run), column = i - row * run;
                int p = 0;
                while (column >= parts.begins[p + 1]) p++;
                T* part = (T*)parts.at[p] + row * (parts.begins[p + 1] - parts.begins[p]) + column - parts.begins[p];
                if (to_parts) *part = whole[row * total + column];
                else whole[row * total + column] = *part;
            }
        }
        struct MarginAxis { Divisor by; int64 before, own, step; };
        struct Margins { int64 rank; MarginAxis axes[16]; };
        template <class I, class T> DEVICE void margin(const T* in, T* out, int64 count, T value, int64 mode, int64 edge, const Margins& margins) {
            for (int64 i = first(); i < count; i += stride()) {
                I rest = (I)i;
                int64 from = 0;
                bool inside = true;
                for (int d = (int)margins.rank - 1; d >= 0; d--) {
                    const MarginAxis& axis = margins.axes[d];
                    I quotient = d == 0 ? 0 : divide(rest, axis.by);
                    int64 at = (int64)(rest - quotient * (I)axis.by.size) - axis.before;
                    rest = quotient;
                    if (mode == 0) inside = inside && at >= 0 && at < axis.own;
                    else if (mode == 1) at = at < 0 ? edge - 1 - at : at >= axis.own ? 2 * axis.own - 1 - edge - at : at;
                    else if (at < 0) at += axis.own;
                    from += at * axis.step;
                }
                out[i] = inside ? in[from] : value;
            }
        }
        #define MOVE(N, T) \\
            KERNEL strided_##N(const T* in, T* out, int64 count, Layout layout) { strided<uint32>(in, out, count, layout); } \\
            KERNEL strided_large_##N(const T* in, T* out, int64 count, Layout layout) { strided<uint64>(in, out, count, layout); } \\
            KERNEL transpose_##N( \\
                const T* in, T* out, int64 rows, int64 columns, int64 in_step, int64 out_step, int64 total, Layout others \\
            ) { transpose(in, out, rows, columns, in_step, out_step, total, others); } \\
            KERNEL fill_##N(T* out, T value, int64 count) { for (int64 i = first(); i < count; i += stride()) out[i] = value; } \\
            KERNEL join_##N(T* whole, int64 rows, int64 run, int64 total, Parts parts) { exchange<uint32, false>(whole, rows, run, total, parts); } \\
            KERNEL join_large_##N(T* whole, int64 rows, int64 run, int64 total, Parts parts) { exchange<uint64, false>(whole, rows, run, total, parts); } \\
            KERNEL split_##N(T* whole, int64 rows, int64 run, int64 total, Parts parts) { exchange<uint32, true>(whole, rows, run, total, parts); } \\
            KERNEL split_large_##N(T* whole, int64 rows, int64 run, int64 total, Parts parts) { exchange<uint64, true>(whole, rows, run, total, parts); } \\
            KERNEL margin_##N(const T* in, T* out, int64 count, T value, int64 mode, int64 edge, Margins margins) { \\
                margin<uint32>(in, out, count, value, mode, edge, margins); } \\
            KERNEL margin_large_##N(const T* in, T* out, int64 count, T value, int64 mode, int64 edge, Margins margins) { \\
                margin<uint64>(in, out, count, value, mode, edge, margins); }
        MOVE(1, uint8)
        MOVE(2, uint16)
        MOVE(4, uint32)
        MOVE(8, uint64)
        MOVE(16, Bytes16)
        """
}
