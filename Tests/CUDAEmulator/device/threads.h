// Barriers, votes and shuffles, and what ends a kernel.
CUEMU_INLINE int __syncthreads_count(int predicate) {
    unsigned participants;
    return (int)cuemu_module.table->barrier(cuemu_self(), predicate != 0, &participants);
}
CUEMU_INLINE int __syncthreads_and(int predicate) {
    unsigned participants;
    return cuemu_module.table->barrier(cuemu_self(), predicate != 0, &participants) == participants;
}
CUEMU_INLINE int __syncthreads_or(int predicate) { return __syncthreads_count(predicate) != 0; }
CUEMU_INLINE void __syncthreads() { __syncthreads_count(0); }

CUEMU_INLINE unsigned cuemu_lane() { return cuemu_self()->number & 31; }
CUEMU_INLINE cuemu_exchange cuemu_vote(unsigned mask, int predicate) {
    return cuemu_module.table->exchange(cuemu_self(), mask, 0, 0, predicate != 0);
}
CUEMU_INLINE void __syncwarp(unsigned mask = ~0u) { cuemu_vote(mask, 0); }
CUEMU_INLINE unsigned __ballot_sync(unsigned mask, int predicate) { return cuemu_vote(mask, predicate).ballot; }
CUEMU_INLINE int __any_sync(unsigned mask, int predicate) { return cuemu_vote(mask, predicate).ballot != 0; }
CUEMU_INLINE int __all_sync(unsigned mask, int predicate) {
    cuemu_exchange got = cuemu_vote(mask, predicate);
    return got.ballot == got.lanes;
}
// CUDA promises only that the caller is among the active lanes.
CUEMU_INLINE unsigned __activemask() { return 1u << cuemu_lane(); }

template <class T> CUEMU_INLINE T cuemu_shuffle(unsigned mask, T value, unsigned source) {
    unsigned long long bits = 0;
    __builtin_memcpy(&bits, &value, sizeof value);
    bits = cuemu_module.table->exchange(cuemu_self(), mask, bits, source, 0).value;
    __builtin_memcpy(&value, &bits, sizeof value);
    return value;
}

#define CUEMU_SHUFFLES(T)                                                                                                            \
    CUEMU_INLINE T __shfl_sync(unsigned mask, T value, int source, int width = 32) {                                                 \
        return cuemu_shuffle(mask, value, (cuemu_lane() & ~(width - 1u)) + (source & (width - 1u)));                                 \
    }                                                                                                                                \
    CUEMU_INLINE T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32) {                                          \
        unsigned lane = cuemu_lane();                                                                                                \
        return cuemu_shuffle(mask, value, (lane & (width - 1u)) >= delta ? lane - delta : lane);                                     \
    }                                                                                                                                \
    CUEMU_INLINE T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32) {                                        \
        unsigned lane = cuemu_lane();                                                                                                \
        return cuemu_shuffle(mask, value, (lane & (width - 1u)) + delta < (unsigned)width ? lane + delta : lane);                    \
    }                                                                                                                                \
    CUEMU_INLINE T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32) {                                              \
        unsigned lane = cuemu_lane(), source = lane ^ (unsigned)lanes;                                                               \
        return cuemu_shuffle(mask, value, source <= (lane | (width - 1u)) ? source : lane);                                          \
    }
CUEMU_SHUFFLES(int)
CUEMU_SHUFFLES(unsigned)
CUEMU_SHUFFLES(long)
CUEMU_SHUFFLES(unsigned long)
CUEMU_SHUFFLES(long long)
CUEMU_SHUFFLES(unsigned long long)
CUEMU_SHUFFLES(float)
CUEMU_SHUFFLES(double)

template <class T> CUEMU_INLINE unsigned __match_any_sync(unsigned mask, T value) {
    unsigned same = 0, lanes = cuemu_vote(mask, 0).lanes;
    for (unsigned i = 0; i < 32; i++)
        if ((lanes >> i & 1) && cuemu_shuffle(mask, value, i) == value) same |= 1u << i;
    return same;
}

#define CUEMU_REDUCE(name, T, step)                                                                                                  \
    CUEMU_INLINE T __reduce_##name##_sync(unsigned mask, T value) {                                                                  \
        T total = value;                                                                                                             \
        unsigned lanes = cuemu_vote(mask, 0).lanes;                                                                                  \
        for (unsigned i = 0; i < 32; i++) {                                                                                          \
            if (!(lanes >> i & 1)) continue;                                                                                         \
            T other = cuemu_shuffle(mask, value, i);                                                                                 \
            if (i != cuemu_lane()) total = step;                                                                                     \
        }                                                                                                                            \
        return total;                                                                                                                \
    }
CUEMU_REDUCE(add, unsigned, total + other)
CUEMU_REDUCE(add, int, total + other)
CUEMU_REDUCE(min, unsigned, total < other ? total : other)
CUEMU_REDUCE(min, int, total < other ? total : other)
CUEMU_REDUCE(max, unsigned, total > other ? total : other)
CUEMU_REDUCE(max, int, total > other ? total : other)
CUEMU_REDUCE(and, unsigned, total & other)
CUEMU_REDUCE(or, unsigned, total | other)
CUEMU_REDUCE(xor, unsigned, total ^ other)

CUEMU_INLINE void __threadfence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
CUEMU_INLINE void __threadfence_block() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
CUEMU_INLINE void __threadfence_system() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
CUEMU_INLINE void __nanosleep(unsigned) {}
CUEMU_INLINE long long clock64() { return (long long)__builtin_readcyclecounter(); }
CUEMU_INLINE clock_t clock() { return (clock_t)__builtin_readcyclecounter(); }

[[noreturn]] CUEMU_INLINE void cuemu_fail(int result, const char *text) {
    cuemu_module.table->fail(cuemu_self(), result, text);
    __builtin_unreachable();
}
#define __trap() cuemu_fail(719, "__trap()")
#define CUEMU_TEXT(x) #x
#define CUEMU_LINE(x) CUEMU_TEXT(x)
#define assert(condition) ((condition) ? (void)0 : cuemu_fail(710, __FILE__ ":" CUEMU_LINE(__LINE__) ": assertion failed: " #condition))

extern "C" int dprintf(int, const char *, ...);
#define printf(...) dprintf(2, __VA_ARGS__)
