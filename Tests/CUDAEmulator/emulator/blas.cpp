// cuBLASLt's functions: descriptions of products, the choice of an algorithm, and the call itself.
#include "blas.hpp"
#include <cstring>

namespace cuemu {
namespace {

constexpr uint64_t algorithmMagic = 0x6375656d752d6c74;
constexpr uint64_t wantedWorkspace = 4096;

/// The objects of a kind that live. Handles are their addresses.
template <class Object> struct Objects {
    std::mutex lock;
    std::map<const void *, std::shared_ptr<Object>> live;
    static Objects &all() {
        static Objects *objects = new Objects;
        return *objects;
    }
    static int make(void **handle, Object object) {
        if (!handle) return blasInvalidValue;
        auto made = std::make_shared<Object>(object);
        std::lock_guard guard(all().lock);
        all().live[made.get()] = made;
        *handle = made.get();
        return blasSuccess;
    }
    static std::shared_ptr<Object> find(const void *handle) {
        std::lock_guard guard(all().lock);
        auto found = all().live.find(handle);
        return found == all().live.end() ? nullptr : found->second;
    }
    static int destroy(void *handle) {
        std::lock_guard guard(all().lock);
        return all().live.erase(handle) ? blasSuccess : blasInvalidValue;
    }
};

struct BlasHandle {};

template <class Value> int set(Value &value, const void *bytes, size_t size) {
    if (!bytes || size != sizeof value) return blasInvalidValue;
    memcpy(&value, bytes, size);
    return blasSuccess;
}

/// Whether these descriptions make a product that is emulated.
int check(MatmulDesc &desc, const MatrixLayout &a, const MatrixLayout &b, const MatrixLayout &c, const MatrixLayout &d) {
    bool isDouble = a.type == blasDouble;
    int compute = desc.compute;
    bool computes64 = compute == 70 || compute == 71, computes16 = compute == 64 || compute == 65;
    bool computes32 = compute == 68 || compute == 69 || compute == 74 || compute == 75 || compute == 77;
    if (a.type != b.type || c.type != d.type) return blasNotSupported;
    bool same = a.type == d.type || (d.type == blasFloat && (a.type == blasHalf || a.type == blasBrain));
    bool scaled = desc.scale == (isDouble ? blasDouble : computes16 ? blasHalf : blasFloat);
    if (!same || !scaled || !(isDouble ? computes64 : computes16 ? a.type == blasHalf : computes32)) return blasNotSupported;
    if (desc.pointerMode || desc.transpose[2]) return blasNotSupported;
    uint32_t extra = desc.epilogue & ~(epilogueDefault | epilogueRelu | epilogueBias | epilogueGelu);
    if (extra || !desc.epilogue || ((desc.epilogue & epilogueRelu) && (desc.epilogue & epilogueGelu))) return blasNotSupported;
    if (isDouble && desc.epilogue != epilogueDefault && desc.epilogue != epilogueBias) return blasNotSupported;
    if (desc.biasType < 0) desc.biasType = d.type;
    if (desc.biasType != d.type && desc.biasType != a.type) return blasNotSupported;

    uint64_t m = desc.transpose[0] ? a.columns : a.rows, k = desc.transpose[0] ? a.rows : a.columns;
    uint64_t kb = desc.transpose[1] ? b.columns : b.rows, n = desc.transpose[1] ? b.rows : b.columns;
    if (k != kb || d.rows != m || d.columns != n || c.rows != m || c.columns != n) return blasInvalidValue;
    for (const MatrixLayout *layout : {&a, &b, &c, &d}) {
        uint64_t inner = layout->order ? layout->columns : layout->rows;
        if (layout->leading < (int64_t)inner || layout->batches != d.batches || layout->batches < 1) return blasInvalidValue;
    }
    return blasSuccess;
}

double scaleValue(const void *bytes, int type) { return blasLoad(bytes, type, 0); }
} // namespace
} // namespace cuemu

using namespace cuemu;

#define CUEMU_BLAS(...)                                                                                                              \
    if (int fault = injectedFault(__func__)) return fault;                                                                           \
    __VA_ARGS__

CUEMU_EXPORT int cublasLtCreate(void **handle) {
    CUEMU_BLAS(Call call(nullptr));
    if (call.result) return blasNotInitialized;
    return Objects<BlasHandle>::make(handle, {});
}

