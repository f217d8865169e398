// Modules are shared objects in memory. Functions are what they export for each kernel.
#include "core.hpp"
#include "fiber.hpp"
#include <cstring>
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

namespace cuemu {

Module::~Module() {
    if (library) dlclose(library);
    if (file >= 0) close(file);
}

/// The number of bytes of a shared object, 0 if it is none. `sharedBytes` becomes the size of its `__shared__` variables.
static size_t imageSize(const void *image, size_t &sharedBytes) {
    const auto *bytes = (const unsigned char *)image;
    if (memcmp(bytes, ELFMAG, SELFMAG) || bytes[EI_CLASS] != ELFCLASS64) return 0;
    const auto &header = *(const Elf64_Ehdr *)image;
    if (header.e_type != ET_DYN || header.e_phentsize != sizeof(Elf64_Phdr)) return 0;
    size_t size = header.e_shoff + (size_t)header.e_shnum * header.e_shentsize;
    const auto *segments = (const Elf64_Phdr *)(bytes + header.e_phoff);
    for (int i = 0; i < header.e_phnum; i++) {
        size = std::max<size_t>(size, segments[i].p_offset + segments[i].p_filesz);
        if (segments[i].p_type == PT_TLS) sharedBytes = segments[i].p_memsz;
    }
    return size;
}

static CUresult load(Module &module, const void *image) {
    size_t size = imageSize(image, module.sharedBytes);
    if (!size) return CUDA_ERROR_INVALID_IMAGE;
    // The file stays open while the module lives: the loader takes two objects of one path for the same.
    module.file = memfd_create("cuemu-module", MFD_CLOEXEC);
    if (module.file < 0) return CUDA_ERROR_OPERATING_SYSTEM;
    for (size_t done = 0; done < size;) {
        ssize_t count = write(module.file, (const char *)image + done, size - done);
        if (count <= 0) return CUDA_ERROR_INVALID_IMAGE;
        done += (size_t)count;
    }
    std::string path = "/proc/self/fd/" + std::to_string(module.file);
    module.library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!module.library) {
        const char *reason = dlerror();
        fprintf(stderr, "cuemu: a module does not load: %s\n", reason ? reason : "no reason given");
        return CUDA_ERROR_INVALID_IMAGE;
    }
    auto *link = (cuemu_module_link *)dlsym(module.library, "cuemu_module");
    if (!link || link->version != 1) return CUDA_ERROR_INVALID_IMAGE;
    link->selfOffset = selfOffset();
    link->table = &kernelTable;
    if (module.sharedBytes && dlinfo(module.library, RTLD_DI_TLS_MODID, &module.sharedModule)) return CUDA_ERROR_INVALID_IMAGE;
    return 0;
}

static CUresult findFunction(void *handle, std::shared_ptr<Function> &function) {
    auto found = Driver::shared().functions.find(handle);
    if (found == Driver::shared().functions.end()) return CUDA_ERROR_INVALID_HANDLE;
    function = found->second;
    return 0;
}

static int maxThreads(const Function &function) {
    return function.kernel->maxThreads ? (int)std::min(function.kernel->maxThreads, 1024u) : 1024;
}
} // namespace cuemu

using namespace cuemu;

CUEMU_EXPORT CUresult cuModuleLoadData(void **handle, const void *image) {
    Call call(__func__);
    if (call.result) return call.result;
    if (!handle || !image) return CUDA_ERROR_INVALID_VALUE;
    auto module = std::make_shared<Module>();
    module->context = call.context;
    if (CUresult result = load(*module, image)) return result;
    Lock lock(Driver::shared().lock);
    Driver::shared().modules[module.get()] = module;
    *handle = module.get();
    return 0;
}

CUEMU_EXPORT CUresult cuModuleUnload(void *handle) {
    Call call(__func__, Needs::brokenContext);
    if (call.result) return call.result;
    Driver &driver = Driver::shared();
    std::shared_ptr<Module> module;
    Lock lock(driver.lock);
    auto found = driver.modules.find(handle);
    if (found == driver.modules.end()) return CUDA_ERROR_INVALID_HANDLE;
    module = found->second;
    for (auto &[name, function] : module->functions) driver.functions.erase(function);
    driver.modules.erase(found);
    // Launches that have not run yet keep the module; the last of them unloads it.
    lock.unlock();
    return call.context->error;
}

CUEMU_EXPORT CUresult cuModuleGetFunction(void **handle, void *moduleHandle, const char *name) {
    Call call(__func__);
    if (call.result) return call.result;
    if (!handle || !name) return CUDA_ERROR_INVALID_VALUE;
    Driver &driver = Driver::shared();
    Lock lock(driver.lock);
    auto found = driver.modules.find(moduleHandle);
    if (found == driver.modules.end()) return CUDA_ERROR_INVALID_HANDLE;
    auto module = found->second;
    auto known = module->functions.find(name);
    if (known != module->functions.end()) {
        *handle = known->second;
        return 0;
    }
    auto *kernel = (const cuemu_kernel *)dlsym(module->library, (std::string("cuemu_kernel_") + name).c_str());
    if (!kernel) return CUDA_ERROR_NOT_FOUND;
    auto function = std::make_shared<Function>();
    function->module = module;
    function->name = name;
    function->kernel = kernel;
    module->functions[name] = function.get();
    driver.functions[function.get()] = function;
    *handle = function.get();
    return 0;
}

