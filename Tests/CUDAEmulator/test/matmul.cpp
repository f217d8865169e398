// cuBLASLt against a plain loop: types, transposes, leading dimensions, batches, alpha and beta, epilogues.
#include "api.hpp"
#include <cmath>
#include <cstring>

enum { typeFloat = 0, typeDouble = 1, typeHalf = 2, typeBrain = 14 };

static size_t sizeOf(int type) { return type == typeDouble ? 8 : type == typeFloat ? 4 : 2; }

/// Small multiples of 1/4, which all types hold exactly.
static void put(std::vector<unsigned char> &bytes, int type, size_t index, double value) {
    unsigned char *at = &bytes[index * sizeOf(type)];
    auto narrow = (float)value;
    uint32_t bits;
    memcpy(&bits, &narrow, 4);
    if (type == typeDouble) memcpy(at, &value, 8);
    else if (type == typeFloat) memcpy(at, &narrow, 4);
    else {
        uint16_t half = (uint16_t)(bits >> 16);
        if (type == typeHalf) half = value == 0 ? 0 : (uint16_t)((bits >> 16 & 0x8000) | ((bits >> 23 & 255) - 112) << 10 | (bits >> 13 & 1023));
        memcpy(at, &half, 2);
    }
}

static double get(const std::vector<unsigned char> &bytes, int type, size_t index) {
    const unsigned char *at = &bytes[index * sizeOf(type)];
    double wide;
    float narrow;
    uint16_t half;
    if (type == typeDouble) return memcpy(&wide, at, 8), wide;
    if (type == typeFloat) return memcpy(&narrow, at, 4), (double)narrow;
    memcpy(&half, at, 2);
    uint32_t bits = (uint32_t)half << 16;
    if (type == typeBrain) return memcpy(&narrow, &bits, 4), (double)narrow;
    double sign = half & 0x8000 ? -1 : 1;
    int exponent = half >> 10 & 31;
    if (exponent == 31) return half & 1023 ? NAN : sign * INFINITY;
    return sign * std::ldexp(exponent ? 1024 + (half & 1023) : half & 1023, (exponent ? exponent : 1) - 25);
}

struct Case {
    int in, out;
    bool ta, tb;
    int epilogue, batches;
    double alpha, beta;
    bool rowMajor = false;
};

struct Matrix {
    int type;
    size_t rows, columns, leading, stride, batches;
    bool rowMajor;
    std::vector<unsigned char> bytes;
    Ptr address = 0;
    void *layout = nullptr;
    Matrix(int type, size_t rows, size_t columns, size_t batches, bool rowMajor, int seed)
        : type(type), rows(rows), columns(columns), batches(batches), rowMajor(rowMajor) {
        leading = (rowMajor ? columns : rows) + 3;
        stride = leading * (rowMajor ? rows : columns) + 5;
        bytes.resize(stride * batches * sizeOf(type));
        for (size_t i = 0; i < stride * batches; i++) put(bytes, type, i, (double)((int)(i * 7 + (size_t)seed * 5) % 17 - 8) / 4);
        address = upload(bytes);
        OK(cublasLtMatrixLayoutCreate(&layout, type, rows, columns, (int64_t)leading));
        int32_t count = (int32_t)batches, order = rowMajor;
        int64_t offset = (int64_t)stride;
        OK(cublasLtMatrixLayoutSetAttribute(layout, 5, &count, sizeof count));
        OK(cublasLtMatrixLayoutSetAttribute(layout, 6, &offset, sizeof offset));
        OK(cublasLtMatrixLayoutSetAttribute(layout, 1, &order, sizeof order));
    }
    ~Matrix() {
        OK(cuMemFree_v2(address));
        OK(cublasLtMatrixLayoutDestroy(layout));
    }
    size_t index(size_t batch, size_t row, size_t column) const {
        return batch * stride + (rowMajor ? row * leading + column : column * leading + row);
    }
    double at(size_t batch, size_t row, size_t column) const { return get(bytes, type, index(batch, row, column)); }
};

