// Atomic operations, and loads and stores with hints. Streams run at the same time, so these are really atomic.
template <class T> CUEMU_INLINE T cuemu_cas(T *at, T expected, T desired) {
    __atomic_compare_exchange_n(at, &expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return expected;
}
/// Replaces the value by what `change` makes of it, and returns the old value. `U` is an integer as wide as `T`.
template <class U, class T, class F> CUEMU_INLINE T cuemu_change(T *at, F change) {
    U seen = __atomic_load_n((U *)at, __ATOMIC_SEQ_CST);
    for (;;) {
        T old, fresh;
        __builtin_memcpy(&old, &seen, sizeof old);
        fresh = change(old);
        U bits;
        __builtin_memcpy(&bits, &fresh, sizeof bits);
        if (__atomic_compare_exchange_n((U *)at, &seen, bits, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) return old;
    }
}

#define CUEMU_ATOMIC_NAMES(name, T, U, expression)                                                                                   \
    CUEMU_INLINE T name(T *at, T value) { return cuemu_change<U>(at, [=](T old) -> T { return expression; }); }                      \
    CUEMU_INLINE T name##_block(T *at, T value) { return name(at, value); }                                                          \
    CUEMU_INLINE T name##_system(T *at, T value) { return name(at, value); }
#define CUEMU_ATOMIC_INTEGER(T, U)                                                                                                   \
    CUEMU_ATOMIC_NAMES(atomicMin, T, U, old < value ? old : value)                                                                   \
    CUEMU_ATOMIC_NAMES(atomicMax, T, U, old > value ? old : value)                                                                   \
    CUEMU_ATOMIC_NAMES(atomicAnd, T, U, old & value)                                                                                 \
    CUEMU_ATOMIC_NAMES(atomicOr, T, U, old | value)                                                                                  \
    CUEMU_ATOMIC_NAMES(atomicXor, T, U, old ^ value)
CUEMU_ATOMIC_INTEGER(int, unsigned)
CUEMU_ATOMIC_INTEGER(unsigned, unsigned)
CUEMU_ATOMIC_INTEGER(long long, unsigned long long)
CUEMU_ATOMIC_INTEGER(unsigned long long, unsigned long long)
CUEMU_ATOMIC_NAMES(atomicAdd, int, unsigned, (int)((unsigned)old + (unsigned)value))
CUEMU_ATOMIC_NAMES(atomicAdd, unsigned, unsigned, old + value)
CUEMU_ATOMIC_NAMES(atomicAdd, unsigned long long, unsigned long long, old + value)
CUEMU_ATOMIC_NAMES(atomicAdd, float, unsigned, old + value)
CUEMU_ATOMIC_NAMES(atomicAdd, double, unsigned long long, old + value)
CUEMU_ATOMIC_NAMES(atomicSub, int, unsigned, (int)((unsigned)old - (unsigned)value))
CUEMU_ATOMIC_NAMES(atomicSub, unsigned, unsigned, old - value)
CUEMU_ATOMIC_NAMES(atomicInc, unsigned, unsigned, old >= value ? 0 : old + 1)
CUEMU_ATOMIC_NAMES(atomicDec, unsigned, unsigned, old == 0 || old > value ? value : old - 1)
CUEMU_ATOMIC_NAMES(atomicExch, int, unsigned, ((void)old, value))
CUEMU_ATOMIC_NAMES(atomicExch, unsigned, unsigned, ((void)old, value))
CUEMU_ATOMIC_NAMES(atomicExch, unsigned long long, unsigned long long, ((void)old, value))
CUEMU_ATOMIC_NAMES(atomicExch, float, unsigned, ((void)old, value))

#define CUEMU_CAS(T)                                                                                                                 \
    CUEMU_INLINE T atomicCAS(T *at, T expected, T desired) { return cuemu_cas(at, expected, desired); }                              \
    CUEMU_INLINE T atomicCAS_block(T *at, T expected, T desired) { return cuemu_cas(at, expected, desired); }                        \
    CUEMU_INLINE T atomicCAS_system(T *at, T expected, T desired) { return cuemu_cas(at, expected, desired); }
CUEMU_CAS(int)
CUEMU_CAS(unsigned)
CUEMU_CAS(unsigned long long)
CUEMU_CAS(unsigned short)

#define CUEMU_LOAD(name) template <class T> CUEMU_INLINE T name(const T *at) { return *at; }
CUEMU_LOAD(__ldg)
CUEMU_LOAD(__ldca)
CUEMU_LOAD(__ldcg)
CUEMU_LOAD(__ldcs)
CUEMU_LOAD(__ldlu)
CUEMU_LOAD(__ldcv)
#define CUEMU_STORE(name) template <class T> CUEMU_INLINE void name(T *at, T value) { *at = value; }
CUEMU_STORE(__stwb)
CUEMU_STORE(__stcg)
CUEMU_STORE(__stcs)
CUEMU_STORE(__stwt)