CUEMU_EXPORT CUresult cuFuncGetAttribute(int *value, int attribute, void *handle) {
    Call call(__func__);
    if (call.result) return call.result;
    if (!value) return CUDA_ERROR_INVALID_VALUE;
    Lock lock(Driver::shared().lock);
    std::shared_ptr<Function> function;
    if (CUresult result = findFunction(handle, function)) return result;
    auto module = function->module.lock();
    switch (attribute) {
    case 0: *value = maxThreads(*function); return 0;
    case 1: *value = module ? (int)module->sharedBytes : 0; return 0;
    case 2: case 3: case 7: case 10: case 11: case 12: case 13: case 14: case 15: *value = 0; return 0;
    case 4: *value = 32; return 0;
    case 5: case 6: *value = 90; return 0;
    case 8: *value = function->dynamicShared ? function->dynamicShared : 49152; return 0;
    case 9: *value = -1; return 0;
    default: return CUDA_ERROR_INVALID_VALUE;
    }
}

CUEMU_EXPORT CUresult cuFuncSetAttribute(void *handle, int attribute, int value) {
    Call call(__func__);
    if (call.result) return call.result;
    Lock lock(Driver::shared().lock);
    std::shared_ptr<Function> function;
    if (CUresult result = findFunction(handle, function)) return result;
    if (attribute == 9) return value >= -1 && value <= 100 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    if (attribute != 8 || value < 0 || value > 232448) return CUDA_ERROR_INVALID_VALUE;
    function->dynamicShared = value;
    return 0;
}

CUEMU_EXPORT CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, void *handle, int blockSize, size_t shared) {
    Call call(__func__);
    if (call.result) return call.result;
    if (!blocks || blockSize <= 0) return CUDA_ERROR_INVALID_VALUE;
    Lock lock(Driver::shared().lock);
    std::shared_ptr<Function> function;
    if (CUresult result = findFunction(handle, function)) return result;
    auto module = function->module.lock();
    size_t bytes = shared + (module ? module->sharedBytes : 0) + 1024;
    int byThreads = blockSize > maxThreads(*function) ? 0 : 2048 / ((blockSize + 31) / 32 * 32);
    *blocks = std::min({byThreads, 32, (int)(233472 / bytes)});
    return 0;
}

CUEMU_EXPORT CUresult cuLaunchKernel(void *handle, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX, unsigned blockY,
                                     unsigned blockZ, unsigned shared, void *streamHandle, void **parameters, void **extra) {
    Call call(__func__);
    if (call.result) return call.result;
    if (extra) return CUDA_ERROR_NOT_SUPPORTED;
    Driver &driver = Driver::shared();
    Lock lock(driver.lock);
    std::shared_ptr<Function> function;
    if (CUresult result = findFunction(handle, function)) return result;
    uint64_t threads = (uint64_t)blockX * blockY * blockZ;
    if (!gridX || gridX > 2147483647u || !gridY || gridY > 65535 || !gridZ || gridZ > 65535) return CUDA_ERROR_INVALID_VALUE;
    if (!threads || blockX > 1024 || blockY > 1024 || blockZ > 64 || threads > (uint64_t)maxThreads(*function))
        return CUDA_ERROR_INVALID_VALUE;
    auto module = function->module.lock();
    const cuemu_kernel &kernel = *function->kernel;
    if (shared > (unsigned)(function->dynamicShared ? function->dynamicShared : 49152)) return CUDA_ERROR_INVALID_VALUE;
    if (!module || (kernel.count && !parameters)) return CUDA_ERROR_INVALID_VALUE;
    std::shared_ptr<Stream> stream;
    if (CUresult result = findStream(call, streamHandle, stream)) return result;
    if (module->context != stream->context) return CUDA_ERROR_INVALID_HANDLE;

    Launch launch{module, function->name, &kernel, {gridX, gridY, gridZ}, {blockX, blockY, blockZ}, {}, {}};
    size_t end = 0;
    for (unsigned i = 0; i < kernel.count; i++) {
        size_t alignment = std::max<size_t>(kernel.alignments[i], 8);
        end = (end + alignment - 1) / alignment * alignment;
        launch.offsets.push_back(end);
        end += kernel.sizes[i];
    }
    launch.storage.resize(end);
    for (unsigned i = 0; i < kernel.count; i++) {
        if (!parameters[i]) return CUDA_ERROR_INVALID_VALUE;
        unsigned char *copy = launch.storage.data() + launch.offsets[i];
        memcpy(copy, parameters[i], kernel.sizes[i]);
        for (size_t at = 0; at + 8 <= kernel.sizes[i]; at += 8) {
            uint64_t word;
            memcpy(&word, copy + at, 8);
            word = translate(word, *module->context);
            memcpy(copy + at, &word, 8);
        }
    }
    Stream *raw = stream.get();
    CUresult result = dispatch(*stream, NodeKind::kernel, [launch = std::move(launch), raw] {
        return runLaunch(launch, Random{raw->random.next()}, Driver::shared().seed != 0);
    });
    if (!result) driver.launches++;
    return result;
}
