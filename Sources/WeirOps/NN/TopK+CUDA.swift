import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

/// The `k` largest elements of rows on a card. Elements are in the order of `TopKOrder`: the larger first, NaN before all numbers, and of
/// equal ones the first.
///
/// A block sorts up to 1024 elements in shared memory. Of a longer row, blocks find the `k` largest of segments, and then those of what
/// they found. For a `k` above 512 a longer row is sorted in the card's memory.
struct CUDATopK: Sendable {
    private let device: CUDADevice
    private let module: CUDAModule
    private let dtype: DType

    init(_ request: KernelRequest, _ dtype: DType, _ indexType: DType) throws {
        device = try request.cudaDevice()
        self.dtype = dtype
        guard let type = dtype.cudaName, let index = indexType.cudaName else { throw request.unsupportedType("T") }
        module = try request.cudaModule("\(request.op.name)", ["T": type, "X": index], CUDATopK.source)
    }

    func run(_ k: Int, _ input: Tensor, _ values: Tensor, _ indices: Tensor) throws {
        let width = input.dimension(input.rank - 1)
        guard k > 0, width > 0, values.elementCount > 0 else { return }
        let rows = input.elementCount / width
        let out: [CUDAArgument] = [.elements(values), .elements(indices)]
        if k == 1 {
            return try device.launch(
                module.function("largest"), CUDAGrid(min(rows, 1 << 20), 256), [.elements(input), .int(rows), .int(width)] + out)
        }
        if width <= 1024 {
            var size = 2
            while size < width { size *= 2 }
            let blocks = (rows * size + 1023) / 1024
            return try device.launch(
                module.function("sort_rows"), CUDAGrid(min(blocks, 1 << 20), 256), [.elements(input), .int(rows), .int(width), .int(size), .int(k)] + out)
        }
        if k <= 512 { return try select(k, input, rows, width, out) }
        try sort(k, input, rows, width, out)
    }

    private func select(_ k: Int, _ input: Tensor, _ rows: Int, _ width: Int, _ out: [CUDAArgument]) throws {
        var (candidates, count) = (nil as Tensor?, width)
        while true {
            // Segments long enough to be worth a block, and few enough elements left.
            let enough = max(1, device.card.processorCount * 4 / rows)
            let segments = max(1, min(enough, count / max(8192, 8 * k)))
            let next = segments > 1 ? try Tensor(.int64, Shape(validating: [rows * segments * k]), in: device.allocator) : nil
            try device.launch(
                module.function("select"), CUDAGrid(blocks: (segments, min(rows, 65535), 1), threads: (256, 1, 1)),
                [.elements(input), .elements(candidates ?? input), .elements(next ?? input), .int(candidates == nil ? 0 : 1), .int(rows), .int(width)]
                    + [.int(count), .int(k)] + out)
            guard let next else { return }
            (candidates, count) = (next, segments * k)
        }
    }

    private func sort(_ k: Int, _ input: Tensor, _ rows: Int, _ width: Int, _ out: [CUDAArgument]) throws {
        var size = 2048
        while size < width { size *= 2 }
        let order = try Tensor(.int64, Shape(validating: [rows * size]), in: device.allocator)
        let data: [CUDAArgument] = [.elements(input), .elements(order), .int(rows), .int(width), .int(size)]
        let blocks = CUDAGrid(min(rows * size / 1024, 1 << 20), 256)
        try device.launch(module.function("sort_blocks"), blocks, data + [.int(0)])
        var span = 2048
        while span <= size {
            var distance = span / 2
            while distance > 512 {
                try device.launch(module.function("exchange"), over: rows * size / 2, data + [.int(span), .int(distance)])
                distance /= 2
            }
            try device.launch(module.function("sort_blocks"), blocks, data + [.int(span)])
            span *= 2
        }
        try device.launch(module.function("take"), over: rows * k, data + [.int(k)] + out)
    }

