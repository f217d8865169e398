// The run-time compiler: clang, as a process, makes a shared object of a kernel's source. Its bytes are the "cubin".
#include "core.hpp"
#include "source.hpp"
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

namespace cuemu {

namespace {
enum { nvrtcSuccess, nvrtcOutOfMemory, nvrtcCreation, nvrtcInvalidInput, nvrtcInvalidProgram, nvrtcInvalidOption, nvrtcCompilation,
       nvrtcInternal = 11 };

const int supportedArchitectures[] = {50, 52, 53, 60, 61, 62, 70, 72, 75, 80, 86, 87, 89, 90, 100, 101, 103, 120, 121};

const unsigned char deviceHeader[] = {
#embed "../device/abi.h" suffix(, '\n',)
#embed "../device/types.h" suffix(, '\n',)
#embed "../device/threads.h" suffix(, '\n',)
#embed "../device/atomics.h" suffix(, '\n',)
#embed "../device/mathematics.h" suffix(, '\n',)
#embed "../device/special.h" suffix(, '\n')
};

struct Program {
    std::string source, name, log, image;
    std::vector<std::pair<std::string, std::string>> headers;
    bool compiled = false, virtualArchitecture = false;
};

struct Programs {
    std::mutex lock;
    std::map<void *, std::shared_ptr<Program>> live;
};
Programs &programs() {
    static Programs *programs = new Programs;
    return *programs;
}
std::shared_ptr<Program> find(void *handle) {
    std::lock_guard guard(programs().lock);
    auto found = programs().live.find(handle);
    return found == programs().live.end() ? nullptr : found->second;
}

bool executable(const std::string &path) { return access(path.c_str(), X_OK) == 0; }

/// The compiler: what `CUEMU_CLANG` names, else the `clang++` of `PATH`, else the one that stands beside `swift`.
std::string compiler() {
    if (const char *chosen = getenv("CUEMU_CLANG")) return chosen;
    const char *path = getenv("PATH");
    std::string folders = path ? path : "";
    for (const char *sought : {"clang++", "swift"}) {
        for (size_t at = 0; at <= folders.size();) {
            size_t end = std::min(folders.find(':', at), folders.size());
            std::string folder = folders.substr(at, end - at);
            at = end + 1;
            if (!executable(folder + "/" + sought)) continue;
            char *real = realpath((folder + "/" + sought).c_str(), nullptr);
            std::string resolved = real ? real : "";
            free(real);
            std::string beside = resolved.substr(0, resolved.rfind('/')) + "/clang++";
            if (!strcmp(sought, "clang++")) return folder + "/clang++";
            if (executable(folder + "/clang++")) return folder + "/clang++";
            if (executable(beside)) return beside;
        }
    }
    return "clang++";
}

std::string readFile(const std::string &path) {
    std::string text;
    int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return text;
    char part[65536];
    for (ssize_t count; (count = read(file, part, sizeof part)) > 0;) text.append(part, (size_t)count);
    close(file);
    return text;
}

bool writeFile(const std::string &path, const std::string &text) {
    int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) return false;
    size_t done = 0;
    while (done < text.size()) {
        ssize_t count = write(file, text.data() + done, text.size() - done);
        if (count <= 0) break;
        done += (size_t)count;
    }
    close(file);
    return done == text.size();
}

/// A folder for one compilation, removed at the end with what lies in it.
struct Folder {
    std::string path;
    Folder() {
        const char *base = getenv("TMPDIR");
        path = std::string(base && *base ? base : "/tmp") + "/cuemu-XXXXXX";
        if (!mkdtemp(path.data())) path.clear();
    }
    ~Folder() {
        if (!path.empty()) removeAll(path);
    }
    static void removeAll(const std::string &folder) {
        if (DIR *entries = opendir(folder.c_str())) {
            while (dirent *entry = readdir(entries)) {
                std::string name = entry->d_name;
                if (name == "." || name == "..") continue;
                if (unlink((folder + "/" + name).c_str())) removeAll(folder + "/" + name);
            }
            closedir(entries);
        }
        rmdir(folder.c_str());
    }
};

/// Runs a program with its output in a file; returns its exit status, or -1 if it did not run.
int runProcess(const std::vector<std::string> &arguments, const std::string &outputPath) {
    std::vector<char *> list;
    for (auto &argument : arguments) list.push_back(const_cast<char *>(argument.c_str()));
    list.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, outputPath.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    pid_t process = 0;
    int failed = posix_spawnp(&process, list[0], &actions, nullptr, list.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed) return -1;
    int status = 0;
    while (waitpid(process, &status, 0) < 0)
        if (errno != EINTR) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/// Turns NVRTC's options into clang's. Returns false for an option that NVRTC would refuse.
bool translateOptions(Program &program, const std::vector<std::string> &options, std::vector<std::string> &out) {
    std::string standard = "-std=c++17";
    auto refuse = [&](const std::string &why) {
        program.log = "nvrtc: error: " + why + "\n";
        return false;
    };
    for (size_t i = 0; i < options.size(); i++) {
        std::string name = options[i], value;
        size_t equal = name.find('=');
        bool isShort = name.compare(0, 2, "-D") == 0 || name.compare(0, 2, "-I") == 0 || name.compare(0, 2, "-U") == 0;
        if (isShort) {
            std::string rest = name.substr(2);
            if (rest.empty() && i + 1 < options.size()) rest = options[++i];
            out.push_back(name.substr(0, 2) + rest);
            continue;
        }
        bool separate = equal == std::string::npos;
        if (!separate) {
            value = name.substr(equal + 1);
            name = name.substr(0, equal);
        }
        auto take = [&] {
            if (separate && i + 1 < options.size()) value = options[++i];
        };
        if (name == "--gpu-architecture" || name == "-arch") {
            take();
            int number = value.size() > 3 ? atoi(value.c_str() + value.find('_') + 1) : 0;
            bool known = std::count(std::begin(supportedArchitectures), std::end(supportedArchitectures), number);
            bool prefix = value.compare(0, 3, "sm_") == 0 || value.compare(0, 8, "compute_") == 0;
            if (!known || !prefix) return refuse("invalid value for --gpu-architecture (-arch)");
            program.virtualArchitecture = value[0] == 'c';
        } else if (name == "--std" || name == "-std") {
            take();
            if (value != "c++03" && value != "c++11" && value != "c++14" && value != "c++17" && value != "c++20")
                return refuse("invalid value for --std (-std)");
            if (value == "c++20") standard = "-std=c++20";
        } else if (name == "--define-macro" || name == "--include-path" || name == "--undefine-macro") {
            take();
            out.push_back((name[2] == 'd' ? "-D" : name[2] == 'i' ? "-I" : "-U") + value);
        } else if (name == "--use_fast_math" || name == "-use_fast_math" || name == "-lineinfo" || name == "--generate-line-info" ||
                   name == "-G" || name == "--device-debug" || name == "-default-device" || name == "--device-as-default-execution-space" ||
                   name == "--restrict" || name == "-restrict" || name == "-w" || name == "--disable-warnings" || name == "-dopt" ||
                   name == "--extra-device-vectorization" || name == "-extra-device-vectorization" || name == "-no-source-include" ||
                   name == "--no-source-include" || name == "--minimal" || name == "-minimal" || name == "--split-compile") {
            continue;
        } else if (name == "--fmad" || name == "-fmad" || name == "--ftz" || name == "-ftz" || name == "--prec-div" ||
                   name == "-prec-div" || name == "--prec-sqrt" || name == "-prec-sqrt" || name == "--maxrregcount" ||
                   name == "-maxrregcount" || name == "--ptxas-options" || name == "-Xptxas" || name == "--diag-suppress" ||
                   name == "-diag-suppress" || name == "--builtin-move-forward" || name == "--builtin-initializer-list") {
            take();
        } else {
            return refuse("unrecognized option " + options[i] + " found");
        }
    }
    out.push_back(standard);
    return true;
}

int compile(Program &program, const std::vector<std::string> &options) {
    program.log.clear();
    program.image.clear();
    program.compiled = false;
    std::vector<std::string> arguments;
    if (!translateOptions(program, options, arguments)) return nvrtcInvalidOption;
    Folder folder;
    if (folder.path.empty()) return nvrtcInternal;
    const std::string &path = folder.path;
    bool written = writeFile(path + "/emulation.h", std::string((const char *)deviceHeader, sizeof deviceHeader));
    for (auto &[name, text] : program.headers) {
        for (size_t slash = name.find('/'); slash != std::string::npos; slash = name.find('/', slash + 1))
            mkdir((path + "/" + name.substr(0, slash)).c_str(), 0700);
        written = writeFile(path + "/" + name, text) && written;
    }
    std::vector<std::string> common = {compiler(), "-x", "c++", "-nostdinc", "-I" + path, "-ffp-contract=off", "-fno-exceptions",
                                       "-fno-rtti", "-fno-strict-aliasing", "-Wno-everything", "-fno-color-diagnostics",
                                       "-fno-show-column"};
    common.insert(common.end(), arguments.begin(), arguments.end());
    std::string text = "#line 1 \"" + program.name + "\"\n" + program.source + "\n";
    std::string stripped = withoutComments(program.source);
    if (needsPreprocessing(stripped)) {
        written = writeFile(path + "/macros.cpp", program.source) && written;
        std::vector<std::string> arguments = common;
        for (const char *more : {"-E", "-P", "-D__global__=__global__", "-D__launch_bounds__(...)=__launch_bounds__(__VA_ARGS__)",
                                 "-D__CUDACC_RTC__", "-D__CUDACC__", "-D__CUDA_ARCH__=900", "-D__CUDA_EMULATION__"})
            arguments.push_back(more);
        arguments.insert(arguments.end(), {path + "/macros.cpp", "-o", path + "/macros.txt"});
        if (!runProcess(arguments, path + "/macros.log")) stripped = withoutComments(readFile(path + "/macros.txt"));
    }
    text += "#line 1 \"kernels that cuemu exports\"\n";
    for (auto &kernel : kernelNames(stripped)) text += "CUEMU_KERNEL(" + kernel.name + ", (" + kernel.maxThreads + "))\n";
    written = writeFile(path + "/source.cpp", text) && written;
    if (!written) return nvrtcInternal;

    std::vector<std::string> call = common;
    call.insert(call.end(), {"-O2", "-fPIC", "-shared", "-nostdlib", "-fno-math-errno", "-fvisibility=hidden", "-include",
                             path + "/emulation.h"});
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) call.insert(call.end(), {"-mavx2", "-mf16c", "-mfma"});
#endif
    call.insert(call.end(), {path + "/source.cpp", "-o", path + "/module.so", "-Wl,--build-id=none", "-l:libm.so.6"});
    int status = runProcess(call, path + "/log");
    program.log = readFile(path + "/log");
    if (status < 0) program.log = "cuemu: the compiler " + call[0] + " cannot be run; CUEMU_CLANG may name one\n";
    if (status) return nvrtcCompilation;
    program.image = readFile(path + "/module.so");
    program.compiled = !program.image.empty();
    return program.compiled ? nvrtcSuccess : nvrtcInternal;
}
} // namespace
} // namespace cuemu

