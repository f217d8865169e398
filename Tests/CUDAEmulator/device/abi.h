// What the library and a compiled kernel share. Both include this file, so it names no system header.
#pragma once

/// An index or a size with three parts.
struct cuemu_index {
    unsigned x, y, z;
};

/// One block that runs. All its threads share one operating system thread, so nothing here is atomic.
struct cuemu_block {
    /// The number of threads that have begun, have ended, and that the block has.
    unsigned next, ended, total;
    /// Whether the threads begin from the last to the first.
    unsigned reverse;
    /// Per warp, the lanes whose threads have not ended.
    unsigned alive[32];
};

/// What a kernel's thread knows about itself. A fiber owns one and runs thread after thread with it.
struct cuemu_thread {
    cuemu_index thread, block, blockSize, gridSize;
    cuemu_block *run;
    /// The thread's number in its block; the lane is its lowest five bits.
    unsigned number;
};

/// The answer of a warp's exchange of values.
struct cuemu_exchange {
    unsigned long long value;
    /// The lanes that took part, and those of them whose predicate held.
    unsigned lanes, ballot;
};

/// The functions of the library that kernels call.
struct cuemu_table {
    /// Waits for all threads of the block that have not ended; returns how many of them had `predicate`.
    unsigned (*barrier)(cuemu_thread *self, int predicate, unsigned *participants);
    /// Waits for the lanes of `mask` and gives the value of the lane `source`.
    cuemu_exchange (*exchange)(cuemu_thread *self, unsigned mask, unsigned long long value, unsigned source, int predicate);
    /// Ends the launch with an error; does not return.
    void (*fail)(cuemu_thread *self, int result, const char *text);
};

/// What a module exports for each kernel, as `cuemu_kernel_NAME`.
struct cuemu_kernel {
    void (*run)(cuemu_thread *self, void **parameters);
    unsigned count;
    const unsigned *sizes, *alignments;
    /// The first number of `__launch_bounds__`, or 0.
    unsigned maxThreads;
};

/// What a module exports as `cuemu_module`: the library fills it in when it loads the module.
struct cuemu_module_link {
    unsigned version;
    /// The distance from the thread pointer to the library's pointer to the running `cuemu_thread`.
    long selfOffset;
    const cuemu_table *table;
};
