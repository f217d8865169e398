// Products of matrices as cuBLASLt makes them, with sums in double precision.
#include "blas.hpp"
#include <cmath>
#include <cstring>

namespace cuemu {

size_t blasSize(int type) { return type == blasDouble ? 8 : type == blasFloat ? 4 : type == blasHalf || type == blasBrain ? 2 : 0; }

static float fromHalf(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 1023;
    float value;
    if (exponent == 31) {
        uint32_t bits = sign | 0x7f800000u | fraction << 13;
        memcpy(&value, &bits, 4);
        return value;
    }
    value = exponent ? std::ldexp(1024.f + (float)fraction, (int)exponent - 25) : std::ldexp((float)fraction, -24);
    return sign ? -value : value;
}

/// Rounds to the nearest half, and to the even one of two.
static uint16_t toHalf(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    if (std::isnan(value)) return 0x7fff;
    float size = std::fabs(value);
    if (size >= 65520.f) return sign | 0x7c00;
    // Below 2^-14 halves are multiples of 2^-24. `nearbyint` rounds to even.
    if (size < 0x1p-14f) return sign | (uint16_t)std::nearbyint(std::ldexp(size, 24));
    int exponent = std::ilogb(size);
    auto fraction = (uint32_t)std::nearbyint(std::ldexp(size, 10 - exponent));
    return sign | (uint16_t)(((uint32_t)(exponent + 15) << 10) + fraction - 1024);
}

double blasLoad(const void *values, int type, size_t index) {
    if (type == blasDouble) return ((const double *)values)[index];
    if (type == blasFloat) return (double)((const float *)values)[index];
    uint16_t raw = ((const uint16_t *)values)[index];
    if (type == blasHalf) return (double)fromHalf(raw);
    uint32_t bits = (uint32_t)raw << 16;
    float value;
    memcpy(&value, &bits, 4);
    return (double)value;
}

void blasStore(void *values, int type, size_t index, double value) {
    if (type == blasDouble) {
        ((double *)values)[index] = value;
        return;
    }
    auto narrow = (float)value;
    if (type == blasFloat) {
        ((float *)values)[index] = narrow;
    } else if (type == blasHalf) {
        ((uint16_t *)values)[index] = toHalf(narrow);
    } else {
        uint32_t bits;
        memcpy(&bits, &narrow, 4);
        bool number = !std::isnan(narrow);
        ((uint16_t *)values)[index] = number ? (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16) : 0x7fff;
    }
}

static size_t at(const MatrixLayout &layout, size_t batch, size_t row, size_t column) {
    size_t start = batch * (size_t)layout.stride, leading = (size_t)layout.leading;
    return start + (layout.order ? row * leading + column : column * leading + row);
}

/// The GELU of cuBLASLt: the approximation with the hyperbolic tangent.
static double gelu(double x) { return 0.5 * x * (1 + std::tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x))); }

void Product::run() const {
    // The real library may write anything here.
    if (workspace) memset(workspace, 0xff, workspaceSize);
    bool ta = desc.transpose[0], tb = desc.transpose[1];
    size_t m = d.rows, n = d.columns, k = ta ? a.rows : a.columns;
    std::vector<double> left(m * k), sums(m);
    for (size_t batch = 0; batch < (size_t)d.batches; batch++) {
        for (size_t p = 0; p < k; p++)
            for (size_t i = 0; i < m; i++) left[p * m + i] = blasLoad(aBytes, a.type, ta ? at(a, batch, p, i) : at(a, batch, i, p));
        for (size_t j = 0; j < n; j++) {
            std::fill(sums.begin(), sums.end(), 0.0);
            for (size_t p = 0; p < k; p++) {
                double right = blasLoad(bBytes, b.type, tb ? at(b, batch, j, p) : at(b, batch, p, j));
                const double *column = &left[p * m];
                for (size_t i = 0; i < m; i++) sums[i] += column[i] * right;
            }
            for (size_t i = 0; i < m; i++) {
                double value = alpha * sums[i];
                // With a beta of 0, C is not read: it may hold anything.
                if (beta != 0) value += beta * blasLoad(cBytes, c.type, at(c, batch, i, j));
                if (biasBytes) value += blasLoad(biasBytes, desc.biasType, batch * (size_t)desc.biasStride + i);
                if (desc.epilogue & epilogueRelu) value = value < 0 ? 0 : value;
                if (desc.epilogue & epilogueGelu) value = gelu(value);
                blasStore(dBytes, d.type, at(d, batch, i, j), value);
            }
        }
    }
}
} // namespace cuemu
