// Captures: what a graph replays, forks and joins, and the calls that end a capture.
#include "api.hpp"

static const char source[] = R"(
extern "C" __global__ void add(const int *a, int *out, int n, int more) {
    for (int i = threadIdx.x; i < n; i += blockDim.x) out[i] = a[i] + more;
}
extern "C" __global__ void sum(const int *a, const int *b, int *out, int n) {
    for (int i = threadIdx.x; i < n; i += blockDim.x) out[i] = a[i] * 100 + b[i];
}
)";

enum { global = 0, threadLocal = 1, relaxed = 2 };

static int status(void *stream) {
    int now = -1;
    OK(cuStreamIsCapturing(stream, &now));
    return now;
}

/// Two streams work side by side in a graph, and their results meet.
static void checkForkAndJoin(void *module) {
    void *a = nullptr, *b = nullptr, *forked = nullptr, *joined = nullptr, *graph = nullptr, *exec = nullptr, *pinned = nullptr;
    OK(cuStreamCreate(&a, CU_STREAM_NON_BLOCKING));
    OK(cuStreamCreate(&b, CU_STREAM_NON_BLOCKING));
    OK(cuEventCreate(&forked, CU_EVENT_DISABLE_TIMING));
    OK(cuEventCreate(&joined, CU_EVENT_DISABLE_TIMING));
    OK(cuMemHostAlloc(&pinned, 64, 0));
    auto *host = (int *)pinned;
    Ptr in = upload(std::vector<int>(8)), left = upload(std::vector<int>(8)), right = upload(std::vector<int>(8)),
        out = upload(std::vector<int>(8));
    static std::atomic<int> called;
    called = 0;
    OK(cuStreamBeginCapture_v2(a, threadLocal));
    EQUAL(status(a), 1);
    EQUAL(status(b), 0);
    OK(cuMemcpyHtoDAsync_v2(in, host, 32, a));
    OK(cuEventRecord(forked, a));
    OK(cuStreamWaitEvent(b, forked, 0));
    EQUAL(status(b), 1);
    OK(launch(function(module, "add"), 1, 8, a, in, left, 8, 1));
    OK(launch(function(module, "add"), 1, 8, b, in, right, 8, 2));
    OK(cuEventRecord(joined, b));
    OK(cuStreamWaitEvent(a, joined, 0));
    OK(launch(function(module, "sum"), 1, 8, a, left, right, out, 8));
    OK(cuMemsetD8Async(left, 0xff, 32, a));
    OK(cuMemcpyDtoHAsync_v2(host + 8, out, 32, a));
    OK(cuLaunchHostFunc(a, [](void *) { called++; }, nullptr));
    OK(cuStreamEndCapture(a, &graph));
    EQUAL(status(a) + status(b), 0);
    size_t nodes = 0;
    OK(cuGraphGetNodes(graph, nullptr, &nodes));
    EQUAL(nodes, 7u);
    EQUAL(called.load(), 0);
    OK(cuGraphInstantiateWithFlags(&exec, graph, 0));
    OK(cuGraphDestroy(graph));
    for (uint64_t seed = 0; seed < 60; seed++) {
        setSeed(seed);
        for (int i = 0; i < 8; i++) host[i] = (int)seed + i;
        OK(cuGraphLaunch(exec, a));
        OK(cuGraphLaunch(exec, b));
        OK(cuStreamSynchronize(a));
        OK(cuStreamSynchronize(b));
        for (int i = 0; i < 8; i++) EQUAL(host[8 + i], ((int)seed + i + 1) * 100 + (int)seed + i + 2);
    }
    setSeed(0);
    EQUAL(called.load(), 120);
    OK(cuGraphExecDestroy(exec));
    EQUAL(cuGraphExecDestroy(exec), 1);
    EQUAL(cuGraphLaunch(exec, a), 1);
}

/// A graph whose join is missing is refused; one whose fork waits for nothing runs in either order.
static void checkUnjoined(void *module) {
    void *a = nullptr, *b = nullptr, *event = nullptr, *graph = (void *)1;
    OK(cuStreamCreate(&a, CU_STREAM_NON_BLOCKING));
    OK(cuStreamCreate(&b, CU_STREAM_NON_BLOCKING));
    OK(cuEventCreate(&event, 0));
    Ptr x = upload(std::vector<int>(8));
    OK(cuStreamBeginCapture_v2(a, global));
    OK(cuEventRecord(event, a));
    OK(cuStreamWaitEvent(b, event, 0));
    OK(launch(function(module, "add"), 1, 8, b, x, x, 8, 2));
    EQUAL(cuStreamEndCapture(b, &graph), 903);
    EQUAL(cuStreamEndCapture(a, &graph), 901);
    CHECK(!graph);
    OK(cuStreamBeginCapture_v2(a, global));
    OK(cuEventRecord(event, a));
    OK(cuStreamWaitEvent(b, event, 0));
    OK(launch(function(module, "add"), 1, 8, b, x, x, 8, 2));
    EQUAL(cuStreamEndCapture(a, &graph), 904);
    EQUAL(status(a) + status(b), 0);
    EQUAL(cuStreamEndCapture(a, &graph), 401);
}

