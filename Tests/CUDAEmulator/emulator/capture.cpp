// Captures of streams, and the graphs they become.
#include "core.hpp"
#include <algorithm>

namespace cuemu {

static thread_local CUcaptureMode threadMode = captureGlobal;

void invalidate(Capture &capture) { capture.invalid = true; }

CUresult refuseDuringCapture() {
    if (threadMode == captureRelaxed) return 0;
    CUresult result = 0;
    for (auto &capture : Driver::shared().captures) {
        bool own = capture->thread == std::this_thread::get_id();
        bool forbids = own ? capture->mode != captureRelaxed : capture->mode == captureGlobal && threadMode == captureGlobal;
        if (!forbids) continue;
        invalidate(*capture);
        result = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
    return result;
}

void endCapture(const std::shared_ptr<Capture> &capture) {
    auto keep = capture;
    for (auto &stream : keep->members) {
        stream->capture = nullptr;
        stream->tips.clear();
    }
    keep->members.clear();
    keep->ended = true;
    Driver::shared().captures.erase(keep);
}

/// Whether all that the capture's other streams did comes before what its first stream did last.
static bool joined(const Capture &capture) {
    const auto &nodes = capture.graph->nodes;
    std::vector<bool> before(nodes.size());
    std::vector<size_t> rest = capture.origin->tips;
    while (!rest.empty()) {
        size_t node = rest.back();
        rest.pop_back();
        if (before[node]) continue;
        before[node] = true;
        rest.insert(rest.end(), nodes[node].dependencies.begin(), nodes[node].dependencies.end());
    }
    for (auto &stream : capture.members)
        for (size_t tip : stream->tips)
            if (!before[tip]) return false;
    return true;
}

/// Runs a graph's nodes one after the other, in an order that the dependencies allow and the stream's numbers choose.
static CUresult replay(const GraphExec &exec, Stream &stream) {
    const auto &nodes = exec.graph->nodes;
    bool shuffled = Driver::shared().seed != 0;
    std::vector<size_t> missing(nodes.size()), ready;
    std::vector<std::vector<size_t>> followers(nodes.size());
    for (size_t i = 0; i < nodes.size(); i++) {
        missing[i] = nodes[i].dependencies.size();
        for (size_t dependency : nodes[i].dependencies) followers[dependency].push_back(i);
        if (!missing[i]) ready.push_back(i);
    }
    for (size_t taken = 0; taken < ready.size(); taken++) {
        if (shuffled) std::swap(ready[taken], ready[taken + stream.random.below(ready.size() - taken)]);
        size_t node = ready[taken];
        if (taken) stream.pause();
        if (CUresult result = nodes[node].run()) return result;
        for (size_t follower : followers[node])
            if (!--missing[follower]) ready.push_back(follower);
    }
    return 0;
}
} // namespace cuemu

using namespace cuemu;

CUEMU_EXPORT CUresult cuThreadExchangeStreamCaptureMode(CUcaptureMode *mode) {
    Call call(__func__, Needs::initialised);
    if (call.result) return call.result;
    if (!mode || *mode < captureGlobal || *mode > captureRelaxed) return CUDA_ERROR_INVALID_VALUE;
    std::swap(*mode, threadMode);
    return 0;
}

CUEMU_EXPORT CUresult cuStreamBeginCapture_v2(void *handle, CUcaptureMode mode) {
    Call call(__func__);
    if (call.result) return call.result;
    if (mode < captureGlobal || mode > captureRelaxed) return CUDA_ERROR_INVALID_VALUE;
    Lock lock(Driver::shared().lock);
    std::shared_ptr<Stream> stream;
    if (CUresult result = findStream(call, handle, stream)) return result;
    if (stream->legacy) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    if (stream->capture) return CUDA_ERROR_ILLEGAL_STATE;
    auto capture = std::make_shared<Capture>();
    capture->mode = mode;
    capture->thread = std::this_thread::get_id();
    capture->origin = stream.get();
    capture->members.insert(stream);
    stream->capture = capture;
    stream->tips.clear();
    Driver::shared().captures.insert(capture);
    return 0;
}

CUEMU_EXPORT CUresult cuStreamEndCapture(void *handle, void **graph) {
    Call call(__func__);
    if (call.result) return call.result;
    if (!graph) return CUDA_ERROR_INVALID_VALUE;
    Driver &driver = Driver::shared();
    Lock lock(driver.lock);
    *graph = nullptr;
    std::shared_ptr<Stream> stream;
    if (CUresult result = findStream(call, handle, stream)) return result;
    auto capture = stream->capture;
    if (!capture) return CUDA_ERROR_ILLEGAL_STATE;
    if (capture->origin != stream.get()) {
        invalidate(*capture);
        return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
    }
    if (capture->mode != captureRelaxed && capture->thread != std::this_thread::get_id())
        return CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
    bool complete = capture->invalid || joined(*capture);
    endCapture(capture);
    if (capture->invalid) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    if (!complete) return CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
    driver.graphs[capture->graph.get()] = capture->graph;
    *graph = capture->graph.get();
    return 0;
}

CUEMU_EXPORT CUresult cuStreamIsCapturing(void *handle, CUcaptureStatus *status) {
    Call call(__func__);
    if (call.result) return call.result;
    if (!status) return CUDA_ERROR_INVALID_VALUE;
    Lock lock(Driver::shared().lock);
    std::shared_ptr<Stream> stream;
    if (CUresult result = findStream(call, handle, stream)) return result;
    if (stream->legacy)
        for (auto &other : stream->context->streams)
            if (other->blocking() && other->capture) return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
    *status = !stream->capture ? captureNone : stream->capture->invalid ? captureInvalidated : captureActive;
    return 0;
}

CUEMU_EXPORT CUresult cuGraphInstantiateWithFlags(void **exec, void *graph, unsigned long long flags) {
    Call call(__func__);
    if (call.result) return call.result;
    if (!exec || (flags & ~15ull)) return CUDA_ERROR_INVALID_VALUE;
    Driver &driver = Driver::shared();
    Lock lock(driver.lock);
    auto found = driver.graphs.find(graph);
    if (found == driver.graphs.end()) return CUDA_ERROR_INVALID_VALUE;
    auto made = std::make_shared<GraphExec>();
    made->context = call.context;
    // The copy keeps what the graph is now, also after the graph has been destroyed.
    made->graph = std::make_shared<const Graph>(*found->second);
    driver.execs[made.get()] = made;
    *exec = made.get();
    return 0;
}

CUEMU_EXPORT CUresult cuGraphLaunch(void *handle, void *streamHandle) {
    Call call(__func__);
    if (call.result) return call.result;
    Driver &driver = Driver::shared();
    Lock lock(driver.lock);
    auto found = driver.execs.find(handle);
    if (found == driver.execs.end()) return CUDA_ERROR_INVALID_VALUE;
    std::shared_ptr<Stream> stream;
    if (CUresult result = findStream(call, streamHandle, stream)) return result;
    if (stream->capture) {
        // A real driver makes a child graph; nothing here needs one.
        invalidate(*stream->capture);
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
    Stream *raw = stream.get();
    auto exec = found->second;
    awaitRecord(*stream, exec->latest);
    if (CUresult result = dispatch(*stream, NodeKind::host, [exec, raw] { return replay(*exec, *raw); })) return result;
    exec->latest = std::make_shared<Record>();
    completeRecord(*stream, exec->latest);
    driver.graphLaunches++;
    return 0;
}

CUEMU_EXPORT CUresult cuGraphExecDestroy(void *handle) {
    Call call(__func__, Needs::initialised);
    if (call.result) return call.result;
    Lock lock(Driver::shared().lock);
    return Driver::shared().execs.erase(handle) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUEMU_EXPORT CUresult cuGraphDestroy(void *handle) {
    Call call(__func__, Needs::initialised);
    if (call.result) return call.result;
    Lock lock(Driver::shared().lock);
    return Driver::shared().graphs.erase(handle) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUEMU_EXPORT CUresult cuGraphGetNodes(void *handle, void **nodes, size_t *count) {
    Call call(__func__, Needs::initialised);
    if (call.result) return call.result;
    if (!count) return CUDA_ERROR_INVALID_VALUE;
    if (nodes) return CUDA_ERROR_NOT_SUPPORTED;
    Lock lock(Driver::shared().lock);
    auto found = Driver::shared().graphs.find(handle);
    if (found == Driver::shared().graphs.end()) return CUDA_ERROR_INVALID_VALUE;
    *count = found->second->nodes.size();
    return 0;
}
