// The part of cuBLASLt that is emulated: values as in its header, declared anew.
#pragma once
#include "core.hpp"

namespace cuemu {

enum BlasStatus { blasSuccess = 0, blasNotInitialized = 1, blasInvalidValue = 7, blasExecutionFailed = 13, blasInternalError = 14,
                  blasNotSupported = 15 };
enum BlasType { blasFloat = 0, blasDouble = 1, blasHalf = 2, blasBrain = 14 };
enum BlasEpilogue : unsigned { epilogueDefault = 1, epilogueRelu = 2, epilogueBias = 4, epilogueGelu = 32 };

struct MatmulDesc {
    int compute = 68, scale = blasFloat, pointerMode = 0, biasType = -1;
    int transpose[3] = {0, 0, 0};
    uint32_t epilogue = epilogueDefault;
    CUdeviceptr bias = 0;
    int64_t biasStride = 0;
};

struct MatrixLayout {
    int type = blasFloat, order = 0, batches = 1;
    uint64_t rows = 0, columns = 0;
    int64_t leading = 0, stride = 0;
};

struct MatmulPreference {
    uint64_t workspace = 0;
};

/// What lies in the 64 bytes of an algorithm.
struct Algorithm {
    uint64_t magic, workspace, unused[6];
};

struct HeuristicResult {
    Algorithm algorithm;
    size_t workspace;
    int state;
    float waves;
    int reserved[4];
};
static_assert(sizeof(Algorithm) == 64 && sizeof(HeuristicResult) == 96);

size_t blasSize(int type);
double blasLoad(const void *values, int type, size_t index);
void blasStore(void *values, int type, size_t index, double value);

/// A product that a stream makes, with the addresses of the bytes.
struct Product {
    MatmulDesc desc;
    MatrixLayout a, b, c, d;
    const char *aBytes, *bBytes, *cBytes, *biasBytes;
    char *dBytes, *workspace;
    size_t workspaceSize;
    double alpha, beta;
    void run() const;
};
} // namespace cuemu
