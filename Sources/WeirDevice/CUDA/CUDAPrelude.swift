/// What every CUDA program of Weir begins with: TensorFlow's types by Weir's names, the types that they are computed in, and the
/// functions that expressions of ops use.
///
/// `Compute<T>::type` is float for the 16-bit types and T for all others. `widen` and `narrow` convert, rounding to the nearest even.
/// Complex numbers are structures with the operators of numbers.
package enum CUDAPrelude {
    package static let source = types + conversions + complex + functions

    private static let types = """
        #define DEVICE __device__ __forceinline__
        #define KERNEL extern "C" __global__ void
        typedef signed char int8;
        typedef unsigned char uint8;
        typedef short int16;
        typedef unsigned short uint16;
        typedef int int32;
        typedef unsigned int uint32;
        typedef long long int64;
        typedef unsigned long long uint64;
        struct half { uint16 bits; };
        struct bfloat16 { uint16 bits; };
        template <class R> struct Complex { R re, im; };
        typedef Complex<float> complex64;
        typedef Complex<double> complex128;
        template <class T> struct Compute { typedef T type; };
        template <> struct Compute<half> { typedef float type; };
        template <> struct Compute<bfloat16> { typedef float type; };
        template <class T> struct Real { typedef T type; };
        template <class R> struct Real<Complex<R>> { typedef R type; };
        template <class T> struct IsComplex { static const bool value = false; };
        template <class R> struct IsComplex<Complex<R>> { static const bool value = true; };
        template <class T> struct IsFloating { static const bool value = false; };
        template <> struct IsFloating<float> { static const bool value = true; };
        template <> struct IsFloating<double> { static const bool value = true; };
        template <class T> DEVICE bool is_bfloat16(const T*) { return false; }
        DEVICE bool is_bfloat16(const bfloat16*) { return true; }
        template <class T, int N> struct alignas(sizeof(T) * N) Pack { T at[N]; };
        // The first item of this thread, and the number of threads.
        DEVICE int64 first() { return (int64)blockIdx.x * blockDim.x + threadIdx.x; }
        DEVICE int64 stride() { return (int64)gridDim.x * blockDim.x; }

        """

    private static let conversions = """
        #ifdef __CUDA_EMULATION__
        DEVICE float widen(half x) { _Float16 h; __builtin_memcpy(&h, &x, 2); return (float)h; }
        DEVICE half to_half(float x) { _Float16 h = (_Float16)x; half r; __builtin_memcpy(&r, &h, 2); return r; }
        #else
        DEVICE float widen(half x) { float r; asm("cvt.f32.f16 %0, %1;" : "=f"(r) : "h"(x.bits)); return r; }
        DEVICE half to_half(float x) { half r; asm("cvt.rn.f16.f32 %0, %1;" : "=h"(r.bits) : "f"(x)); return r; }
        #endif
        DEVICE float widen(bfloat16 x) { return __uint_as_float((uint32)x.bits << 16); }
        DEVICE bfloat16 to_bfloat16(float x) {
            uint32 bits = __float_as_uint(x);
            bfloat16 r;
            r.bits = x != x ? 0x7fc0 : (uint16)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
            return r;
        }
        template <class T> DEVICE T widen(T x) { return x; }
        template <class T> struct Narrow { template <class C> static DEVICE T from(C x) { return (T)x; } };
        template <> struct Narrow<half> { template <class C> static DEVICE half from(C x) { return to_half((float)x); } };
        template <> struct Narrow<bfloat16> { template <class C> static DEVICE bfloat16 from(C x) { return to_bfloat16((float)x); } };
        template <class R> struct Narrow<Complex<R>> {
            template <class C> static DEVICE Complex<R> from(C x) { Complex<R> r = {(R)x, 0}; return r; }
            template <class S> static DEVICE Complex<R> from(Complex<S> x) { Complex<R> r = {(R)x.re, (R)x.im}; return r; }
        };
        template <class T, class C> DEVICE T narrow(C x) { return Narrow<T>::from(x); }
        // A value as it is after it was stored as a T.
        template <class T, class C> DEVICE typename Compute<T>::type rounded(C x) { return widen(narrow<T>(x)); }

        """

    private static let complex = """
        template <class R> DEVICE Complex<R> make(R re, R im) { Complex<R> r = {re, im}; return r; }
        #define C Complex<R>
        template <class R> DEVICE C operator+(C a, C b) { return make<R>(a.re + b.re, a.im + b.im); }
        template <class R> DEVICE C operator-(C a, C b) { return make<R>(a.re - b.re, a.im - b.im); }
        template <class R> DEVICE C operator-(C a) { return make<R>(-a.re, -a.im); }
        template <class R> DEVICE C operator*(C a, C b) { return make<R>(a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re); }
        template <class R> DEVICE C operator*(C a, R b) { return make<R>(a.re * b, a.im * b); }
        template <class R> DEVICE C operator*(R b, C a) { return make<R>(a.re * b, a.im * b); }
        template <class R> DEVICE C operator/(C a, C b) {
            // Smith's division: the quotient of the smaller part by the larger keeps the intermediate values in range.
            if (fabs(b.re) >= fabs(b.im)) {
                R r = b.im / b.re, d = b.re + b.im * r;
                return make<R>((a.re + a.im * r) / d, (a.im - a.re * r) / d);
            }
            R r = b.re / b.im, d = b.re * r + b.im;
            return make<R>((a.re * r + a.im) / d, (a.im * r - a.re) / d);
        }
        template <class R> DEVICE C operator/(C a, R b) { return make<R>(a.re / b, a.im / b); }
        template <class R> DEVICE C& operator+=(C& a, C b) { a = a + b; return a; }
        template <class R> DEVICE C& operator*=(C& a, C b) { a = a * b; return a; }
        template <class R> DEVICE bool operator==(C a, C b) { return a.re == b.re && a.im == b.im; }
        template <class R> DEVICE bool operator!=(C a, C b) { return !(a == b); }
        template <class R> DEVICE C conj(C a) { return make<R>(a.re, -a.im); }
        template <class R> DEVICE R norm(C a) { return a.re * a.re + a.im * a.im; }
        template <class R> DEVICE C exp(C a) { R e = exp(a.re); return make<R>(e * cos(a.im), e * sin(a.im)); }
        template <class R> DEVICE C log(C a) { return make<R>(log(hypot(a.re, a.im)), atan2(a.im, a.re)); }
        template <class R> DEVICE C sqrt(C a) {
            R m = hypot(a.re, a.im);
            if (m == 0) return make<R>(0, a.im);
            R t = sqrt((m + fabs(a.re)) / 2);
            if (a.re >= 0) return make<R>(t, a.im / (2 * t));
            return make<R>(fabs(a.im) / (2 * t), copysign(t, a.im));
        }
        #undef C
        template <class T> DEVICE T conj(T x) { return x; }
        template <class T> DEVICE typename Real<T>::type real(T x) { return x; }
        template <class R> DEVICE R real(Complex<R> x) { return x.re; }

        """

    private static let functions = """
        // A number of a type, from one that is written in the source.
        template <class T> struct Number { static DEVICE T of(double x) { return (T)x; } };
        template <class R> struct Number<Complex<R>> { static DEVICE Complex<R> of(double x) { return make<R>((R)x, 0); } };
        template <class T> DEVICE T number(double x) { return Number<T>::of(x); }
        // NaN if one is NaN, as TensorFlow's Maximum and Minimum.
        template <class T> DEVICE T greater(T a, T b) { return a != a ? a : (b != b ? b : (a > b ? a : b)); }
        template <class T> DEVICE T lesser(T a, T b) { return a != a ? a : (b != b ? b : (a < b ? a : b)); }
        template <class T> DEVICE T sign(T x) { return (T)((x > (T)0) - (x < (T)0)); }
        // Integer quotients: by zero they are zero, since a card has no way to fail; the smallest number by -1 is itself.
        template <class T> DEVICE T negative(T a) { return (T)(0 - (uint64)a); }
        template <class T> DEVICE bool is_minus_one(T a) { return (T)-1 < (T)0 && a == (T)-1; }
        template <class T> DEVICE T quotient(T a, T b) { return b == 0 ? (T)0 : (is_minus_one(b) ? negative(a) : (T)(a / b)); }
        template <class T> DEVICE T remains(T a, T b) { return b == 0 || is_minus_one(b) ? (T)0 : (T)(a % b); }
        template <class C> DEVICE C sigmoid(C x) {
            C small = exp(-fabs(x));
            return x < 0 ? small / (1 + small) : 1 / (1 + small);
        }

        """
}
