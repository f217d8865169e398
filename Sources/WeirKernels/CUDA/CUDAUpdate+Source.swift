extension CUDAUpdate {
    /// One element with its slots, the scalars, and the rule.
    static func common(_ type: String, _ rule: CUDAUpdateRule) -> String {
        """
        typedef \(type) T;
        typedef Compute<T>::type C;
        const int SLOTS = \(rule.slots);
        \(rule.declarations)
        struct State { T *v, *a, *b, *c; };
        struct Scalars { const T* unused\(rule.scalars.map { ", *\($0)" }.joined()); };
        struct Values { C v, a, b, c; };
        struct Hyper { C derived, derived2\((rule.scalars + rule.absent).map { ", \($0)" }.joined()); };
        template <class X> DEVICE X sign_of(X x) { return (X)((x > (X)0) - (x < (X)0)); }
        template <class X> DEVICE X shrunk(X x, X amount) { X rest = fabs(x) - amount; return sign_of(x) * (rest > (X)0 ? rest : (X)0); }
        DEVICE Hyper prepared(const Scalars& s) {
            Hyper h;
            \(rule.scalars.map { "h.\($0) = widen(*s.\($0)); " }.joined())\(rule.absent.map { "h.\($0) = (C)0; " }.joined())
            \(rule.prepare)
            return h;
        }
        DEVICE void update(Values& x, C g, const Hyper& h) {
            \(rule.update)
        }
        DEVICE Values load(const State& s, int64 i) {
            Values x;
            x.v = widen(s.v[i]);
            if (SLOTS > 0) x.a = widen(s.a[i]);
            if (SLOTS > 1) x.b = widen(s.b[i]);
            if (SLOTS > 2) x.c = widen(s.c[i]);
            return x;
        }
        DEVICE void store(const State& s, int64 i, const Values& x) {
            s.v[i] = narrow<T>(x.v);
            if (SLOTS > 0) s.a[i] = narrow<T>(x.a);
            if (SLOTS > 1) s.b[i] = narrow<T>(x.b);
            if (SLOTS > 2) s.c[i] = narrow<T>(x.c);
        }

        """
    }

    /// All elements, 16 bytes at a time where all tensors are aligned.
    static let dense = """
        KERNEL dense(State s, const T* gradient, Scalars scalars, int64 count, int64 packs) {
            const Hyper h = prepared(scalars);
            for (int64 i = first(); i < packs; i += stride()) {
                Pack<T, N> v = ((const Pack<T, N>*)s.v)[i], g = ((const Pack<T, N>*)gradient)[i], a, b, c;
                if (SLOTS > 0) a = ((const Pack<T, N>*)s.a)[i];
                if (SLOTS > 1) b = ((const Pack<T, N>*)s.b)[i];
                if (SLOTS > 2) c = ((const Pack<T, N>*)s.c)[i];
        #pragma unroll
                for (int k = 0; k < N; k++) {
                    Values x;
                    x.v = widen(v.at[k]);
                    if (SLOTS > 0) x.a = widen(a.at[k]);
                    if (SLOTS > 1) x.b = widen(b.at[k]);
                    if (SLOTS > 2) x.c = widen(c.at[k]);
                    update(x, widen(g.at[k]), h);
                    v.at[k] = narrow<T>(x.v);
                    if (SLOTS > 0) a.at[k] = narrow<T>(x.a);
                    if (SLOTS > 1) b.at[k] = narrow<T>(x.b);
                    if (SLOTS > 2) c.at[k] = narrow<T>(x.c);
                }
                ((Pack<T, N>*)s.v)[i] = v;
                if (SLOTS > 0) ((Pack<T, N>*)s.a)[i] = a;
                if (SLOTS > 1) ((Pack<T, N>*)s.b)[i] = b;
                if (SLOTS > 2) ((Pack<T, N>*)s.c)[i] = c;
            }
            for (int64 i = packs * N + first(); i < count; i += stride()) {
                Values x = load(s, i);
                update(x, widen(gradient[i]), h);
                store(s, i, x);
            }
        }

        """

    /// Rows by index vectors. `step` is 0 when one number updates all rows.
    ///
    /// `few` finds equal rows by comparing all. For more, the positions of the updates of each row are gathered: `count_rows` counts
    /// them and lists the rows (in any order, on which no result depends), `place` gives each row a part of `positions`, `fill` puts the
    /// positions there, and `order` sorts each part.
    static let rows = """
        struct Slices { int64 depth, sizes[8]; };
        struct Entry { int64 row; int32 start, count; };
        DEVICE int64 row_of(const I* indices, int64 p, const Slices& slices) {
            int64 row = 0;
            for (int d = 0; d < (int)slices.depth; d++) {
                int64 i = (int64)indices[p * slices.depth + d];
                if (i < 0 || i >= slices.sizes[d]) return -1;
                row = row * slices.sizes[d] + i;
            }
            return row;
        }
        // Each update is rounded to the variable's type, as if it were the only one of a kernel.
        DEVICE void apply(Values& x, T g, const Hyper& h) {
            update(x, widen(g), h);
            x.v = widen(narrow<T>(x.v));
            if (SLOTS > 0) x.a = widen(narrow<T>(x.a));
            if (SLOTS > 1) x.b = widen(narrow<T>(x.b));
            if (SLOTS > 2) x.c = widen(narrow<T>(x.c));
        }
        KERNEL few(State s, const T* updates, const I* indices, Scalars scalars, int64 count, int64 width, int64 step, Slices slices) {
            __shared__ int64 rows[256];
            if (threadIdx.x < count) rows[threadIdx.x] = row_of(indices, threadIdx.x, slices);
            __syncthreads();
            const Hyper h = prepared(scalars);
            for (int64 i = first(); i < count * width; i += stride()) {
                int q = (int)(i / width);
                int64 column = i - q * width, row = rows[q];
                bool is_first = row >= 0;
                for (int k = 0; k < q && is_first; k++) is_first = rows[k] != row;
                if (!is_first) continue;
                Values x = load(s, row * width + column);
                for (int k = q; k < count; k++)
                    if (rows[k] == row) apply(x, updates[step * (k * width + column)], h);
                store(s, row * width + column, x);
            }
        }
        KERNEL count_rows(int32* counts, int64 row_count, Entry* entries, int32* positions, const I* indices, int64 count, Slices slices) {
            for (int64 p = first(); p < count; p += stride()) {
                int64 row = row_of(indices, p, slices);
                if (row >= 0 && atomicAdd(&counts[row], 1) == 0) entries[atomicAdd(&counts[row_count], 1)].row = row;
            }
        }
        KERNEL place(int32* counts, int64 row_count, Entry* entries, int32* positions) {
            int n = counts[row_count];
            for (int64 i = first(); i < n; i += stride()) {
                Entry e = entries[i];
                e.count = counts[e.row];
                e.start = atomicAdd(&counts[row_count + 1], e.count);
                counts[e.row] = e.start;
                entries[i] = e;
            }
        }
        KERNEL fill(int32* counts, int64 row_count, Entry* entries, int32* positions, const I* indices, int64 count, Slices slices) {
            for (int64 p = first(); p < count; p += stride()) {
                int64 row = row_of(indices, p, slices);
                if (row >= 0) positions[atomicAdd(&counts[row], 1)] = (int32)p;
            }
        }
        KERNEL order(int32* counts, int64 row_count, Entry* entries, int32* positions, const I* indices, int64 count, Slices slices) {
            __shared__ int32 some[1024];
            __shared__ int32 before[8];
            int n = counts[row_count], t = threadIdx.x;
            for (int64 i = first(); i < n; i += stride()) {
                Entry e = entries[i];
                if (e.count > 16) continue;
                int32* own = positions + e.start;
                for (int j = 1; j < e.count; j++) {
                    int32 p = own[j];
                    int k = j;
                    for (; k > 0 && own[k - 1] > p; k--) own[k] = own[k - 1];
                    own[k] = p;
                }
            }
            for (int64 i = blockIdx.x; i < n; i += gridDim.x) {
                Entry e = entries[i];
                if (e.count <= 16) continue;
                int32* own = positions + e.start;
                if (e.count <= 1024) {
                    for (int j = t; j < 1024; j += 256) some[j] = j < e.count ? own[j] : 0x7fffffff;
                    for (int length = 2; length <= 1024; length *= 2) {
                        for (int distance = length / 2; distance > 0; distance /= 2) {
                            __syncthreads();
                            for (int j = t; j < 1024; j += 256) {
                                int other = j ^ distance;
                                if (other < j) continue;
                                int32 a = some[j], b = some[other];
                                if ((a > b) == ((j & length) == 0)) {
                                    some[j] = b;
                                    some[other] = a;
                                }
                            }
                        }
                    }
                    __syncthreads();
                    for (int j = t; j < e.count; j += 256) own[j] = some[j];
                } else {
                    // So many that it is faster to look at all indices again, in their order.
                    int found = 0;
                    for (int64 base = 0; base < count && found < e.count; base += 256) {
                        bool is_own = base + t < count && row_of(indices, base + t, slices) == e.row;
                        unsigned votes = __ballot_sync(0xffffffffu, is_own);
                        if (t % 32 == 0) before[t / 32] = __popc(votes);
                        __syncthreads();
                        int at = found + __popc(votes & ((1u << (t % 32)) - 1)), all = 0;
                        for (int w = 0; w < 8; w++) {
                            if (w < t / 32) at += before[w];
                            all += before[w];
                        }
                        if (is_own) own[at] = (int32)(base + t);
                        found += all;
                        __syncthreads();
                    }
                }
                __syncthreads();
            }
        }
        KERNEL update_rows(
            State s, const T* updates, Scalars scalars, int32* counts, int64 row_count, Entry* entries, int32* positions, int64 width, int64 step) {
            const Hyper h = prepared(scalars);
            int64 total = counts[row_count] * width;
            for (int64 i = first(); i < total; i += stride()) {
                int64 number = i / width, column = i - number * width;
                const Entry e = entries[number];
                const int32* own = positions + e.start;
                int64 at = e.row * width + column;
                Values x = load(s, at);
                int j = 0;
                for (; j + 3 < e.count; j += 4) {
                    T g0 = updates[step * (own[j] * width + column)], g1 = updates[step * (own[j + 1] * width + column)];
                    T g2 = updates[step * (own[j + 2] * width + column)], g3 = updates[step * (own[j + 3] * width + column)];
                    apply(x, g0, h);
                    apply(x, g1, h);
                    apply(x, g2, h);
                    apply(x, g3, h);
                }
                for (; j < e.count; j++) apply(x, updates[step * (own[j] * width + column)], h);
                store(s, at, x);
            }
        }

        """
}