/// Begins a capture, makes a call that it forbids, and expects the capture to be over.
template <class Call> static void forbidden(int mode, int wanted, Call call) {
    void *stream = nullptr, *graph = (void *)1;
    OK(cuStreamCreate(&stream, 0));
    OK(cuStreamBeginCapture_v2(stream, mode));
    EQUAL(call(stream), wanted);
    EQUAL(status(stream), 2);
    EQUAL(cuMemsetD8Async(0, 0, 0, stream), 0);
    EQUAL(cuLaunchHostFunc(stream, [](void *) {}, nullptr), 901);
    EQUAL(cuStreamEndCapture(stream, &graph), 901);
    CHECK(!graph);
    EQUAL(status(stream), 0);
    OK(cuStreamDestroy_v2(stream));
}

static void checkForbidden() {
    Ptr x = upload(std::vector<int>(8)), fresh = 0;
    void *event = nullptr, *other = nullptr;
    int values[8];
    OK(cuEventCreate(&event, 0));
    OK(cuStreamCreate(&other, CU_STREAM_NON_BLOCKING));
    OK(cuEventRecord(event, other));
    for (int mode : {global, threadLocal, relaxed}) {
        forbidden(mode, 900, [](void *stream) { return cuStreamSynchronize(stream); });
        forbidden(mode, 900, [](void *stream) { return cuStreamQuery(stream); });
        forbidden(mode, 900, [](void *) { return cuCtxSynchronize(); });
        forbidden(mode, 906, [&](void *) { return cuMemsetD8Async(x, 0, 1, nullptr); });
        forbidden(mode, 905, [&](void *stream) { return cuStreamWaitEvent(stream, event, 0); });
        forbidden(mode, 907, [&](void *stream) {
            void *own = nullptr;
            OK(cuEventCreate(&own, 0));
            OK(cuEventRecord(own, stream));
            return cuEventQuery(own);
        });
        if (mode == relaxed) continue;
        forbidden(mode, 900, [&](void *) { return cuMemAlloc_v2(&fresh, 4); });
        forbidden(mode, 900, [&](void *) { return cuMemFree_v2(x); });
        forbidden(mode, 900, [&](void *) { return cuMemcpyDtoH_v2(values, x, 4); });
        forbidden(mode, 900, [&](void *) { return cuEventSynchronize(event); });
    }
    // Another thread's call ends a global capture, but not one of a thread.
    forbidden(global, 900, [&](void *) {
        int result = 0;
        void *context = nullptr;
        OK(cuCtxGetCurrent(&context));
        std::thread([&] {
            OK(cuCtxSetCurrent(context));
            result = cuMemAlloc_v2(&fresh, 4);
        }).join();
        return result;
    });
    void *stream = nullptr, *graph = nullptr;
    OK(cuStreamCreate(&stream, 0));
    EQUAL(cuStreamBeginCapture_v2(nullptr, global), 900);
    OK(cuStreamBeginCapture_v2(stream, relaxed));
    EQUAL(cuStreamBeginCapture_v2(stream, relaxed), 401);
    OK(cuMemAlloc_v2(&fresh, 4));
    OK(cuStreamEndCapture(stream, &graph));
    OK(cuGraphDestroy(graph));
    OK(cuStreamBeginCapture_v2(stream, threadLocal));
    std::thread([&] {
        void *context = nullptr;
        OK(cuCtxGetCurrent(&context));
        CHECK(!context);
        OK(cuDevicePrimaryCtxRetain(&context, 0));
        OK(cuCtxSetCurrent(context));
        OK(cuMemAlloc_v2(&fresh, 4));
        EQUAL(cuStreamEndCapture(stream, &graph), 908);
        OK(cuDevicePrimaryCtxRelease_v2(0));
    }).join();
    OK(cuStreamEndCapture(stream, &graph));
    OK(cuGraphDestroy(graph));
    EQUAL(cuGraphDestroy(graph), 1);
}

void testCapture() {
    Context context;
    void *module = load(source);
    checkForkAndJoin(module);
    checkUnjoined(module);
    checkForbidden();
}