using namespace cuemu;

CUEMU_EXPORT int nvrtcVersion(int *major, int *minor) {
    if (int fault = injectedFault(__func__)) return fault;
    if (!major || !minor) return nvrtcInvalidInput;
    *major = 12;
    *minor = 9;
    return nvrtcSuccess;
}

CUEMU_EXPORT int nvrtcGetNumSupportedArchs(int *count) {
    if (int fault = injectedFault(__func__)) return fault;
    if (!count) return nvrtcInvalidInput;
    *count = (int)std::size(supportedArchitectures);
    return nvrtcSuccess;
}

CUEMU_EXPORT int nvrtcGetSupportedArchs(int *list) {
    if (int fault = injectedFault(__func__)) return fault;
    if (!list) return nvrtcInvalidInput;
    std::copy(std::begin(supportedArchitectures), std::end(supportedArchitectures), list);
    return nvrtcSuccess;
}

CUEMU_EXPORT int nvrtcCreateProgram(void **handle, const char *source, const char *name, int headerCount, const char *const *headers,
                                    const char *const *headerNames) {
    if (int fault = injectedFault(__func__)) return fault;
    if (!handle || !source || headerCount < 0 || (headerCount && (!headers || !headerNames))) return nvrtcInvalidInput;
    auto program = std::make_shared<Program>();
    program->source = source;
    program->name = name && *name ? name : "default_program";
    for (int i = 0; i < headerCount; i++) {
        std::string path = headerNames[i];
        if (path.empty() || path[0] == '/' || path.find("..") != std::string::npos) return nvrtcInvalidInput;
        program->headers.push_back({path, headers[i]});
    }
    std::lock_guard guard(programs().lock);
    programs().live[program.get()] = program;
    *handle = program.get();
    return nvrtcSuccess;
}

