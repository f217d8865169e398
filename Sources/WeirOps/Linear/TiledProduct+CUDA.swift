extension TiledProduct {
    /// The kernels, after the definitions of the types and of `finish`.
    static let source = declarations + tile + kernels

    private static let declarations = """
        struct Digits { int64 size[4], left[4], other[4], z[4], y[4], x[4]; };
        struct Problem {
            int64 rows, columns, depth, column_blocks, batches, splits, right_step, result_step;
            int64 start, z, y, x, limit_z, limit_y, limit_x, result_start, right_start;
            int64 result_batch_step, channel_batch_step, channels_are_rows, rows_are_near, columns_are_near;
            Digits row, inner;
            int64 batch_size[8], batch_left[8], batch_right[8];
        };
        // A place in the left operand, and a position in its image.
        struct Place { int64 offset; int z, y, x; };
        // The sum of two of these is outside any image.
        const int OUTSIDE = -(1 << 30);

        template <class N> DEVICE N mad(N a, N b, N c) { return a * b + c; }
        DEVICE float mad(float a, float b, float c) { return fmaf(a, b, c); }
        DEVICE double mad(double a, double b, double c) { return fma(a, b, c); }
        template <class N> DEVICE Complex<N> mad(Complex<N> a, Complex<N> b, Complex<N> c) {
            return make<N>(mad(-a.im, b.im, mad(a.re, b.re, c.re)), mad(a.im, b.re, mad(a.re, b.im, c.im)));
        }
        DEVICE C left_factor(L v) { C x = narrow<C>(widen(v)); return CONJUGATES_LEFT ? conj(x) : x; }
        DEVICE C right_factor(R v) { C x = narrow<C>(widen(v)); return CONJUGATES_RIGHT ? conj(x) : x; }

        DEVICE void move(Place& place, const Digits& digits, int level, int64 count) {
            place.offset += count * digits.left[level];
            place.z += (int)(count * digits.z[level]);
            place.y += (int)(count * digits.y[level]);
            place.x += (int)(count * digits.x[level]);
        }
        // The digits of an index: where its row begins, and where its results go.
        DEVICE int64 row_place(const Problem& p, int64 index, Place& place) {
            int64 result = p.result_start;
            place.offset = p.start;
            place.z = (int)p.z;
            place.y = (int)p.y;
            place.x = (int)p.x;
        #pragma unroll
            for (int level = 0; level < 4; level++) {
                int64 size = p.row.size[level], digit = index;
                if (level < 3) {
                    digit = size == 1 ? 0 : index % size;
                    index = size == 1 ? index : index / size;
                }
                move(place, p.row, level, digit);
                result += digit * p.row.other[level];
            }
            return result;
        }

        // The element of the left operand in a row and at a depth; 0 outside the image.
        DEVICE C left_element(const L* left, const Place& u, const Place& v, const Problem& p) {
            bool is_inside = (unsigned)(u.z + v.z) < (unsigned)p.limit_z && (unsigned)(u.y + v.y) < (unsigned)p.limit_y
                && (unsigned)(u.x + v.x) < (unsigned)p.limit_x;
            return is_inside ? left_factor(left[u.offset + v.offset]) : number<C>(0);
        }

        """

    private static let tile = """
        // BM rows and BN columns of the result, of which each of 256 threads computes TM times TN. Tiles of both operands are copied
        // to shared memory, BK of depth at a time; the next tile's elements are on their way while one is multiplied.
        template <int BM, int BN, int BK, int TM, int TN>
        DEVICE void multiply(const L* left, const R* right, T* out, C* partial, const Problem& p PARAMETERS) {
            __shared__ __align__(64) C left_tile[BK][BM + 4];
            __shared__ __align__(64) C right_tile[BK][BN + 4];
            __shared__ Place rows[BM], inner[BK];
            __shared__ int64 results[BM], right_rows[BK], digits[BK][4];
            const int LEFT = BM * BK / 256, RIGHT = BN * BK / 256, ACROSS = BN / TN, GROUP = TM < 4 ? TM : 4, AHEAD = sizeof(C) > 8 ? 1 : BK;
            int t = threadIdx.x, tx = t % ACROSS, ty = t / ACROSS;
            int64 row = blockIdx.x / p.column_blocks * BM, column = blockIdx.x % p.column_blocks * BN;
            int64 tiles = (p.depth + BK - 1) / BK;
            int64 begin = tiles * blockIdx.z / p.splits * BK, end = tiles * (blockIdx.z + 1) / p.splits * BK;
            if (end > p.depth) end = p.depth;
            for (int64 batch = blockIdx.y; batch < p.batches; batch += gridDim.y) {
                const L* a = left;
                const R* b = right + p.right_start;
                int64 rest = batch;
                for (int d = 0; d < 8; d++) {
                    if (p.batch_size[d] == 1) continue;
                    int64 at = rest % p.batch_size[d];
                    rest /= p.batch_size[d];
                    a += at * p.batch_left[d];
                    b += at * p.batch_right[d];
                }
                if (t < BM) {
                    Place place;
                    int64 result = row_place(p, row + t, place);
                    if (row + t >= p.rows) place.z = OUTSIDE;
                    rows[t] = place;
                    results[t] = result;
                }
                if (t < BK) {
                    int64 index = begin + t;
        #pragma unroll
                    for (int level = 0; level < 4; level++) {
                        int64 size = p.inner.size[level];
                        digits[t][level] = level == 3 ? index : (size <= 1 ? 0 : index % size);
                        if (level < 3 && size > 1) index /= size;
                    }
                }
                // Where the depth that is number `t` of the tile at `k` lies.
                auto locate = [&](int64 k) {
                    Place place = {0, 0, 0, 0};
                    int64 right_row = 0;
        #pragma unroll
                    for (int level = 0; level < 4; level++) {
                        int64 digit = digits[t][level];
                        move(place, p.inner, level, digit);
                        right_row += digit * p.inner.other[level];
                    }
                    if (k + t >= end) place.z = OUTSIDE;
                    inner[t] = place;
                    right_rows[t] = k + t >= end ? -1 : right_row;
                };
                if (t < BK) locate(begin);
                C sums[TM][TN];
        #pragma unroll
                for (int i = 0; i < TM; i++)
        #pragma unroll
                    for (int j = 0; j < TN; j++) sums[i][j] = number<C>(0);
                C next_left[LEFT], next_right[RIGHT];
                // A thread's elements of a tile are in one row or column of it, so that their place is half known.
                const int left_row = t % BM, left_inner = t % BK, right_column = t % BN;
                auto fetch = [&]() {
                    if (p.rows_are_near) {
                        Place u = rows[left_row];
        #pragma unroll
                        for (int r = 0; r < LEFT; r++) next_left[r] = left_element(a, u, inner[t / BM + r * (256 / BM)], p);
                    } else {
                        Place v = inner[left_inner];
        #pragma unroll
                        for (int r = 0; r < LEFT; r++) next_left[r] = left_element(a, rows[t / BK + r * (256 / BK)], v, p);
                    }
                    if (p.columns_are_near) {
                        bool is_there = column + right_column < p.columns;
                        const R* from = b + (column + right_column) * p.right_step;
        #pragma unroll
                        for (int r = 0; r < RIGHT; r++) {
                            int64 at = right_rows[t / BN + r * (256 / BN)];
                            next_right[r] = is_there && at >= 0 ? right_factor(from[at]) : number<C>(0);
                        }
                    } else {
                        int64 at = right_rows[left_inner], j = column + t / BK;
        #pragma unroll
                        for (int r = 0; r < RIGHT; r++) {
                            bool is_there = at >= 0 && j + r * (256 / BK) < p.columns;
                            next_right[r] = is_there ? right_factor(b[at + (j + r * (256 / BK)) * p.right_step]) : number<C>(0);
                        }
                    }
                };
                __syncthreads();
                if (begin < end) fetch();
                __syncthreads();
                for (int64 k0 = begin; k0 < end; k0 += BK) {
                    if (p.rows_are_near) {
        #pragma unroll
                        for (int r = 0; r < LEFT; r++) left_tile[t / BM + r * (256 / BM)][left_row] = next_left[r];
                    } else {
        #pragma unroll
                        for (int r = 0; r < LEFT; r++) left_tile[left_inner][t / BK + r * (256 / BK)] = next_left[r];
                    }
                    if (p.columns_are_near) {
        #pragma unroll
                        for (int r = 0; r < RIGHT; r++) right_tile[t / BN + r * (256 / BN)][right_column] = next_right[r];
                    } else {
        #pragma unroll
                        for (int r = 0; r < RIGHT; r++) right_tile[left_inner][t / BK + r * (256 / BK)] = next_right[r];
                    }
                    if (t < BK) {
                        digits[t][0] += BK;
        #pragma unroll
                        for (int level = 0; level < 3; level++) {
                            while (digits[t][level] >= p.inner.size[level]) {
                                digits[t][level] -= p.inner.size[level];
                                digits[t][level + 1]++;
                            }
                        }
                        locate(k0 + BK);
                    }
                    __syncthreads();
                    if (k0 + BK < end) fetch();
        #pragma unroll AHEAD
                    for (int k = 0; k < BK; k++) {
                        Pack<C, GROUP> x[TM / GROUP];
                        Pack<C, 4> y[TN / 4];
        #pragma unroll
                        for (int g = 0; g < TM / GROUP; g++) x[g] = *(Pack<C, GROUP>*)&left_tile[k][g * (BM * GROUP / TM) + ty * GROUP];
        #pragma unroll
                        for (int g = 0; g < TN / 4; g++) y[g] = *(Pack<C, 4>*)&right_tile[k][g * (BN * 4 / TN) + tx * 4];
        #pragma unroll
                        for (int i = 0; i < TM; i++)
        #pragma unroll
                            for (int j = 0; j < TN; j++) sums[i][j] = mad(x[i / GROUP].at[i % GROUP], y[j / 4].at[j % 4], sums[i][j]);
                    }
                    __syncthreads();
                }
                T* result = out + batch * p.result_batch_step;
        #pragma unroll
                for (int i = 0; i < TM; i++) {
                    int at = i / GROUP * (BM * GROUP / TM) + ty * GROUP + i % GROUP;
                    if (row + at >= p.rows) continue;
        #pragma unroll
                    for (int g = 0; g < TN / 4; g++) {
                        int64 c = column + g * (BN * 4 / TN) + tx * 4;
                        if (p.splits > 1) {
                            C* target = partial + ((blockIdx.z * p.batches + batch) * p.rows + row + at) * p.columns + c;
        #pragma unroll
                            for (int j = 0; j < 4; j++)
                                if (c + j < p.columns) target[j] = sums[i][4 * g + j];
                            continue;
                        }
                        int64 place = results[at] + c * p.result_step;
                        Pack<T, 4> values;
        #pragma unroll
                        for (int j = 0; j < 4; j++) {
                            int64 channel = batch * p.channel_batch_step + (p.channels_are_rows ? row + at : c + j);
                            int64 element = batch * p.result_batch_step + place + j * p.result_step;
                            if (c + j < p.columns) values.at[j] = finish(sums[i][4 * g + j], channel, element ARGUMENTS);
                        }
                        T* target = result + place;
                        if (p.result_step == 1 && c + 3 < p.columns && (uint64)target % sizeof values == 0) {
                            *(Pack<T, 4>*)target = values;
                            continue;
                        }
        #pragma unroll
                        for (int j = 0; j < 4; j++)
                            if (c + j < p.columns) target[j * p.result_step] = values.at[j];
                    }
                }
                __syncthreads();
            }
        }

        """

    private static let kernels = """
        // Large numbers need more registers, so a thread has fewer of them.
        const int DEEP = sizeof(C) > 4 ? 8 : 16, HIGH = sizeof(C) > 8 ? 2 : 4;
        #define TILE(name, bm, bn, bk, tm, tn) \\
            extern "C" __global__ void __launch_bounds__(256, 2) name(const L* left, const R* right, T* out, C* partial, Problem p PARAMETERS) { \\
                multiply<bm, bn, bk, tm, tn>(left, right, out, partial, p ARGUMENTS); \\
            }
        TILE(square, 16 * HIGH, 64, DEEP, HIGH, 4)
        TILE(tall, 32 * HIGH, 32, DEEP, HIGH, 4)
        #ifdef HAS_LARGE
        TILE(large, 128, 64, 8, 8, 4)
        #endif
        // Adds the parts of each result in order.
        KERNEL combine(const C* partial, T* out, Problem p PARAMETERS) {
            int64 count = p.batches * p.rows * p.columns;
            for (int64 n = first(); n < count; n += stride()) {
                C x = partial[n];
                for (int64 s = 1; s < p.splits; s++) x = x + partial[s * count + n];
                int64 c = n % p.columns, row = n / p.columns % p.rows, batch = n / p.columns / p.rows;
                Place unused;
                int64 place = batch * p.result_batch_step + row_place(p, row, unused) + c * p.result_step;
                out[place] = finish(x, batch * p.channel_batch_step + (p.channels_are_rows ? row : c), place ARGUMENTS);
            }
        }
        """
}
