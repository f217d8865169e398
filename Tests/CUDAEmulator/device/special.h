// Functions that CUDA has and the C library has not: rounding intrinsics, conversions, inverse error functions.
#define CUEMU_RN(p, T, fma_, sqrt_)                                                                                                  \
    CUEMU_INLINE T __##p##add_rn(T a, T b) { return a + b; }                                                                         \
    CUEMU_INLINE T __##p##sub_rn(T a, T b) { return a - b; }                                                                         \
    CUEMU_INLINE T __##p##mul_rn(T a, T b) { return a * b; }                                                                         \
    CUEMU_INLINE T __##p##div_rn(T a, T b) { return a / b; }                                                                         \
    CUEMU_INLINE T __##p##rcp_rn(T a) { return 1 / a; }                                                                              \
    CUEMU_INLINE T __##p##sqrt_rn(T a) { return sqrt_(a); }
CUEMU_RN(f, float, fmaf, sqrtf)
CUEMU_RN(d, double, fma, sqrt)
CUEMU_INLINE float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
CUEMU_INLINE double __fma_rn(double a, double b, double c) { return fma(a, b, c); }
CUEMU_INLINE float __frsqrt_rn(float x) { return (float)(1 / sqrt((double)x)); }
CUEMU_INLINE float __saturatef(float x) { return x > 0 ? (x < 1 ? x : 1) : 0; }
CUEMU_INLINE float __fdividef(float a, float b) { return a / b; }
CUEMU_INLINE float fdividef(float a, float b) { return a / b; }
#define CUEMU_FAST(name) CUEMU_INLINE float __##name(float x) { return name(x); }
CUEMU_FAST(expf) CUEMU_FAST(exp10f) CUEMU_FAST(logf) CUEMU_FAST(log2f) CUEMU_FAST(log10f)
CUEMU_FAST(sinf) CUEMU_FAST(cosf) CUEMU_FAST(tanf)
CUEMU_INLINE float __powf(float a, float b) { return powf(a, b); }

// A conversion of a value that does not fit gives the nearest that does. NaN gives 0, or for 64 bits the highest bit alone.
template <class To, class From> CUEMU_INLINE To cuemu_convert(From x) {
    constexpr bool isSigned = (To)-1 < 0;
    constexpr To lowest = isSigned ? (To)((To)1 << (sizeof(To) * 8 - 1)) : 0;
    constexpr To highest = (To)~lowest;
    if (x != x) return sizeof(To) == 8 ? (To)((To)1 << 63) : 0;
    if (x <= (From)lowest) return lowest;
    if (x >= (From)highest) return highest;
    return (To)x;
}
#define CUEMU_CONVERT(from, From, to, To)                                                                                            \
    CUEMU_INLINE To __##from##2##to##_rn(From x) { return cuemu_convert<To>(rint(x)); }                                              \
    CUEMU_INLINE To __##from##2##to##_rz(From x) { return cuemu_convert<To>(trunc(x)); }                                             \
    CUEMU_INLINE To __##from##2##to##_ru(From x) { return cuemu_convert<To>(ceil(x)); }                                              \
    CUEMU_INLINE To __##from##2##to##_rd(From x) { return cuemu_convert<To>(floor(x)); }
#define CUEMU_CONVERT_ALL(to, To) CUEMU_CONVERT(float, float, to, To) CUEMU_CONVERT(double, double, to, To)
CUEMU_CONVERT_ALL(int, int)
CUEMU_CONVERT_ALL(uint, unsigned)
CUEMU_CONVERT_ALL(ll, long long)
CUEMU_CONVERT_ALL(ull, unsigned long long)
CUEMU_INLINE float __int2float_rn(int x) { return (float)x; }
CUEMU_INLINE float __uint2float_rn(unsigned x) { return (float)x; }
CUEMU_INLINE float __ll2float_rn(long long x) { return (float)x; }
CUEMU_INLINE float __ull2float_rn(unsigned long long x) { return (float)x; }
CUEMU_INLINE double __int2double_rn(int x) { return x; }
CUEMU_INLINE double __uint2double_rn(unsigned x) { return x; }
CUEMU_INLINE double __ll2double_rn(long long x) { return (double)x; }
CUEMU_INLINE double __ull2double_rn(unsigned long long x) { return (double)x; }
CUEMU_INLINE float __double2float_rn(double x) { return (float)x; }