CUEMU_EXPORT int nvrtcDestroyProgram(void **handle) {
    if (int fault = injectedFault(__func__)) return fault;
    if (!handle) return nvrtcInvalidInput;
    std::lock_guard guard(programs().lock);
    if (!programs().live.erase(*handle)) return nvrtcInvalidProgram;
    *handle = nullptr;
    return nvrtcSuccess;
}

// Keeps each source in the folder CUEMU_SOURCES, so that NVIDIA's own compiler can check them too.
static void keepSource(const Program &program) {
    const char *folder = getenv("CUEMU_SOURCES");
    if (!folder || !*folder) return;
    char name[32];
    snprintf(name, sizeof name, "/%016zx.cu", std::hash<std::string>()(program.source));
    std::string path = folder + std::string(name), temporary = path + "." + std::to_string(getpid()) + "." + std::to_string((size_t)&program);
    if (FILE *file = fopen(temporary.c_str(), "w")) {
        fprintf(file, "// %s\n", program.name.c_str());
        fwrite(program.source.data(), 1, program.source.size(), file);
        fclose(file);
        rename(temporary.c_str(), path.c_str());
    }
}

CUEMU_EXPORT int nvrtcCompileProgram(void *handle, int count, const char *const *options) {
    if (int fault = injectedFault(__func__)) return fault;
    auto program = find(handle);
    if (!program) return nvrtcInvalidProgram;
    if (count < 0 || (count && !options)) return nvrtcInvalidInput;
    Driver::shared().compiles++;
    int result = compile(*program, std::vector<std::string>(options, options + count));
    if (result == nvrtcSuccess) keepSource(*program);
    return result;
}

