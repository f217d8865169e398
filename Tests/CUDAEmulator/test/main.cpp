// Runs the tests of the emulated driver: test LIBRARY [NAME...]. Exits with 0 if all hold.
#include "api.hpp"
#include <chrono>
#include <cstring>
#include <dlfcn.h>
#include <map>

static void *library = nullptr;
static bool missing = false;

static void *symbol(const char *name) {
    void *found = dlsym(library, name);
    if (!found) {
        fprintf(stderr, "the library has no %s\n", name);
        missing = true;
    }
    return found;
}

std::string compile(const std::string &source, const char *architecture) {
    void *program = nullptr;
    OK(nvrtcCreateProgram(&program, source.c_str(), "test.cu", 0, nullptr, nullptr));
    const char *options[] = {architecture};
    int result = nvrtcCompileProgram(program, 1, options);
    size_t size = 0;
    if (result) {
        nvrtcGetProgramLogSize(program, &size);
        std::string log(size, 0);
        nvrtcGetProgramLog(program, log.data());
        fprintf(stderr, "%s\n", log.c_str());
    }
    OK(result);
    OK(nvrtcGetCUBINSize(program, &size));
    std::string image(size, 0);
    OK(nvrtcGetCUBIN(program, image.data()));
    OK(nvrtcDestroyProgram(&program));
    return image;
}

void *load(const std::string &source) {
    static std::map<std::string, std::string> images;
    std::string &image = images[source];
    if (image.empty()) image = compile(source);
    void *module = nullptr;
    OK(cuModuleLoadData(&module, image.data()));
    return module;
}

void *function(void *module, const char *name) {
    void *found = nullptr;
    OK(cuModuleGetFunction(&found, module, name));
    return found;
}

int main(int argc, char **argv) {
    if (argc < 2) return fprintf(stderr, "usage: test LIBRARY [NAME...]\n"), 2;
    ownPath = "/proc/self/exe";
    libraryPath = argv[1];
    library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (!library) return fprintf(stderr, "%s\n", dlerror()), 2;
#define CUEMU_FIND(name, ...) name = (decltype(name))symbol(#name);
    CUEMU_FUNCTIONS(CUEMU_FIND)
    CUEMU_FIND(cublasLtGetVersion)
    CUEMU_FIND(cublasLtGetStatusString)
    CUEMU_FIND(nvrtcGetErrorString)
    fail = (decltype(fail))symbol("cuemu_fail");
    reset = (decltype(reset))symbol("cuemu_reset");
    statistics = (decltype(statistics))symbol("cuemu_statistics");
    setSeed = (decltype(setSeed))symbol("cuemu_set_seed");
    if (missing) return 1;
    if (argc > 2 && !strcmp(argv[2], "--other-process")) return otherProcess(argc, argv);

    setenv("CUEMU_DEVICES", "2", 1);
    setenv("CUEMU_MEMORY", "67108864", 1);
    EQUAL(cuDeviceGetCount(&argc), 3);
    int count = argc;
    OK(cuInit(0));
    const std::pair<const char *, void (*)()> tests[] = {
        {"kernels", testKernels}, {"mathematics", testMathematics}, {"faults", testFaults},       {"memory", testMemory},
        {"streams", testStreams}, {"capture", testCapture},         {"cards", testCards},         {"processes", testProcesses},
        {"compiler", testCompiler}, {"injection", testInjection},   {"matmul", testMatmul}};
    for (auto &[name, test] : tests) {
        bool wanted = count == 2;
        for (int i = 2; i < count; i++) wanted = wanted || !strcmp(argv[i], name);
        if (!wanted) continue;
        int before = failures;
        auto start = std::chrono::steady_clock::now();
        test();
        std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
        setSeed(0);
        reset();
        cuemu_counts left;
        statistics(&left);
        // Each test ends its contexts, and with them all that they own.
        EQUAL(left.contexts + left.allocations + left.pinned + left.modules + left.streams + left.events + left.execs, 0u);
        printf("%-12s %s, %.2f s\n", name, failures == before ? "holds" : "FAILS", taken.count());
        fflush(stdout);
    }
    return failures ? 1 : 0;
}
