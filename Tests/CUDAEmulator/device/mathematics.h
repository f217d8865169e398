// Integer and bit functions, conversions, and the functions of the C library that CUDA has too.
template <class To, class From> CUEMU_INLINE To cuemu_bits(From value) {
    To to;
    static_assert(sizeof to == sizeof value);
    __builtin_memcpy(&to, &value, sizeof to);
    return to;
}
CUEMU_INLINE int __float_as_int(float x) { return cuemu_bits<int>(x); }
CUEMU_INLINE unsigned __float_as_uint(float x) { return cuemu_bits<unsigned>(x); }
CUEMU_INLINE float __int_as_float(int x) { return cuemu_bits<float>(x); }
CUEMU_INLINE float __uint_as_float(unsigned x) { return cuemu_bits<float>(x); }
CUEMU_INLINE long long __double_as_longlong(double x) { return cuemu_bits<long long>(x); }
CUEMU_INLINE double __longlong_as_double(long long x) { return cuemu_bits<double>(x); }
CUEMU_INLINE int __double2hiint(double x) { return (int)(cuemu_bits<long long>(x) >> 32); }
CUEMU_INLINE int __double2loint(double x) { return (int)cuemu_bits<long long>(x); }
CUEMU_INLINE double __hiloint2double(int hi, int lo) {
    return cuemu_bits<double>((long long)((unsigned long long)(unsigned)hi << 32 | (unsigned)lo));
}

CUEMU_INLINE int __popc(unsigned x) { return __builtin_popcount(x); }
CUEMU_INLINE int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
CUEMU_INLINE int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
CUEMU_INLINE int __clzll(long long x) { return x ? __builtin_clzll((unsigned long long)x) : 64; }
CUEMU_INLINE int __ffs(int x) { return __builtin_ffs(x); }
CUEMU_INLINE int __ffsll(long long x) { return __builtin_ffsll(x); }
CUEMU_INLINE unsigned __brev(unsigned x) { return __builtin_bitreverse32(x); }
CUEMU_INLINE unsigned long long __brevll(unsigned long long x) { return __builtin_bitreverse64(x); }
CUEMU_INLINE int __mulhi(int a, int b) { return (int)((long long)a * b >> 32); }
CUEMU_INLINE unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((unsigned long long)a * b >> 32); }
CUEMU_INLINE long long __mul64hi(long long a, long long b) { return (long long)((__int128)a * b >> 64); }
CUEMU_INLINE unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)((unsigned __int128)a * b >> 64);
}
CUEMU_INLINE unsigned __funnelshift_l(unsigned lo, unsigned hi, unsigned n) {
    return (unsigned)(((unsigned long long)hi << 32 | lo) << (n & 31) >> 32);
}
CUEMU_INLINE unsigned __funnelshift_r(unsigned lo, unsigned hi, unsigned n) {
    return (unsigned)(((unsigned long long)hi << 32 | lo) >> (n & 31));
}
CUEMU_INLINE unsigned __byte_perm(unsigned a, unsigned b, unsigned select) {
    unsigned long long both = (unsigned long long)b << 32 | a;
    unsigned out = 0;
    for (int i = 0; i < 4; i++) out |= (unsigned)(both >> ((select >> 4 * i & 7) * 8) & 255) << 8 * i;
    return out;
}

#define CUEMU_MINMAX(R, A, B)                                                                                                        \
    CUEMU_INLINE R min(A a, B b) { return (R)a < (R)b ? (R)a : (R)b; }                                                               \
    CUEMU_INLINE R max(A a, B b) { return (R)a > (R)b ? (R)a : (R)b; }
CUEMU_MINMAX(int, int, int)
CUEMU_MINMAX(unsigned, unsigned, unsigned)
CUEMU_MINMAX(unsigned, int, unsigned)
CUEMU_MINMAX(unsigned, unsigned, int)
CUEMU_MINMAX(long, long, long)
CUEMU_MINMAX(unsigned long, unsigned long, unsigned long)
CUEMU_MINMAX(unsigned long, long, unsigned long)
CUEMU_MINMAX(unsigned long, unsigned long, long)
CUEMU_MINMAX(long long, long long, long long)
CUEMU_MINMAX(unsigned long long, unsigned long long, unsigned long long)
CUEMU_MINMAX(unsigned long long, long long, unsigned long long)
CUEMU_MINMAX(unsigned long long, unsigned long long, long long)

