// The words and types of CUDA C++. Each kernel's source is compiled with these files before it.
#define __CUDA_EMULATION__ 1
#define __CUDACC__ 1
#define __CUDACC_RTC__ 1
#define __CUDA_ARCH__ 900
#define __CUDACC_VER_MAJOR__ 12
#define __CUDACC_VER_MINOR__ 9

#define __global__
#define __device__
#define __host__
#define __constant__
#define __managed__
#define __grid_constant__
// One block runs at a time in a thread, so a variable of the thread is a variable of the block.
#define __shared__ static thread_local
#define __launch_bounds__(...)
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __align__(n) __attribute__((aligned(n)))
#define CUEMU_INLINE static inline __attribute__((always_inline))

typedef __SIZE_TYPE__ size_t;
typedef __PTRDIFF_TYPE__ ptrdiff_t;
typedef long clock_t;

#define CUEMU_VECTOR(T, name, a1, a2, a4)                                                                                            \
    struct name##1 { T x; };                                                                                                         \
    struct __align__(a2) name##2 { T x, y; };                                                                                        \
    struct name##3 { T x, y, z; };                                                                                                   \
    struct __align__(a4) name##4 { T x, y, z, w; };                                                                                  \
    CUEMU_INLINE name##1 make_##name##1(T x) { return {x}; }                                                                         \
    CUEMU_INLINE name##2 make_##name##2(T x, T y) { return {x, y}; }                                                                 \
    CUEMU_INLINE name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; }                                                         \
    CUEMU_INLINE name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
CUEMU_VECTOR(signed char, char, 1, 2, 4)
CUEMU_VECTOR(unsigned char, uchar, 1, 2, 4)
CUEMU_VECTOR(short, short, 2, 4, 8)
CUEMU_VECTOR(unsigned short, ushort, 2, 4, 8)
CUEMU_VECTOR(int, int, 4, 8, 16)
CUEMU_VECTOR(unsigned, uint, 4, 8, 16)
CUEMU_VECTOR(long, long, 8, 16, 16)
CUEMU_VECTOR(unsigned long, ulong, 8, 16, 16)
CUEMU_VECTOR(long long, longlong, 8, 16, 16)
CUEMU_VECTOR(unsigned long long, ulonglong, 8, 16, 16)
CUEMU_VECTOR(float, float, 4, 8, 16)
CUEMU_VECTOR(double, double, 8, 16, 16)

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
    constexpr dim3(cuemu_index v) : x(v.x), y(v.y), z(v.z) {}
    constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
    constexpr operator uint3() const { return {x, y, z}; }
};

extern "C" __attribute__((visibility("default"))) cuemu_module_link cuemu_module;
cuemu_module_link cuemu_module = {1, 0, nullptr};

/// The running thread. Its address is the same as long as the thread runs, so a compiler may keep it.
CUEMU_INLINE cuemu_thread *cuemu_self() { return *(cuemu_thread **)((char *)__builtin_thread_pointer() + cuemu_module.selfOffset); }

CUEMU_INLINE uint3 cuemu_read(const cuemu_index &v) { return {v.x, v.y, v.z}; }
#define threadIdx (cuemu_read(cuemu_self()->thread))
#define blockIdx (cuemu_read(cuemu_self()->block))
#define blockDim (dim3(cuemu_self()->blockSize))
#define gridDim (dim3(cuemu_self()->gridSize))
#define warpSize 32

/// Takes the block's next thread; false when all have begun.
CUEMU_INLINE bool cuemu_begin(cuemu_thread *self) {
    cuemu_block *run = self->run;
    if (run->next == run->total) return false;
    unsigned number = run->next++;
    if (run->reverse) number = run->total - 1 - number;
    self->number = number;
    if (self->blockSize.y * self->blockSize.z == 1) {
        self->thread = {number, 0, 0};
    } else {
        unsigned rest = number / self->blockSize.x;
        self->thread = {number % self->blockSize.x, rest % self->blockSize.y, rest / self->blockSize.y};
    }
    return true;
}

CUEMU_INLINE void cuemu_end(cuemu_thread *self) {
    self->run->ended++;
    self->run->alive[self->number >> 5] &= ~(1u << (self->number & 31));
}

template <class T, T... I> struct cuemu_indices {};
template <class F, F f> struct cuemu_launcher;
template <class... A, void (*f)(A...)> struct cuemu_launcher<void (*)(A...), f> {
    static constexpr unsigned count = sizeof...(A);
    static constexpr unsigned sizes[sizeof...(A) + 1] = {(unsigned)sizeof(A)..., 0};
    static constexpr unsigned alignments[sizeof...(A) + 1] = {(unsigned)alignof(A)..., 0};
    template <int... I> static void each(cuemu_thread *self, void **parameters, cuemu_indices<int, I...>) {
        while (cuemu_begin(self)) {
            f(*(A *)parameters[I]...);
            cuemu_end(self);
        }
    }
    static void run(cuemu_thread *self, void **parameters) { each(self, parameters, __make_integer_seq<cuemu_indices, int, sizeof...(A)>()); }
};
#define CUEMU_KERNEL(name, bounds)                                                                                                   \
    extern "C" __attribute__((visibility("default"))) const cuemu_kernel cuemu_kernel_##name;                                        \
    const cuemu_kernel cuemu_kernel_##name = {                                                                                       \
        cuemu_launcher<decltype(&name), &name>::run, cuemu_launcher<decltype(&name), &name>::count,                                  \
        cuemu_launcher<decltype(&name), &name>::sizes, cuemu_launcher<decltype(&name), &name>::alignments, (unsigned)(bounds)};
