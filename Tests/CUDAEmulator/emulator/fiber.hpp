// Fibers: each is a stack of its own on which a kernel's threads run, one after the other or in turns.
#pragma once
#include "core.hpp"

namespace cuemu {

struct Executor;

struct Fiber {
    /// Must come first: kernels get a pointer to it.
    cuemu_thread thread{};
    enum State { idle, ready, running, atBarrier, atExchange } state = idle;
    void *stackPointer = nullptr;
    char *stack = nullptr;
    Executor *executor = nullptr;
    const std::function<void(Fiber &)> *task = nullptr;
    /// What the thread waits with, and what it gets.
    int predicate = 0;
    unsigned mask = 0, source = 0, answer = 0, participants = 0;
    unsigned long long value = 0;
    cuemu_exchange exchanged{};
    void *sanitizer = nullptr;
};

/// Runs fibers in one operating system thread.
struct Executor {
    Fiber host;
    Fiber *current = nullptr;
    CUresult abort = 0;
    std::string message;
    std::vector<Fiber *> used, idle;
    std::deque<Fiber *> ready;
    /// The fibers that wait, by the number of their thread.
    std::vector<Fiber *> waiting;
    unsigned barrierWaiters = 0, exchangeWaiters = 0;
    cuemu_block block{};
    ~Executor();
    Fiber *acquire();
    void enter(Fiber &fiber);
    /// Goes back to the scheduler from the running fiber.
    void leave(Fiber &fiber);
    [[noreturn]] void fail(CUresult result, const char *text);
    CUresult runBlock(const std::function<void(Fiber &)> &task);
    bool releaseBarrier();
    bool releaseExchange(unsigned warp);
    void reset();
    static Executor &ofThread();
    /// The thread's executor while one of its fibers runs, else null.
    static Executor *active();
};

/// The distance from the thread pointer to the pointer that kernels find themselves with.
long selfOffset();
extern const cuemu_table kernelTable;
void installFaultHandler();
} // namespace cuemu