#define CUEMU_MATH1(name)                                                                                                            \
    extern "C" double name(double) noexcept;                                                                                         \
    extern "C" float name##f(float) noexcept;                                                                                        \
    CUEMU_INLINE float name(float x) { return name##f(x); }
#define CUEMU_MATH2(name)                                                                                                            \
    extern "C" double name(double, double) noexcept;                                                                                 \
    extern "C" float name##f(float, float) noexcept;                                                                                 \
    CUEMU_INLINE float name(float x, float y) { return name##f(x, y); }                                                              \
    CUEMU_INLINE double name(float x, double y) { return name((double)x, y); }                                                       \
    CUEMU_INLINE double name(double x, float y) { return name(x, (double)y); }
#define CUEMU_MATH_AS(R, name, A)                                                                                                    \
    extern "C" R name(double A) noexcept;                                                                                            \
    extern "C" R name##f(float A) noexcept;
CUEMU_MATH1(sin) CUEMU_MATH1(cos) CUEMU_MATH1(tan) CUEMU_MATH1(asin) CUEMU_MATH1(acos) CUEMU_MATH1(atan)
CUEMU_MATH1(sinh) CUEMU_MATH1(cosh) CUEMU_MATH1(tanh) CUEMU_MATH1(asinh) CUEMU_MATH1(acosh) CUEMU_MATH1(atanh)
CUEMU_MATH1(exp) CUEMU_MATH1(exp2) CUEMU_MATH1(expm1) CUEMU_MATH1(log) CUEMU_MATH1(log2) CUEMU_MATH1(log10) CUEMU_MATH1(log1p)
CUEMU_MATH1(logb) CUEMU_MATH1(sqrt) CUEMU_MATH1(cbrt) CUEMU_MATH1(erf) CUEMU_MATH1(erfc) CUEMU_MATH1(lgamma) CUEMU_MATH1(tgamma)
CUEMU_MATH1(floor) CUEMU_MATH1(ceil) CUEMU_MATH1(trunc) CUEMU_MATH1(rint) CUEMU_MATH1(nearbyint) CUEMU_MATH1(round) CUEMU_MATH1(fabs)
CUEMU_MATH1(exp10)
CUEMU_MATH2(pow) CUEMU_MATH2(atan2) CUEMU_MATH2(hypot) CUEMU_MATH2(fmod) CUEMU_MATH2(remainder) CUEMU_MATH2(copysign)
CUEMU_MATH2(fmin) CUEMU_MATH2(fmax) CUEMU_MATH2(fdim) CUEMU_MATH2(nextafter)
extern "C" {
double j0(double) noexcept, j1(double) noexcept, y0(double) noexcept, y1(double) noexcept;
float j0f(float) noexcept, j1f(float) noexcept, y0f(float) noexcept, y1f(float) noexcept;
double jn(int, double) noexcept, yn(int, double) noexcept;
float jnf(int, float) noexcept, ynf(int, float) noexcept;
double fma(double, double, double) noexcept, ldexp(double, int) noexcept, scalbn(double, int) noexcept, scalbln(double, long) noexcept;
float fmaf(float, float, float) noexcept, ldexpf(float, int) noexcept, scalbnf(float, int) noexcept, scalblnf(float, long) noexcept;
double frexp(double, int *) noexcept, modf(double, double *) noexcept, remquo(double, double, int *) noexcept;
float frexpf(float, int *) noexcept, modff(float, float *) noexcept, remquof(float, float, int *) noexcept;
int ilogb(double) noexcept, ilogbf(float) noexcept, abs(int) noexcept;
long labs(long) noexcept, lrint(double) noexcept, lrintf(float) noexcept, lround(double) noexcept, lroundf(float) noexcept;
long long llabs(long long) noexcept, llrint(double) noexcept, llrintf(float) noexcept, llround(double) noexcept, llroundf(float) noexcept;
double nan(const char *) noexcept;
float nanf(const char *) noexcept;
void *memcpy(void *, const void *, size_t) noexcept;
void *memset(void *, int, size_t) noexcept;
}
CUEMU_INLINE float pow(float x, int n) { return powf(x, (float)n); }
CUEMU_INLINE double pow(double x, int n) { return pow(x, (double)n); }
CUEMU_INLINE float fma(float a, float b, float c) { return fmaf(a, b, c); }
CUEMU_INLINE float ldexp(float x, int n) { return ldexpf(x, n); }
CUEMU_INLINE float scalbn(float x, int n) { return scalbnf(x, n); }
CUEMU_INLINE float frexp(float x, int *n) { return frexpf(x, n); }
CUEMU_INLINE float modf(float x, float *n) { return modff(x, n); }
CUEMU_INLINE float remquo(float x, float y, int *n) { return remquof(x, y, n); }
CUEMU_INLINE int ilogb(float x) { return ilogbf(x); }
CUEMU_INLINE long lrint(float x) { return lrintf(x); }
CUEMU_INLINE long lround(float x) { return lroundf(x); }
CUEMU_INLINE long long llrint(float x) { return llrintf(x); }
CUEMU_INLINE long long llround(float x) { return llroundf(x); }
CUEMU_INLINE long abs(long x) { return x < 0 ? -x : x; }
CUEMU_INLINE long long abs(long long x) { return x < 0 ? -x : x; }
CUEMU_INLINE float abs(float x) { return fabsf(x); }
CUEMU_INLINE double abs(double x) { return fabs(x); }
CUEMU_INLINE float min(float a, float b) { return fminf(a, b); }
CUEMU_INLINE float max(float a, float b) { return fmaxf(a, b); }
CUEMU_INLINE double min(double a, double b) { return fmin(a, b); }
CUEMU_INLINE double max(double a, double b) { return fmax(a, b); }
CUEMU_INLINE double min(float a, double b) { return fmin(a, b); }
CUEMU_INLINE double max(float a, double b) { return fmax(a, b); }
CUEMU_INLINE double min(double a, float b) { return fmin(a, b); }
CUEMU_INLINE double max(double a, float b) { return fmax(a, b); }
#define CUEMU_CLASSIFY(T)                                                                                                            \
    CUEMU_INLINE bool isnan(T x) { return __builtin_isnan(x); }                                                                      \
    CUEMU_INLINE bool isinf(T x) { return __builtin_isinf(x); }                                                                      \
    CUEMU_INLINE bool isfinite(T x) { return __builtin_isfinite(x); }                                                                \
    CUEMU_INLINE bool isnormal(T x) { return __builtin_isnormal(x); }                                                                \
    CUEMU_INLINE bool signbit(T x) { return __builtin_signbit(x) != 0; }
CUEMU_CLASSIFY(float)
CUEMU_CLASSIFY(double)