static int give(const std::string &text, size_t extra, size_t *size, char *bytes) {
    if (size) *size = text.size() + extra;
    if (bytes) memcpy(bytes, text.c_str(), text.size() + extra);
    return size || bytes ? nvrtcSuccess : nvrtcInvalidInput;
}

#define CUEMU_GIVE(function, type, argument, text, extra, ...)                                                                       \
    CUEMU_EXPORT int function(void *handle, type *argument) {                                                                        \
        if (int fault = injectedFault(__func__)) return fault;                                                                       \
        auto program = find(handle);                                                                                                 \
        if (!program) return nvrtcInvalidProgram;                                                                                    \
        return give(text, extra, __VA_ARGS__);                                                                                       \
    }

// A virtual architecture has no cubin. "PTX" is the same image, since nothing here reads it but the driver.
static std::string cubin(const Program &program) { return program.virtualArchitecture ? "" : program.image; }
CUEMU_GIVE(nvrtcGetCUBINSize, size_t, size, cubin(*program), 0, size, nullptr)
CUEMU_GIVE(nvrtcGetCUBIN, char, bytes, cubin(*program), 0, nullptr, bytes)
CUEMU_GIVE(nvrtcGetPTXSize, size_t, size, program->image, 0, size, nullptr)
CUEMU_GIVE(nvrtcGetPTX, char, bytes, program->image, 0, nullptr, bytes)
CUEMU_GIVE(nvrtcGetProgramLogSize, size_t, size, program->log, 1, size, nullptr)
CUEMU_GIVE(nvrtcGetProgramLog, char, bytes, program->log, 1, nullptr, bytes)

CUEMU_EXPORT const char *nvrtcGetErrorString(int result) {
    static const char *const names[] = {
        "NVRTC_SUCCESS", "NVRTC_ERROR_OUT_OF_MEMORY", "NVRTC_ERROR_PROGRAM_CREATION_FAILURE", "NVRTC_ERROR_INVALID_INPUT",
        "NVRTC_ERROR_INVALID_PROGRAM", "NVRTC_ERROR_INVALID_OPTION", "NVRTC_ERROR_COMPILATION",
        "NVRTC_ERROR_BUILTIN_OPERATION_FAILURE", "NVRTC_ERROR_NO_NAME_EXPRESSIONS_AFTER_COMPILATION",
        "NVRTC_ERROR_NO_LOWERED_NAMES_BEFORE_COMPILATION", "NVRTC_ERROR_NAME_EXPRESSION_NOT_VALID",
        "NVRTC_ERROR_INTERNAL_ERROR", "NVRTC_ERROR_TIME_FILE_WRITE_FAILED"};
    return result >= 0 && (size_t)result < std::size(names) ? names[result] : "NVRTC_ERROR unknown";
}
