// Kernels: indices, shared memory, barriers, warps, atomics, and threads that end early.
#include "api.hpp"
#include <cmath>

static const char source[] = R"(
struct Pair { const float *left, *right; };
extern "C" __global__ void add(const float *__restrict__ a, Pair pair, float *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = a[i] + pair.left[i] * pair.right[i];
}
extern "C" __global__ void __launch_bounds__(256) sum(const float *x, float *out, int n) {
    __shared__ float part[256];
    float total = 0;
    for (int i = blockIdx.x * 256 + threadIdx.x; i < n; i += gridDim.x * 256) total += x[i];
    part[threadIdx.x] = total;
    __syncthreads();
    for (int half = 128; half; half /= 2) {
        if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
        __syncthreads();
    }
    if (!threadIdx.x) out[blockIdx.x] = part[0];
}
extern "C" { // kernels may also stand in such a block
__device__ float warpSum(float value) {
    for (int delta = 16; delta; delta /= 2) value += __shfl_down_sync(0xffffffffu, value, delta);
    return value;
}
__global__ void warps(const float *x, float *out) {
    __shared__ float part[32];
    float value = warpSum(x[blockIdx.x * blockDim.x + threadIdx.x]);
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = value;
    __syncthreads();
    if (threadIdx.x < 32) {
        value = threadIdx.x < blockDim.x / 32 ? part[threadIdx.x] : 0;
        value = warpSum(value);
        if (threadIdx.x == 0) out[blockIdx.x] = value;
    }
}
}
extern "C" __global__ void lanes(int *out) {
    int lane = threadIdx.x;
    int base = 16 * lane;
    out[base] = __shfl_sync(~0u, lane * 10, lane + 1);
    out[base + 1] = __shfl_up_sync(~0u, lane, 3);
    out[base + 2] = __shfl_xor_sync(~0u, lane, 5);
    out[base + 3] = __shfl_down_sync(~0u, lane, 2, 8);
    out[base + 4] = __ballot_sync(~0u, lane % 3 == 0);
    out[base + 5] = __any_sync(~0u, lane == 7);
    out[base + 6] = __all_sync(~0u, lane < 31);
    out[base + 7] = (int)__shfl_sync(~0u, 1.5 * lane, 4);
    out[base + 8] = __shfl_sync(~0u, (long long)lane << 33, 9) >> 33;
    if (lane < 7) out[base + 9] = __shfl_sync(0x7fu, lane, 6);
    else out[base + 9] = __ballot_sync(~0x7fu, 1);
    out[base + 10] = __reduce_add_sync(~0u, lane);
    out[base + 11] = __syncthreads_count(lane & 1);
    out[base + 12] = __syncthreads_and(lane < 31) * 2 + __syncthreads_or(lane == 31);
    out[base + 13] = __match_any_sync(~0u, lane % 4);
}
extern "C" __global__ void early(int *out, int n) {
    __shared__ int seen;
    if (!threadIdx.x) seen = 0;
    if ((int)threadIdx.x >= n) return;
    __syncthreads();
    atomicAdd(&seen, 1);
    __syncthreads();
    unsigned voters = __ballot_sync(~0u, 1);
    out[threadIdx.x] = seen * 100 + __popc(voters);
}
extern "C" __global__ void atomics(int *ints, float *floats, double *doubles, unsigned long long *longs, unsigned short *shorts) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    atomicAdd(ints, 1);
    atomicSub(ints + 1, 2);
    atomicMax(ints + 2, i);
    atomicMin(ints + 3, -i);
    atomicOr(ints + 4, 1 << i % 31);
    atomicXor(ints + 5, i);
    atomicAnd(ints + 6, ~(1 << i % 31));
    atomicAdd(floats, 0.5f);
    atomicAdd(doubles, 0.25);
    atomicAdd(longs, 1ull << 33);
    atomicMax(longs + 1, (unsigned long long)i << 40);
    unsigned short old = *shorts, seen;
    do {
        seen = old;
        old = atomicCAS(shorts, seen, (unsigned short)(seen + 3));
    } while (old != seen);
}
extern "C" __global__ void where(int *out) {
    int thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    int block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    int threads = blockDim.x * blockDim.y * blockDim.z;
    atomicAdd(out + block * threads + thread, block * 1000 + thread);
}
extern "C" __global__ void unset(unsigned *out) {
    __shared__ unsigned never[64];
    out[threadIdx.x] = never[threadIdx.x];
    never[threadIdx.x] = 1;
}
// What else CUDA C++ allows: "extern \"C\" __global__ void quoted() {}" in a comment is no kernel.
#define THREADS 64
__constant__ float table[4] = {1, 2, 3, 4};
__device__ int counter = 5;
static __device__ __forceinline__ float square(float x) { return x * x; }
template <class T, int n> __device__ __noinline__ T total(const T *x) {
    T sum = 0;
#pragma unroll
    for (int i = 0; i < n; i++) sum += x[i];
    return sum;
}
template <class T> __global__ void generic(T *x) { *x = 0; }
struct __align__(16) Shape { long long sizes[3]; float scale; };
extern "C" __launch_bounds__(THREADS * 2, 4) __global__ void __noinline__ varied(const Shape shape, float4 *__restrict__ out, const bool flag,
                                                                                  signed char small, const double third) {
    __shared__ __align__(16) double tile[8][THREADS + 1];
    __shared__ volatile int last;
    const dim3 size = blockDim;
    const uint3 at = threadIdx;
    tile[at.x % 8][at.x] = third + at.x;
    if (at.x == size.x - 1) last = atomicAdd(&counter, 1);
    __syncthreads();
    auto pick = [&](int i) { return (float)tile[i % 8][i]; };
    if (at.x == 0)
        *out = make_float4(pick(size.x - 1), square(total<float, 4>(table)) * shape.scale, (float)(shape.sizes[2] + small), flag ? last : -1);
}
#define KERNEL(name, op) extern "C" __global__ void name##_op(float *x) { x[threadIdx.x] = x[threadIdx.x] op 2; }
KERNEL(twice, *)
KERNEL(less, -)
)";

