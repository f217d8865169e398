// Errors of kernels: sticky in their context, and in no other. Use of a device address on the host.
#include "api.hpp"
#include <sys/wait.h>
#include <csignal>
#include <thread>
#include <unistd.h>

static const char source[] = R"(
extern "C" __global__ void store(int *out, long long at) { out[at + threadIdx.x] = 7; }
extern "C" __global__ void trap(int *out) { if (threadIdx.x == 3) __trap(); out[threadIdx.x] = 1; }
extern "C" __global__ void claim(int *out) { assert(out == nullptr); }
extern "C" __global__ void divide(int *out, int by) { out[0] = out[1] / by; }
extern "C" __global__ void stuck(int *out) { if (threadIdx.x == 1) __syncthreads(); else __syncwarp(~0u); out[0] = 1; }
extern "C" __global__ void deep(int *out, int n) {
    volatile char large[4096];
    large[n % 4096] = (char)n;
    if (n > 0) { int *self = out; for (volatile int i = 0; i < 1; i = i + 1) deep(self, n - 1); }
    out[0] = large[n % 4096];
}
)";

/// Runs a kernel that must fail, and shows that its context returns the error from now on, but no other context.
template <class... A> static void checkSticky(int wanted, const char *name, unsigned block, A... more) {
    Context other(1);
    Ptr elsewhere = upload(std::vector<int>(4, 1));
    {
        Context context;
        void *stream = nullptr, *module = load(source), *event = nullptr;
        OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
        OK(cuEventCreate(&event, 0));
        Ptr out = upload(std::vector<int>(16));
        {
            Gate gate(stream);
            OK(launch(function(module, name), 1, block, stream, out, more...));
            OK(cuEventRecord(event, stream));
            gate.open = true;
            while (cuStreamQuery(stream) == 600) std::this_thread::yield();
        }
        EQUAL(cuStreamSynchronize(stream), wanted);
        size_t unused;
        EQUAL(cuMemGetInfo_v2(&unused, &unused), wanted);
        EQUAL(cuMemAlloc_v2(&out, 4), wanted);
        EQUAL(cuEventQuery(event), wanted);
        EQUAL(cuCtxSynchronize(), wanted);
        EQUAL(launch((void *)1, 1, 1, stream), wanted);
        EQUAL(cuEventDestroy_v2(event), wanted);
        EQUAL(cuStreamDestroy_v2(stream), wanted);
        // Other cards go on.
        OK(cuCtxPushCurrent_v2(other.handle));
        EQUAL(download<int>(elsewhere, 4)[3], 1);
        OK(cuCtxPopCurrent_v2(nullptr));
    }
    Context fresh;
    EQUAL(download<int>(upload(std::vector<int>(4, 5)), 4)[2], 5);
    OK(cuCtxSynchronize());
}

/// The signal that ends a child which does `body`, or 0.
template <class Body> static int signalOf(Body body) {
    pid_t child = fork();
    if (!child) {
        body();
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

void testFaults() {
    checkSticky(700, "store", 1, 16ll + 64 / 4 * 3);  // 64 bytes are asked for, 256 reserved: the next page starts there
    checkSticky(700, "store", 1, 1ll << 32);
    checkSticky(700, "store", 1, -(1ll << 20));
    checkSticky(719, "trap", 8);
    checkSticky(710, "claim", 1);
    checkSticky(700, "divide", 1, 0);
    checkSticky(719, "stuck", 32);
    checkSticky(700, "deep", 1, 1000);

    Context context;
    Ptr address = upload(std::vector<int>(4, 1)), gone = upload(std::vector<int>(4, 1));
    OK(cuMemFree_v2(gone));
    EQUAL(signalOf([&] { *(volatile int *)address = 1; }), SIGSEGV);
    EQUAL(signalOf([&] { if (*(volatile int *)address == 1) _exit(1); }), SIGSEGV);
    // The driver does not work in a child that was forked from its process.
    int status = 0;
    pid_t child = fork();
    if (!child) _exit(cuMemFree_v2(address));
    waitpid(child, &status, 0);
    EQUAL(WEXITSTATUS(status), 3);

    // A kernel that uses freed memory.
    void *module = load(source);
    OK(launch(function(module, "store"), 1, 1, nullptr, gone, 0ll));
    EQUAL(cuCtxSynchronize(), 700);
    // A thread without a context, and one that starts to use this one.
    std::thread([&] {
        EQUAL(cuMemFree_v2(address), 201);
        OK(cuCtxSetCurrent(context.handle));
        EQUAL(cuMemFree_v2(address), 700);
    }).join();

    // The primary context recovers by a reset.
    void *primary = nullptr;
    OK(cuDevicePrimaryCtxRetain(&primary, 1));
    OK(cuCtxPushCurrent_v2(primary));
    OK(launch(function(load(source), "trap"), 1, 8, nullptr, upload(std::vector<int>(8))));
    EQUAL(cuCtxSynchronize(), 719);
    OK(cuDevicePrimaryCtxReset_v2(1));
    EQUAL(download<int>(upload(std::vector<int>(4, 5)), 4)[2], 5);
    OK(cuCtxPopCurrent_v2(nullptr));
    OK(cuDevicePrimaryCtxRelease_v2(1));
}