static void checkCase(void *handle, void *stream, const Case &c) {
    const size_t m = 5, n = 4, k = 6, batches = (size_t)c.batches;
    Matrix a(c.in, c.ta ? k : m, c.ta ? m : k, batches, c.rowMajor, 1), b(c.in, c.tb ? n : k, c.tb ? k : n, batches, c.rowMajor, 2),
        old(c.out, m, n, batches, c.rowMajor, 3), d(c.out, m, n, batches, c.rowMajor, 4);
    std::vector<unsigned char> biasBytes(m * sizeOf(c.out));
    for (size_t i = 0; i < m; i++) put(biasBytes, c.out, i, (double)i - 2);
    Ptr bias = upload(biasBytes), workspace = 0;
    OK(cuMemAlloc_v2(&workspace, 1 << 16));
    void *desc = nullptr, *preference = nullptr;
    bool isDouble = c.in == typeDouble;
    OK(cublasLtMatmulDescCreate(&desc, isDouble ? 70 : 68, isDouble ? typeDouble : typeFloat));
    int32_t ta = c.ta, tb = c.tb;
    uint32_t epilogue = (uint32_t)c.epilogue;
    uint64_t space = 1 << 16;
    OK(cublasLtMatmulDescSetAttribute(desc, 3, &ta, 4));
    OK(cublasLtMatmulDescSetAttribute(desc, 4, &tb, 4));
    OK(cublasLtMatmulDescSetAttribute(desc, 7, &epilogue, 4));
    if (epilogue & 4) OK(cublasLtMatmulDescSetAttribute(desc, 8, &bias, 8));
    OK(cublasLtMatmulPreferenceCreate(&preference));
    OK(cublasLtMatmulPreferenceSetAttribute(preference, 1, &space, 8));
    struct {
        uint64_t algorithm[8];
        size_t workspace;
        int state;
        float waves;
        int reserved[4];
    } found[2];
    int count = 0;
    OK(cublasLtMatmulAlgoGetHeuristic(handle, desc, a.layout, b.layout, old.layout, d.layout, preference, 2, found, &count));
    CHECK(count >= 1 && found[0].state == 0 && found[0].workspace <= space);
    float alphaFloat = (float)c.alpha, betaFloat = (float)c.beta;
    const void *alpha = isDouble ? (const void *)&c.alpha : &alphaFloat, *beta = isDouble ? (const void *)&c.beta : &betaFloat;
    OK(cublasLtMatmul(handle, desc, alpha, (void *)a.address, a.layout, (void *)b.address, b.layout, beta, (void *)old.address, old.layout,
                      (void *)d.address, d.layout, found, (void *)workspace, space, stream));
    OK(cuStreamSynchronize(stream));
    auto got = download<unsigned char>(d.address, d.bytes.size());
    double tolerance = c.out == typeDouble ? 1e-14 : c.out == typeFloat ? 1e-6 : c.out == typeHalf ? 1e-3 : 8e-3;
    std::vector<unsigned char> expected = d.bytes;
    int wrong = 0;
    for (size_t batch = 0; batch < batches; batch++)
        for (size_t i = 0; i < m; i++)
            for (size_t j = 0; j < n; j++) {
                double sum = 0;
                for (size_t p = 0; p < k; p++)
                    sum += (c.ta ? a.at(batch, p, i) : a.at(batch, i, p)) * (c.tb ? b.at(batch, j, p) : b.at(batch, p, j));
                double value = c.alpha * sum + (c.beta != 0 ? c.beta * old.at(batch, i, j) : 0);
                if (c.epilogue & 4) value += (double)i - 2;
                if (c.epilogue & 2) value = std::max(value, 0.0);
                if (c.epilogue & 32) value *= 0.5 * (1 + std::tanh(std::sqrt(2 / M_PI) * (value + 0.044715 * std::pow(value, 3))));
                double result = get(got, c.out, d.index(batch, i, j));
                wrong += std::fabs(result - value) > tolerance * std::max(1.0, std::fabs(value));
                memcpy(&expected[d.index(batch, i, j) * sizeOf(c.out)], &got[d.index(batch, i, j) * sizeOf(c.out)], sizeOf(c.out));
            }
    CHECK(!wrong);
    CHECK(expected == got);  // nothing between the columns and the matrices has changed
    if (wrong) fprintf(stderr, "types %d %d, transposes %d %d, epilogue %d, batches %d\n", c.in, c.out, c.ta, c.tb, c.epilogue, c.batches);
    OK(cublasLtMatmulDescDestroy(desc));
    OK(cublasLtMatmulPreferenceDestroy(preference));
    OK(cuMemFree_v2(bias));
    OK(cuMemFree_v2(workspace));
}

