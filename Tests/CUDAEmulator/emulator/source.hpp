// What is found in a kernel's source text.
#pragma once
#include <string>
#include <vector>

namespace cuemu {

/// A kernel's name, and the first argument of its `__launch_bounds__` as it is written ("0" without one).
struct KernelName {
    std::string name, maxThreads;
};

/// The source without comments and without the text of literals; lines stay where they are.
std::string withoutComments(const std::string &source);
/// Whether the kernels are known after preprocessing only: macros, conditions or other files may define or remove some.
bool needsPreprocessing(const std::string &stripped);
/// The kernels with C linkage, each once.
std::vector<KernelName> kernelNames(const std::string &stripped);
} // namespace cuemu
