/// Prefix sums on a card: where the elements go that a kernel keeps.
///
/// A block of 256 threads counts the kept elements of a tile of 2048, one block adds the counts of tiles up, and the blocks write the
/// places of their elements. Which elements are kept says the source: `bool kept(int64 i, …)`.
package enum CUDAPrefixSum {
    /// How many elements a block takes.
    package static let tile = 2048

    /// `block_scan`, for 256 threads: the sum of the values of all earlier threads; and the kernel `scan_counts`, which replaces each
    /// number by the sum of those before it, and writes the sum of all behind the last.
    package static let source = """
        DEVICE int64 block_scan(int64 value, int64& total) {
            __shared__ int64 sums[256];
            int t = threadIdx.x;
            sums[t] = value;
            for (int distance = 1; distance < 256; distance *= 2) {
                __syncthreads();
                int64 earlier = t >= distance ? sums[t - distance] : 0;
                __syncthreads();
                sums[t] += earlier;
            }
            __syncthreads();
            total = sums[255];
            int64 result = sums[t] - value;
            __syncthreads();
            return result;
        }
        KERNEL scan_counts(int64* counts, int64 count) {
            int64 before = 0;
            for (int64 start = 0; start < count; start += 1024) {
                int64 own[4], sum = 0, total;
        #pragma unroll
                for (int k = 0; k < 4; k++) {
                    int64 i = start + threadIdx.x * 4 + k;
                    own[k] = i < count ? counts[i] : 0;
                    sum += own[k];
                }
                int64 at = before + block_scan(sum, total);
        #pragma unroll
                for (int k = 0; k < 4; k++) {
                    int64 i = start + threadIdx.x * 4 + k;
                    if (i < count) counts[i] = at;
                    at += own[k];
                }
                before += total;
            }
            if (threadIdx.x == 0) counts[count] = before;
        }

        """
}