CUEMU_EXPORT int cublasLtDestroy(void *handle) { CUEMU_BLAS(return Objects<BlasHandle>::destroy(handle)); }

CUEMU_EXPORT size_t cublasLtGetVersion() { return 120900; }

CUEMU_EXPORT const char *cublasLtGetStatusString(int status) {
    switch (status) {
    case 0: return "CUBLAS_STATUS_SUCCESS";
    case 1: return "CUBLAS_STATUS_NOT_INITIALIZED";
    case 3: return "CUBLAS_STATUS_ALLOC_FAILED";
    case 7: return "CUBLAS_STATUS_INVALID_VALUE";
    case 8: return "CUBLAS_STATUS_ARCH_MISMATCH";
    case 11: return "CUBLAS_STATUS_MAPPING_ERROR";
    case 13: return "CUBLAS_STATUS_EXECUTION_FAILED";
    case 14: return "CUBLAS_STATUS_INTERNAL_ERROR";
    case 15: return "CUBLAS_STATUS_NOT_SUPPORTED";
    case 16: return "CUBLAS_STATUS_LICENSE_ERROR";
    default: return "CUBLAS_STATUS unknown";
    }
}

CUEMU_EXPORT int cublasLtMatmulDescCreate(void **handle, int compute, int scale) {
    CUEMU_BLAS(MatmulDesc desc);
    desc.compute = compute;
    desc.scale = scale;
    return Objects<MatmulDesc>::make(handle, desc);
}

CUEMU_EXPORT int cublasLtMatmulDescDestroy(void *handle) { CUEMU_BLAS(return Objects<MatmulDesc>::destroy(handle)); }

CUEMU_EXPORT int cublasLtMatmulDescSetAttribute(void *handle, int attribute, const void *value, size_t size) {
    CUEMU_BLAS(auto desc = Objects<MatmulDesc>::find(handle));
    if (!desc) return blasInvalidValue;
    switch (attribute) {
    case 0: return set(desc->compute, value, size);
    case 1: return set(desc->scale, value, size);
    case 2: return set(desc->pointerMode, value, size);
    case 3: case 4: case 5: return set(desc->transpose[attribute - 3], value, size);
    case 7: return set(desc->epilogue, value, size);
    case 8: return set(desc->bias, value, size);
    case 10: return set(desc->biasStride, value, size);
    case 26: return set(desc->biasType, value, size);
    default: return blasNotSupported;
    }
}

CUEMU_EXPORT int cublasLtMatrixLayoutCreate(void **handle, int type, uint64_t rows, uint64_t columns, int64_t leading) {
    CUEMU_BLAS(MatrixLayout layout);
    layout.type = type;
    layout.rows = rows;
    layout.columns = columns;
    layout.leading = leading;
    return Objects<MatrixLayout>::make(handle, layout);
}

CUEMU_EXPORT int cublasLtMatrixLayoutDestroy(void *handle) { CUEMU_BLAS(return Objects<MatrixLayout>::destroy(handle)); }

CUEMU_EXPORT int cublasLtMatrixLayoutSetAttribute(void *handle, int attribute, const void *value, size_t size) {
    CUEMU_BLAS(auto layout = Objects<MatrixLayout>::find(handle));
    if (!layout) return blasInvalidValue;
    switch (attribute) {
    case 0: return set(layout->type, value, size);
    case 1: {
        int order = -1;
        if (int status = set(order, value, size)) return status;
        if (order != 0 && order != 1) return blasNotSupported;
        layout->order = order;
        return blasSuccess;
    }
    case 2: return set(layout->rows, value, size);
    case 3: return set(layout->columns, value, size);
    case 4: return set(layout->leading, value, size);
    case 5: return set(layout->batches, value, size);
    case 6: return set(layout->stride, value, size);
    default: return blasNotSupported;
    }
}

CUEMU_EXPORT int cublasLtMatmulPreferenceCreate(void **handle) { CUEMU_BLAS(return Objects<MatmulPreference>::make(handle, {})); }

CUEMU_EXPORT int cublasLtMatmulPreferenceDestroy(void *handle) { CUEMU_BLAS(return Objects<MatmulPreference>::destroy(handle)); }