/// Products that cuBLASLt refuses.
static void checkRefusals(void *handle) {
    Matrix a(typeFloat, 4, 4, 1, false, 1), b(typeFloat, 5, 4, 1, false, 1), wide(typeDouble, 4, 4, 1, false, 1);
    void *desc = nullptr;
    OK(cublasLtMatmulDescCreate(&desc, 68, typeFloat));
    float one = 1, zero = 0;
    auto multiply = [&](Matrix &x, Matrix &y, void *workspace, const void *algorithm) {
        return cublasLtMatmul(handle, desc, &one, (void *)x.address, x.layout, (void *)y.address, y.layout, &zero, (void *)a.address,
                              a.layout, (void *)a.address, a.layout, algorithm, workspace, 0, nullptr);
    };
    EQUAL(multiply(a, b, nullptr, nullptr), 7);
    EQUAL(multiply(a, wide, nullptr, nullptr), 15);
    uint64_t junk[8] = {1};
    EQUAL(multiply(a, a, nullptr, junk), 7);
    OK(multiply(a, a, nullptr, nullptr));
    uint32_t epilogue = 4;
    OK(cublasLtMatmulDescSetAttribute(desc, 7, &epilogue, 4));
    EQUAL(multiply(a, a, nullptr, nullptr), 7);
    EQUAL(cublasLtMatmulDescSetAttribute(desc, 7, &epilogue, 8), 7);
    OK(cublasLtMatmulDescDestroy(desc));
    EQUAL(cublasLtMatmulDescDestroy(desc), 7);
    CHECK(!strcmp(cublasLtGetStatusString(15), "CUBLAS_STATUS_NOT_SUPPORTED"));
    EQUAL(cublasLtGetVersion() / 10000, 12u);
}

void testMatmul() {
    void *handle = nullptr, *stream = nullptr;
    EQUAL(cublasLtCreate(&handle), 1);
    Context context;
    OK(cublasLtCreate(&handle));
    OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    const int types[][2] = {{typeFloat, typeFloat}, {typeDouble, typeDouble}, {typeHalf, typeHalf}, {typeBrain, typeBrain},
                            {typeHalf, typeFloat}, {typeBrain, typeFloat}};
    for (auto &[in, out] : types)
        for (int transposes = 0; transposes < 4; transposes++)
            for (int epilogue : {1, 4, 2, 6, 32, 36}) {
                if (in == typeDouble && epilogue != 1 && epilogue != 4) continue;
                for (int batches : {1, 3}) {
                    checkCase(handle, stream, {in, out, (transposes & 1) != 0, (transposes & 2) != 0, epilogue, batches, 1, 0});
                    checkCase(handle, stream, {in, out, (transposes & 1) != 0, (transposes & 2) != 0, epilogue, batches, 0.5, -2});
                }
                checkCase(handle, stream, {in, out, (transposes & 1) != 0, (transposes & 2) != 0, epilogue, 2, 1, 1, true});
            }
    checkRefusals(handle);
    OK(cublasLtDestroy(handle));
    EQUAL(cublasLtDestroy(handle), 7);
}