static void checkSums(void *module) {
    std::vector<float> x(5000);
    for (size_t i = 0; i < x.size(); i++) x[i] = (float)(i % 17);
    double wanted = 0, wantedHead = 0;
    for (size_t i = 0; i < x.size(); i++) wanted += x[i];
    for (size_t i = 0; i < 2048; i++) wantedHead += x[i];
    Ptr in = upload(x), out = upload(std::vector<float>(4));
    OK(launch(function(module, "sum"), 4, 256, nullptr, in, out, 5000));
    double total = 0;
    for (float part : download<float>(out, 4)) total += part;
    EQUAL(total, wanted);
    OK(launch(function(module, "warps"), 2, 1024, nullptr, in, out));
    auto parts = download<float>(out, 2);
    EQUAL((double)parts[0] + parts[1], wantedHead);
    // More threads than the kernel's bounds allow.
    EQUAL(launch(function(module, "sum"), 1, 512, nullptr, in, out, 5000), 1);
    int most = 0, shared = 0;
    OK(cuFuncGetAttribute(&most, 0, function(module, "sum")));
    OK(cuFuncGetAttribute(&shared, 1, function(module, "sum")));
    EQUAL(most, 256);
    CHECK(shared >= 1024);
}

static void checkLanes(void *module) {
    Ptr out = upload(std::vector<int>(32 * 16));
    OK(launch(function(module, "lanes"), 1, 32, nullptr, out));
    auto got = download<int>(out, 32 * 16);
    unsigned thirds = 0;
    for (int i = 0; i < 32; i += 3) thirds |= 1u << i;
    for (int lane = 0; lane < 32; lane++) {
        const int *at = &got[(size_t)lane * 16];
        int wanted[] = {(lane + 1) % 32 * 10, lane < 3 ? lane : lane - 3, lane ^ 5, lane % 8 < 6 ? lane + 2 : lane, (int)thirds, 1, 0,
                        6, 9, lane < 7 ? 6 : ~0x7f, 496, 16, 1, 0x11111111 << lane % 4};
        for (int i = 0; i < 14; i++) EQUAL(at[i], wanted[i]);
    }
}