CUEMU_EXPORT int cublasLtMatmulPreferenceSetAttribute(void *handle, int attribute, const void *value, size_t size) {
    CUEMU_BLAS(auto preference = Objects<MatmulPreference>::find(handle));
    if (!preference || !value) return blasInvalidValue;
    if (attribute == 1) return set(preference->workspace, value, size);
    // Search modes, reduction schemes and alignments make no difference here.
    return attribute >= 0 && attribute <= 12 && size == 4 ? blasSuccess : blasInvalidValue;
}

CUEMU_EXPORT int cublasLtMatmulAlgoGetHeuristic(void *handle, void *descHandle, void *a, void *b, void *c, void *d, void *preferenceHandle,
                                                int requested, HeuristicResult *results, int *returned) {
    CUEMU_BLAS(auto desc = Objects<MatmulDesc>::find(descHandle));
    auto preference = Objects<MatmulPreference>::find(preferenceHandle);
    auto la = Objects<MatrixLayout>::find(a), lb = Objects<MatrixLayout>::find(b), lc = Objects<MatrixLayout>::find(c),
         ld = Objects<MatrixLayout>::find(d);
    if (!Objects<BlasHandle>::find(handle)) return blasNotInitialized;
    if (!desc || !preference || !la || !lb || !lc || !ld || requested < 1 || !results || !returned) return blasInvalidValue;
    *returned = 0;
    MatmulDesc copy = *desc;
    if (int status = check(copy, *la, *lb, *lc, *ld)) return status;
    uint64_t workspace = preference->workspace >= wantedWorkspace ? wantedWorkspace : 0;
    results[0] = {{algorithmMagic, workspace, {}}, workspace, blasSuccess, 1, {}};
    *returned = 1;
    return blasSuccess;
}

CUEMU_EXPORT int cublasLtMatmul(void *handle, void *descHandle, const void *alpha, const void *a, void *aLayout, const void *b,
                                void *bLayout, const void *beta, const void *c, void *cLayout, void *d, void *dLayout,
                                const Algorithm *algorithm, void *workspace, size_t workspaceSize, void *streamHandle) {
    CUEMU_BLAS(Call call(nullptr));
    if (call.result) return call.context ? blasExecutionFailed : blasNotInitialized;
    auto desc = Objects<MatmulDesc>::find(descHandle);
    auto la = Objects<MatrixLayout>::find(aLayout), lb = Objects<MatrixLayout>::find(bLayout), lc = Objects<MatrixLayout>::find(cLayout),
         ld = Objects<MatrixLayout>::find(dLayout);
    if (!Objects<BlasHandle>::find(handle)) return blasNotInitialized;
    if (!desc || !la || !lb || !lc || !ld || !alpha || !beta || !a || !b || !d) return blasInvalidValue;
    Product product{};
    product.desc = *desc;
    product.a = *la, product.b = *lb, product.c = *lc, product.d = *ld;
    if (int status = check(product.desc, *la, *lb, *lc, *ld)) return status;
    product.alpha = scaleValue(alpha, desc->scale);
    product.beta = scaleValue(beta, desc->scale);
    if (product.beta != 0 && !c) return blasInvalidValue;
    if (c == d && (lc->leading != ld->leading || lc->order != ld->order || lc->stride != ld->stride)) return blasInvalidValue;
    bool biased = desc->epilogue & epilogueBias;
    if (biased && !desc->bias) return blasInvalidValue;
    if (algorithm && (algorithm->magic != algorithmMagic || algorithm->workspace > workspaceSize || (algorithm->workspace && !workspace)))
        return blasInvalidValue;

    Lock lock(Driver::shared().lock);
    std::shared_ptr<Stream> stream;
    if (findStream(call, streamHandle, stream)) return blasInvalidValue;
    auto bytes = [&](const void *address) { return (char *)translate((uint64_t)address, *stream->context); };
    product.aBytes = bytes(a), product.bBytes = bytes(b), product.cBytes = bytes(c), product.dBytes = bytes(d);
    product.biasBytes = biased ? bytes((const void *)desc->bias) : nullptr;
    product.workspace = algorithm && algorithm->workspace ? bytes(workspace) : nullptr;
    product.workspaceSize = product.workspace ? algorithm->workspace : 0;
    CUresult result = dispatch(*stream, NodeKind::kernel, [context = stream->context, product] {
        return guarded(*context, [&] { product.run(); });
    });
    if (!result) Driver::shared().launches++;
    return result ? blasExecutionFailed : blasSuccess;
}
