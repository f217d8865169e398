// Switching between stacks, and the pool of the stacks.
#include "fiber.hpp"
#include <sys/mman.h>
#include <unistd.h>

#if __has_feature(thread_sanitizer)
extern "C" void *__tsan_get_current_fiber(void);
extern "C" void *__tsan_create_fiber(unsigned flags);
extern "C" void __tsan_destroy_fiber(void *fiber);
extern "C" void __tsan_switch_to_fiber(void *fiber, unsigned flags);
#define CUEMU_TSAN 1
#endif

// Saves the registers that a call keeps and the stack pointer at *save, and goes on with those of `load`.
extern "C" void cuemu_switch(void **save, void *load);

#if defined(CUEMU_UCONTEXT)
#include <ucontext.h>
#elif defined(__x86_64__)
asm(R"(
.text
.p2align 4
.hidden cuemu_switch
.globl cuemu_switch
.type cuemu_switch,@function
cuemu_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size cuemu_switch,.-cuemu_switch
)");
static const size_t frameWords = 8, entryWord = 6;
#elif defined(__aarch64__)
asm(R"(
.text
.p2align 4
.hidden cuemu_switch
.globl cuemu_switch
.type cuemu_switch,@function
cuemu_switch:
    sub sp, sp, #160
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    ret
.size cuemu_switch,.-cuemu_switch
)");
static const size_t frameWords = 20, entryWord = 11;
#else
#include <ucontext.h>
#define CUEMU_UCONTEXT 1
#endif

namespace cuemu {

static constexpr size_t stackSize = 128 << 10;
// Initial-exec, so that the distance from the thread pointer is the same in all threads.
static thread_local Fiber *self __attribute__((tls_model("initial-exec"))) = nullptr;

long selfOffset() { return (char *)&self - (char *)__builtin_thread_pointer(); }

Executor *Executor::active() { return self ? self->executor : nullptr; }

Executor &Executor::ofThread() {
    static thread_local Executor executor;
    return executor;
}

namespace {
/// Stacks that no thread uses now. Streams come and go; their stacks stay.
struct Pool {
    std::mutex lock;
    std::vector<Fiber *> fibers;
};
Pool &pool() {
    static Pool *pool = new Pool;
    return *pool;
}
} // namespace

/// A fiber's life. It may go on in another thread than it began in, so it looks at the thread's variable once only: a
/// compiler may keep the variable's address over a switch.
static void runFiber() {
    Fiber &fiber = *self;
    for (;;) {
        (*fiber.task)(fiber);
        fiber.state = Fiber::idle;
        fiber.executor->leave(fiber);
    }
}

/// Lets the fiber begin anew at its next turn, whatever it did before.
static void prepare(Fiber &fiber) {
    char *top = fiber.stack + stackSize;
#ifdef CUEMU_UCONTEXT
    auto *context = (ucontext_t *)fiber.stack;
    getcontext(context);
    context->uc_stack.ss_sp = fiber.stack + sizeof(ucontext_t);
    context->uc_stack.ss_size = stackSize - sizeof(ucontext_t);
    makecontext(context, runFiber, 0);
    fiber.stackPointer = context;
    (void)top;
#else
    auto **frame = (void **)top - frameWords;
    for (size_t i = 0; i < frameWords; i++) frame[i] = nullptr;
    frame[entryWord] = (void *)runFiber;
    fiber.stackPointer = frame;
#endif
    fiber.state = Fiber::idle;
#ifdef CUEMU_TSAN
    if (fiber.sanitizer) __tsan_destroy_fiber(fiber.sanitizer);
    fiber.sanitizer = __tsan_create_fiber(0);
#endif
}

Fiber *Executor::acquire() {
    Fiber *fiber = nullptr;
    if (!idle.empty()) {
        fiber = idle.back();
        idle.pop_back();
        return fiber;
    }
    {
        std::lock_guard guard(pool().lock);
        if (!pool().fibers.empty()) {
            fiber = pool().fibers.back();
            pool().fibers.pop_back();
        }
    }
    if (!fiber) {
        size_t guardSize = (size_t)sysconf(_SC_PAGESIZE);
        char *memory = (char *)mmap(nullptr, guardSize + stackSize, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) return nullptr;
        mprotect(memory, guardSize, PROT_NONE);
        fiber = new Fiber;
        fiber->stack = memory + guardSize;
        prepare(*fiber);
    }
    fiber->executor = this;
    used.push_back(fiber);
    return fiber;
}

Executor::~Executor() {
    std::lock_guard guard(pool().lock);
    for (Fiber *fiber : used) pool().fibers.push_back(fiber);
}

/// After a launch that failed: no fiber goes on where it stopped.
void Executor::reset() {
    ready.clear();
    waiting.assign(waiting.size(), nullptr);
    barrierWaiters = exchangeWaiters = 0;
    idle.clear();
    for (Fiber *fiber : used) {
        prepare(*fiber);
        idle.push_back(fiber);
    }
}

void Executor::enter(Fiber &fiber) {
    fiber.state = Fiber::running;
    current = self = &fiber;
#ifdef CUEMU_TSAN
    host.sanitizer = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(fiber.sanitizer, 0);
#endif
#ifdef CUEMU_UCONTEXT
    ucontext_t here;
    host.stackPointer = &here;
    swapcontext(&here, (ucontext_t *)fiber.stackPointer);
#else
    cuemu_switch(&host.stackPointer, fiber.stackPointer);
#endif
    current = self = nullptr;
}

void Executor::leave(Fiber &fiber) {
#ifdef CUEMU_TSAN
    __tsan_switch_to_fiber(host.sanitizer, 0);
#endif
#ifdef CUEMU_UCONTEXT
    swapcontext((ucontext_t *)fiber.stackPointer, (ucontext_t *)host.stackPointer);
#else
    cuemu_switch(&fiber.stackPointer, host.stackPointer);
#endif
}

void Executor::fail(CUresult result, const char *text) {
    abort = result;
    message = text;
    leave(*current);
    __builtin_unreachable();
}
} // namespace cuemu