static void checkAtomics(void *module) {
    Ptr ints = upload(std::vector<int>{0, 0, 0, 0, 0, 0, -1}), floats = upload(std::vector<float>(1)),
        doubles = upload(std::vector<double>(1)), longs = upload(std::vector<unsigned long long>(2)),
        shorts = upload(std::vector<unsigned short>(2));
    OK(launch(function(module, "atomics"), 8, 128, nullptr, ints, floats, doubles, longs, shorts));
    auto got = download<int>(ints, 7);
    EQUAL(got[0], 1024);
    EQUAL(got[1], -2048);
    EQUAL(got[2], 1023);
    EQUAL(got[3], -1023);
    EQUAL(got[4], 0x7fffffff);
    EQUAL(got[5], 0);
    EQUAL(got[6], (int)0x80000000);
    EQUAL(download<float>(floats, 1)[0], 512.f);
    EQUAL(download<double>(doubles, 1)[0], 256.0);
    EQUAL(download<unsigned long long>(longs, 2)[0], 1024ull << 33);
    EQUAL(download<unsigned long long>(longs, 2)[1], 1023ull << 40);
    EQUAL(download<unsigned short>(shorts, 1)[0], 3 * 1024);
}

void testKernels() {
    Context context;
    void *module = load(source);
    for (uint64_t seed = 0; seed < 6; seed++) {
        setSeed(seed);
        std::vector<float> a(1000), b(1000);
        for (size_t i = 0; i < 1000; i++) a[i] = (float)i, b[i] = (float)(i % 7);
        Ptr left = upload(a), right = upload(b), out = upload(std::vector<float>(1000, -1));
        struct {
            Ptr left, right;
        } pair{right, right};
        OK(launch(function(module, "add"), 8, 128, nullptr, left, pair, out, 999));
        auto got = download<float>(out, 1000);
        for (size_t i = 0; i < 1000; i++) EQUAL(got[i], i < 999 ? a[i] + b[i] * b[i] : -1.f);

        checkSums(module);
        checkLanes(module);
        checkAtomics(module);

        Ptr ints = upload(std::vector<int>(6 * 60));
        void *parameters[] = {&ints};
        OK(cuLaunchKernel(function(module, "where"), 3, 2, 1, 5, 4, 3, 0, nullptr, parameters, nullptr));
        auto indices = download<int>(ints, 6 * 60);
        for (int i = 0; i < 360; i++) EQUAL(indices[(size_t)i], i / 60 * 1000 + i % 60);

        // 45 of 100 threads go on: the second warp has 13 lanes left.
        OK(launch(function(module, "early"), 1, 100, nullptr, ints, 45));
        auto seen = download<int>(ints, 45);
        for (int i = 0; i < 45; i++) EQUAL(seen[(size_t)i], 4500 + (i < 32 ? 32 : 13));

        // Shared memory that nobody has written is poison, in each block anew.
        OK(launch(function(module, "unset"), 3, 64, nullptr, ints));
        for (unsigned value : download<unsigned>(ints, 64)) EQUAL(value, ~0u);

        Ptr two = upload(std::vector<float>{5, 7});
        OK(launch(function(module, "twice_op"), 1, 2, nullptr, two));
        OK(launch(function(module, "less_op"), 1, 2, nullptr, two));
        EQUAL(download<float>(two, 2)[1], 12.f);
        for (Ptr address : {left, right, out, ints, two}) OK(cuMemFree_v2(address));
    }
    struct alignas(16) {
        long long sizes[3];
        float scale;
    } shape{{1, 2, 300}, 0.5f};
    Ptr four = upload(std::vector<float>(4));
    OK(launch(function(module, "varied"), 1, 64, nullptr, shape, four, true, (signed char)-4, 0.25));
    auto parts = download<float>(four, 4);
    EQUAL(parts[0], 63.25f);
    EQUAL(parts[1], 50.f);
    EQUAL(parts[2], 296.f);
    EQUAL(parts[3], 5.f);
    int most = 0;
    OK(cuFuncGetAttribute(&most, 0, function(module, "varied")));
    EQUAL(most, 128);
    void *none = nullptr;
    EQUAL(cuModuleGetFunction(&none, module, "quoted"), 500);
    EQUAL(cuModuleGetFunction(&none, module, "generic"), 500);
    EQUAL(cuModuleGetFunction(&none, module, "warpSum"), 500);
    int blocks = 0;
    OK(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, function(module, "add"), 256, 0));
    EQUAL(blocks, 8);
}
