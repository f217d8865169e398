// Functions of the device header against the C library or against identities.
#include "api.hpp"
#include <cmath>
#include <cstring>

static const char source[] = R"(
extern "C" __global__ void doubles(const double *x, double *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double v = x[i];
    double *at = y + 16 * i;
    at[0] = erf(erfinv(v)) - v;
    at[1] = erfc(erfcinv(1 - v)) - (1 - v);
    at[2] = normcdf(normcdfinv(0.5 + v / 2)) - (0.5 + v / 2);
    at[3] = rsqrt(v * v) * fabs(v) - 1;
    at[4] = sinpi(v) - sin(v * 3.14159265358979323846);
    at[5] = cospi(v) - cos(v * 3.14159265358979323846);
    int exponent;
    double fraction = frexp(v, &exponent);
    at[6] = ldexp(fraction, exponent) - v;
    at[7] = lgamma(v + 2) - log(tgamma(v + 2));
    at[8] = exp10(v) - pow(10.0, v);
    at[9] = hypot(v, 1.0) - sqrt(v * v + 1);
    at[10] = j0(v) - 1 + v * v / 4 < 0.02 ? 0 : 1;
    at[11] = erfcinv(1e-300) > 26.2 && erfcinv(1e-300) < 26.3 && isinf(erfinv(1.0)) && isnan(erfinv(1.5)) ? 0 : 1;
    at[12] = max(v, 2.0) + min(1.0f, (float)v) - 2 - (float)v;
    at[13] = fma(v, v, -v * v) == 0 || fabs(v) < 1 ? 0 : 1;
    at[14] = sin(v) + cos(v) - sin((float)v) - cos((float)v) < 1e-6 ? 0 : 1;
    at[15] = copysign(1.0, v) + (signbit(v) ? 1 : -1);
}
extern "C" __global__ void integers(long long *out) {
    out[0] = __popc(0xf0f0u) * 100 + __popcll(~0ull);
    out[1] = __clz(1) * 100 + __clzll(1) + __clz(0);
    out[2] = __ffs(8) * 10 + __ffs(0);
    out[3] = __brev(1u);
    out[4] = __umulhi(0x80000000u, 6);
    out[5] = __mulhi(-0x40000000, 8);
    out[6] = __umul64hi(1ull << 63, 6);
    out[7] = __float_as_int(1.0f);
    out[8] = __double_as_longlong(2.0);
    out[9] = __float2int_rn(2.5f) * 100 + __float2int_rz(-1.5f);
    out[10] = __float2int_rn(1e20f) == 2147483647 && __float2int_rn(__int_as_float(0x7fc00000)) == 0;
    out[11] = __double2ll_rz(-1e300) == (long long)(1ull << 63) && __float2uint_rz(-3.f) == 0;
    out[12] = min(3, 5u) + max(-7ll, 4ll) + abs(-3) + (long long)abs(-2.5);
    out[13] = __byte_perm(0x33221100, 0x77665544, 0x5410);
    out[14] = __funnelshift_l(0x80000000u, 1, 1);
    float4 v = make_float4(1, 2, 3, 4);
    out[15] = sizeof(float3) * 1000 + alignof(float4) * 10 + (int)v.w;
    out[16] = __CUDA_ARCH__ + warpSize + sizeof(dim3);
    // Without contraction a product is rounded before the sum.
    float third = 1.0f / 3;
    out[17] = third * 3.0f - 1.0f == 0 && __fmaf_rn(third, 3.0f, -1.0f) != 0;
    out[18] = atomicInc((unsigned *)&out[19], 5);
}
)";

void testMathematics() {
    Context context;
    void *module = load(source);
    std::vector<double> x;
    for (int i = -49; i <= 49; i++)
        if (i) x.push_back(i / 50.0);
    for (double v : {1e-9, -1e-12, 0.999999, -0.9999999}) x.push_back(v);
    Ptr in = upload(x), out = upload(std::vector<double>(x.size() * 16));
    OK(launch(function(module, "doubles"), 4, 32, nullptr, in, out, (int)x.size()));
    auto got = download<double>(out, x.size() * 16);
    for (size_t i = 0; i < got.size(); i++) {
        if (std::fabs(got[i]) < 4e-15) continue;
        fprintf(stderr, "column %zu of %g: %g\n", i % 16, x[i / 16], got[i]);
        failures++;
    }
    Ptr longs = upload(std::vector<long long>(20));
    OK(launch(function(module, "integers"), 1, 1, nullptr, longs));
    const long long wanted[] = {864, 3195, 40, 0x80000000, 3, -2, 3, 0x3f800000, 0x4000000000000000, 199, 1, 1, 12, 0x55441100, 3,
                                12164, 944, 1, 0, 1};
    auto integers = download<long long>(longs, 20);
    for (size_t i = 0; i < 20; i++) EQUAL(integers[i], wanted[i]);
}