    private static let source = """
        typedef Compute<T>::type C;
        // Whether element a of a row comes before b; -1 is after all.
        DEVICE bool precedes(C x, int64 a, C y, int64 b) {
            if (a < 0 || b < 0) return b < 0 && a >= 0;
            if (x == y) return a < b;
            if (x != x || y != y) return x != x && (y == y || a < b);
            return x > y;
        }
        // One span of Batcher's bitonic sort on 1024 slots of shared memory, which are those from `base` of a sort of `size`: the parts of
        // the span's halves that are farther apart than these have been exchanged.
        DEVICE void merge(C* keys, int64* ids, int64 span, int64 base, int64 size) {
            for (int distance = span > 1024 ? 512 : (int)span / 2; distance > 0; distance /= 2) {
                __syncthreads();
                for (int t = threadIdx.x; t < 512; t += 256) {
                    int a = t / distance * distance * 2 + t % distance, b = a + distance;
                    bool is_down = ((base + a) & span) != 0 && span < size;
                    if (precedes(keys[b], ids[b], keys[a], ids[a]) != is_down) {
                        C key = keys[a];
                        int64 id = ids[a];
                        keys[a] = keys[b];
                        ids[a] = ids[b];
                        keys[b] = key;
                        ids[b] = id;
                    }
                }
            }
            __syncthreads();
        }
        KERNEL sort_rows(const T* x, int64 rows, int64 width, int64 size, int64 k, T* values, X* indices) {
            __shared__ C keys[1024];
            __shared__ int64 ids[1024];
            int64 together = 1024 / size;
            for (int64 start = (int64)blockIdx.x * together; start < rows; start += (int64)gridDim.x * together) {
                for (int t = threadIdx.x; t < 1024; t += 256) {
                    int64 row = start + t / size, column = t % size;
                    bool is_there = row < rows && column < width;
                    keys[t] = is_there ? widen(x[row * width + column]) : (C)0;
                    ids[t] = is_there ? column : -1;
                }
                for (int64 span = 2; span <= size; span *= 2) merge(keys, ids, span, 0, size);
                for (int t = threadIdx.x; t < 1024; t += 256) {
                    int64 row = start + t / size, place = t % size;
                    if (row >= rows || place >= k) continue;
                    values[row * k + place] = x[row * width + ids[t]];
                    indices[row * k + place] = (X)ids[t];
                }
                __syncthreads();
            }
        }
        // The k largest of a segment of a row, or of its candidates. 1024 slots hold the best so far, and elements that come before the
        // last of them; they are sorted when they are full.
        KERNEL select(
            const T* x, const int64* candidates, int64* found, int64 has_candidates, int64 rows, int64 width, int64 count, int64 k, T* values,
            X* indices
        ) {
            __shared__ C keys[1024];
            __shared__ int64 ids[1024];
            int segments = gridDim.x, t = threadIdx.x, kept = 512;
            int64 begin = count * blockIdx.x / segments, end = count * (blockIdx.x + 1) / segments;
            for (int64 row = blockIdx.y; row < rows; row += gridDim.y) {
                for (int i = t; i < 1024; i += 256) ids[i] = -1;
                __syncthreads();
                for (int64 start = begin; start < end; start += 512) {
                    C key[2];
                    int64 id[2];
                    bool is_better = false;
                    for (int i = 0; i < 2; i++) {
                        int64 n = start + t + i * 256;
                        id[i] = n < end ? (has_candidates ? candidates[row * count + n] : n) : -1;
                        key[i] = id[i] >= 0 ? widen(x[row * width + id[i]]) : (C)0;
                        if (id[i] >= 0 && precedes(key[i], id[i], keys[k - 1], ids[k - 1])) is_better = true;
                    }
                    // Nothing to do for elements after the last of the best.
                    if (!__syncthreads_or(is_better)) continue;
                    for (int i = 0; i < 2; i++) {
                        keys[kept + t + i * 256] = key[i];
                        ids[kept + t + i * 256] = id[i];
                    }
                    for (int64 span = 2; span <= 1024; span *= 2) merge(keys, ids, span, 0, 1024);
                }
                for (int i = t; i < k; i += 256) {
                    if (segments > 1) {
                        found[(row * segments + blockIdx.x) * k + i] = ids[i];
                    } else {
                        values[row * k + i] = x[row * width + ids[i]];
                        indices[row * k + i] = (X)ids[i];
                    }
                }
                __syncthreads();
            }
        }
        // 1024 neighbours of a longer sort: all their spans (0), or the last distances of one span.
        KERNEL sort_blocks(const T* x, int64* order, int64 rows, int64 width, int64 size, int64 span) {
            __shared__ C keys[1024];
            __shared__ int64 ids[1024];
            for (int64 block = blockIdx.x; block < rows * size / 1024; block += gridDim.x) {
                int64 row = block * 1024 / size, base = block * 1024 % size;
                for (int t = threadIdx.x; t < 1024; t += 256) {
                    int64 id = span ? order[block * 1024 + t] : (base + t < width ? base + t : -1);
                    ids[t] = id;
                    keys[t] = id >= 0 ? widen(x[row * width + id]) : (C)0;
                }
                if (span == 0) {
                    for (int64 s = 2; s <= 1024; s *= 2) merge(keys, ids, s, base, size);
                } else {
                    merge(keys, ids, span, base, size);
                }
                for (int t = threadIdx.x; t < 1024; t += 256) order[block * 1024 + t] = ids[t];
                __syncthreads();
            }
        }
        KERNEL exchange(const T* x, int64* order, int64 rows, int64 width, int64 size, int64 span, int64 distance) {
            for (int64 n = first(); n < rows * size / 2; n += stride()) {
                int64 row = n / (size / 2), i = n % (size / 2);
                int64 a = i / distance * distance * 2 + i % distance, b = a + distance;
                int64 *p = order + row * size + a, *q = order + row * size + b, u = *p, v = *q;
                C key = u >= 0 ? widen(x[row * width + u]) : (C)0, other = v >= 0 ? widen(x[row * width + v]) : (C)0;
                bool is_down = (a & span) != 0 && span < size;
                if (precedes(other, v, key, u) != is_down) {
                    *p = v;
                    *q = u;
                }
            }
        }
        KERNEL take(const T* x, const int64* order, int64 rows, int64 width, int64 size, int64 k, T* values, X* indices) {
            for (int64 n = first(); n < rows * k; n += stride()) {
                int64 row = n / k, id = order[row * size + n % k];
                values[n] = x[row * width + id];
                indices[n] = (X)id;
            }
        }
        // One largest element: as on a CPU a NaN hides the elements before it, and one at the end selects the first element.
        KERNEL largest(const T* x, int64 rows, int64 width, T* values, X* indices) {
            __shared__ int64 places[256];
            __shared__ C keys[256];
            int t = threadIdx.x;
            for (int64 row = blockIdx.x; row < rows; row += gridDim.x) {
                const T* own = x + row * width;
                int64 last = -1;
                for (int64 i = t; i < width; i += 256) { C v = widen(own[i]); if (v != v) last = i; }
                places[t] = last;
                for (int w = 128; w > 0; w /= 2) {
                    __syncthreads();
                    if (t < w && places[t + w] > places[t]) places[t] = places[t + w];
                }
                __syncthreads();
                last = places[0];
                __syncthreads();
                C best = 0;
                int64 place = -1;
                for (int64 i = t; i < width; i += 256) {
                    C v = widen(own[i]);
                    if (i > last && (place < 0 || v > best)) {
                        best = v;
                        place = i;
                    }
                }
                keys[t] = best;
                places[t] = place;
                for (int w = 128; w > 0; w /= 2) {
                    __syncthreads();
                    if (t < w && precedes(keys[t + w], places[t + w], keys[t], places[t])) {
                        keys[t] = keys[t + w];
                        places[t] = places[t + w];
                    }
                }
                __syncthreads();
                best = keys[0];
                bool is_none = places[0] < 0;
                __syncthreads();
                // The first of equal elements may lie before the NaN.
                place = width;
                for (int64 i = t; i < width; i += 256)
                    if (widen(own[i]) == best && i < place) place = i;
                places[t] = place;
                for (int w = 128; w > 0; w /= 2) {
                    __syncthreads();
                    if (t < w && places[t + w] < places[t]) places[t] = places[t + w];
                }
                if (t == 0) {
                    place = is_none || places[0] == width ? 0 : places[0];
                    values[row] = own[place];
                    indices[row] = (X)place;
                }
                __syncthreads();
            }
        }
        """
}
