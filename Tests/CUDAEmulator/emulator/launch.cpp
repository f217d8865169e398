// Runs a launch: blocks one after the other, in an order that depends on the seed. Faults become errors.
#include "fiber.hpp"
#include <csignal>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <sys/mman.h>

struct TLSIndex {
    unsigned long module, offset;
};
extern "C" void *__tls_get_addr(TLSIndex *);

namespace cuemu {

static struct sigaction previous[65];

/// The stack that a handler runs on, so that a kernel's overflow of its own stack is found too.
struct HandlerStack {
    char *memory = nullptr;
    static constexpr size_t size = 64 << 10;
    HandlerStack() {
        stack_t old{};
        sigaltstack(nullptr, &old);
        if (!(old.ss_flags & SS_DISABLE)) return;
        void *place = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (place == MAP_FAILED) return;
        memory = (char *)place;
        stack_t fresh{};
        fresh.ss_sp = memory;
        fresh.ss_size = size;
        sigaltstack(&fresh, nullptr);
    }
    ~HandlerStack() {
        if (!memory) return;
        stack_t none{};
        none.ss_flags = SS_DISABLE;
        sigaltstack(&none, nullptr);
        munmap(memory, size);
    }
};

static void onFault(int signal, siginfo_t *info, void *context) {
    if (Executor *executor = Executor::active()) {
        // The handler never returns: the scheduler goes on, on its own stack. The signal is not blocked (SA_NODEFER).
        executor->abort = signal == SIGILL ? CUDA_ERROR_ILLEGAL_INSTRUCTION : CUDA_ERROR_ILLEGAL_ADDRESS;
        executor->leave(*executor->current);
    }
    const struct sigaction &old = previous[signal];
    if (old.sa_flags & SA_SIGINFO) {
        old.sa_sigaction(signal, info, context);
    } else if (old.sa_handler == SIG_DFL || old.sa_handler == SIG_IGN) {
        // The instruction faults again, and then ends the process as it would have without this library.
        ::signal(signal, SIG_DFL);
    } else {
        old.sa_handler(signal);
    }
}

void installFaultHandler() {
    struct sigaction action{};
    action.sa_sigaction = onFault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    for (int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) sigaction(signal, &action, &previous[signal]);
}

static Executor &executorWithHandler() {
    static thread_local HandlerStack stack;
    (void)stack;
    return Executor::ofThread();
}

CUresult guarded(Context &context, const std::function<void()> &body) {
    Executor &executor = executorWithHandler();
    executor.message.clear();
    executor.block = {};
    executor.block.total = 1;
    executor.block.alive[0] = 1;
    CUresult result = executor.runBlock([&](Fiber &) {
        if (executor.block.next) return;
        executor.block.next = 1;
        body();
        executor.block.ended = 1;
    });
    if (result) context.fail(result);
    return result;
}

CUresult copyBytes(Context &context, void *to, const void *from, size_t size) {
    return guarded(context, [&] { memmove(to, from, size); });
}

static void startBlock(cuemu_block &block, unsigned total, bool reverse) {
    block = {};
    block.total = total;
    block.reverse = reverse;
    for (unsigned warp = 0; warp * 32 < total; warp++) {
        unsigned rest = total - warp * 32;
        block.alive[warp] = rest >= 32 ? ~0u : (1u << rest) - 1;
    }
}

CUresult runLaunch(const Launch &launch, Random random, bool shuffled) {
    Executor &executor = executorWithHandler();
    Context &context = *launch.module->context;
    // A kernel may not change what the next launch of a graph's node gets, so it works on a copy.
    std::vector<unsigned char> storage = launch.storage;
    std::vector<void *> parameters;
    for (size_t offset : launch.offsets) parameters.push_back(storage.data() + offset);
    const cuemu_index grid = launch.grid;
    uint64_t blocks = (uint64_t)grid.x * grid.y * grid.z;
    // Multiplication with a number coprime to the count visits each block once.
    uint64_t factor = 1, shift = 0;
    if (shuffled && blocks > 1) {
        factor = random.below(blocks) | 1;
        while (std::gcd(factor, blocks) != 1) factor += 2;
        factor %= blocks;
        shift = random.below(blocks);
    }
    void *shared = nullptr;
    if (launch.module->sharedBytes) {
        TLSIndex index{launch.module->sharedModule, 0};
        shared = __tls_get_addr(&index);
    }
    bool reverse = shuffled && random.below(2);
    cuemu_index at{};
    executor.message.clear();
    const std::function<void(Fiber &)> task = [&](Fiber &fiber) {
        fiber.thread.block = at;
        fiber.thread.blockSize = launch.block;
        fiber.thread.gridSize = grid;
        fiber.thread.run = &executor.block;
        launch.kernel->run(&fiber.thread, parameters.data());
    };
    for (uint64_t i = 0; i < blocks; i++) {
        uint64_t number = (uint64_t)(((unsigned __int128)i * factor + shift) % blocks);
        at = {(unsigned)(number % grid.x), (unsigned)(number / grid.x % grid.y), (unsigned)(number / grid.x / grid.y)};
        if (shared) memset(shared, 0xff, launch.module->sharedBytes);
        startBlock(executor.block, launch.block.x * launch.block.y * launch.block.z, reverse);
        CUresult result = executor.runBlock(task);
        if (!result) continue;
        std::string text = executor.message.empty() ? "a fault" : executor.message;
        fprintf(stderr, "cuemu: kernel %s, block (%u, %u, %u): %s\n", launch.name.c_str(), at.x, at.y, at.z, text.c_str());
        context.fail(result);
        return result;
    }
    return 0;
}
} // namespace cuemu
