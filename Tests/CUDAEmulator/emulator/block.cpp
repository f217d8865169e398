// The threads of one block: barriers, exchanges within a warp, and the scheduler that notices when none can go on.
#include "fiber.hpp"

namespace cuemu {

/// The threads of a block begin in turn on as few fibers as possible: a fiber takes the next thread when one ends, so a
/// kernel without barriers runs in a plain loop. When a thread waits, another fiber takes the threads that have not begun.
CUresult Executor::runBlock(const std::function<void(Fiber &)> &task) {
    if (waiting.size() < block.total) waiting.resize(block.total, nullptr);
    abort = 0;
    for (;;) {
        Fiber *fiber = nullptr;
        if (!ready.empty()) {
            fiber = ready.front();
            ready.pop_front();
        } else if (block.next < block.total) {
            fiber = acquire();
            if (!fiber) {
                message = "no memory for the stack of a thread";
                abort = CUDA_ERROR_LAUNCH_FAILED;
            }
        } else if (barrierWaiters && barrierWaiters == block.total - block.ended) {
            releaseBarrier();
            continue;
        } else if (exchangeWaiters) {
            bool released = false;
            for (unsigned warp = 0; warp * 32 < block.total; warp++) released = releaseExchange(warp) || released;
            if (released) continue;
        }
        if (!fiber && !abort) {
            if (!barrierWaiters && !exchangeWaiters) return 0;
            message = "deadlock: " + std::to_string(barrierWaiters) + " threads wait at a barrier and " +
                      std::to_string(exchangeWaiters) + " at a warp function, and no other thread can release them";
            abort = CUDA_ERROR_LAUNCH_FAILED;
        }
        if (!abort) {
            fiber->task = &task;
            enter(*fiber);
            if (!abort && fiber->state == Fiber::idle) idle.push_back(fiber);
        }
        if (abort) {
            reset();
            return abort;
        }
    }
}

/// Lets all threads that wait at the barrier go on, and counts those whose predicate holds.
bool Executor::releaseBarrier() {
    unsigned sum = 0, count = barrierWaiters;
    for (unsigned i = 0; i < block.total; i++)
        if (waiting[i] && waiting[i]->predicate) sum++;
    for (unsigned i = 0; i < block.total; i++) {
        Fiber *fiber = waiting[i];
        if (!fiber) continue;
        fiber->answer = sum;
        fiber->participants = count;
        waiting[i] = nullptr;
        fiber->state = Fiber::ready;
        ready.push_back(fiber);
    }
    barrierWaiters = 0;
    return true;
}

/// Lets a group of lanes go on if all lanes of its mask that have not ended wait with that mask.
bool Executor::releaseExchange(unsigned warp) {
    bool released = false;
    unsigned first = warp * 32, lanes = block.total - first < 32 ? block.total - first : 32;
    for (unsigned lane = 0; lane < lanes; lane++) {
        Fiber *leader = waiting[first + lane];
        if (!leader || leader->state != Fiber::atExchange) continue;
        unsigned mask = leader->mask, group = 0, ballot = 0;
        for (unsigned i = 0; i < lanes; i++) {
            Fiber *fiber = waiting[first + i];
            if (!fiber || fiber->state != Fiber::atExchange || fiber->mask != mask) continue;
            group |= 1u << i;
            if (fiber->predicate) ballot |= 1u << i;
        }
        if ((mask & block.alive[warp]) & ~group) continue;
        Fiber *members[32] = {};
        for (unsigned i = 0; i < lanes; i++)
            if (group >> i & 1) members[i] = waiting[first + i];
        for (unsigned i = 0; i < lanes; i++) {
            if (!members[i]) continue;
            // The value of a lane that does not take part is undefined; all ones make a use of it visible.
            unsigned source = members[i]->source & 31;
            members[i]->exchanged = {members[source] ? members[source]->value : ~0ull, group, ballot};
        }
        for (unsigned i = 0; i < lanes; i++) {
            if (!members[i]) continue;
            waiting[first + i] = nullptr;
            members[i]->state = Fiber::ready;
            ready.push_back(members[i]);
            exchangeWaiters--;
        }
        released = true;
    }
    return released;
}

static unsigned barrier(cuemu_thread *self, int predicate, unsigned *participants) {
    auto &fiber = *(Fiber *)self;
    Executor &executor = *fiber.executor;
    fiber.predicate = predicate;
    fiber.state = Fiber::atBarrier;
    executor.waiting[self->number] = &fiber;
    executor.barrierWaiters++;
    executor.leave(fiber);
    *participants = fiber.participants;
    return fiber.answer;
}

static cuemu_exchange exchange(cuemu_thread *self, unsigned mask, unsigned long long value, unsigned source, int predicate) {
    auto &fiber = *(Fiber *)self;
    Executor &executor = *fiber.executor;
    if (!(mask >> (self->number & 31) & 1))
        executor.fail(CUDA_ERROR_LAUNCH_FAILED, "a warp function's mask does not name the lane that calls it");
    fiber.mask = mask;
    fiber.value = value;
    fiber.source = source;
    fiber.predicate = predicate;
    fiber.state = Fiber::atExchange;
    executor.waiting[self->number] = &fiber;
    executor.exchangeWaiters++;
    executor.releaseExchange(self->number >> 5);
    executor.leave(fiber);
    return fiber.exchanged;
}

static void fail(cuemu_thread *self, int result, const char *text) { ((Fiber *)self)->executor->fail(result, text); }

const cuemu_table kernelTable = {barrier, exchange, fail};
} // namespace cuemu