CUEMU_INLINE double rsqrt(double x) { return 1 / sqrt(x); }
CUEMU_INLINE float rsqrtf(float x) { return (float)(1 / sqrt((double)x)); }
CUEMU_INLINE float rsqrt(float x) { return rsqrtf(x); }
CUEMU_INLINE double rcbrt(double x) { return 1 / cbrt(x); }
CUEMU_INLINE float rcbrtf(float x) { return (float)(1 / cbrt((double)x)); }
CUEMU_INLINE double rhypot(double x, double y) { return 1 / hypot(x, y); }
CUEMU_INLINE float rhypotf(float x, float y) { return (float)(1 / hypot((double)x, (double)y)); }
CUEMU_INLINE void sincos(double x, double *s, double *c) {
    *s = sin(x);
    *c = cos(x);
}
CUEMU_INLINE void sincosf(float x, float *s, float *c) {
    *s = sinf(x);
    *c = cosf(x);
}
CUEMU_INLINE void sincos(float x, float *s, float *c) { sincosf(x, s, c); }
CUEMU_INLINE void __sincosf(float x, float *s, float *c) { sincosf(x, s, c); }
static inline double sinpi(double x) {
    double rest = remainder(x, 2.0);
    if (rest > 0.5) rest = 1 - rest;
    else if (rest < -0.5) rest = -1 - rest;
    return sin(rest * 3.14159265358979323846);
}
static inline double cospi(double x) { return sinpi(0.5 - fabs(remainder(x, 2.0))); }
CUEMU_INLINE float sinpif(float x) { return (float)sinpi((double)x); }
CUEMU_INLINE float cospif(float x) { return (float)cospi((double)x); }

/// The x with erfc(x) = y, for y of at most 1: a first guess, made better by Halley's method.
static inline double cuemu_erfcinv(double y) {
    if (y == 0) return __builtin_inf();
    double x = 1 - y, w = -log(y * (2 - y));
    if (w < 5) {
        const double c[] = {2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
                            -0.00125372503, -0.00417768164, 0.246640727, 1.50140941};
        double p = 0;
        for (double term : c) p = p * (w - 2.5) + term;
        x = p * x;
    } else {
        x = sqrt(w - log(1.7724538509055159 * sqrt(w)));
    }
    for (int i = 0; i < 4; i++) {
        double error = erfc(x) - y, slope = 1.1283791670955126 * exp(-x * x);
        if (slope == 0) break;
        x += error / (slope - x * error);
    }
    return x;
}
static inline double erfcinv(double y) {
    if (!(y >= 0 && y <= 2)) return __builtin_nan("");
    return y > 1 ? -cuemu_erfcinv(2 - y) : cuemu_erfcinv(y);
}
static inline double erfinv(double x) {
    if (!(x >= -1 && x <= 1)) return __builtin_nan("");
    double size = fabs(x), result;
    if (size > 0.5) {
        result = cuemu_erfcinv(1 - size);
    } else {
        // Near 0 the error function itself, not its complement, keeps the digits.
        result = size * 0.88622692545275801;
        for (int i = 0; i < 6; i++) {
            double error = erf(result) - size;
            result -= error / (1.1283791670955126 * exp(-result * result) + result * error);
        }
    }
    return copysign(result, x);
}
CUEMU_INLINE float erfinvf(float x) { return (float)erfinv((double)x); }
CUEMU_INLINE float erfcinvf(float x) { return (float)erfcinv((double)x); }
CUEMU_INLINE float erfinv(float x) { return erfinvf(x); }
CUEMU_INLINE float erfcinv(float x) { return erfcinvf(x); }
CUEMU_INLINE double normcdf(double x) { return 0.5 * erfc(-x * 0.70710678118654752440); }
CUEMU_INLINE float normcdff(float x) { return (float)normcdf((double)x); }
CUEMU_INLINE float normcdf(float x) { return normcdff(x); }
static inline double normcdfinv(double x) { return -1.41421356237309504880 * erfcinv(2 * x); }
CUEMU_INLINE float normcdfinvf(float x) { return (float)normcdfinv((double)x); }
CUEMU_INLINE float normcdfinv(float x) { return normcdfinvf(x); }
#line 1 "source"
