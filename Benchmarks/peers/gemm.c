// What oneDNN's matrix product reaches on this machine: one process a core, each on one thread, all at once.
//     cc -O2 gemm.c -ldnnl -o gemm && ./gemm [PROCESSES]
// Prints the sum of the best rates, in GFLOP/s. The best of many: what the machine can do, not what it does when others
// want its cores.
#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

int main(int count, char **arguments) {
    int processes = count > 1 ? atoi(arguments[1]) : 1, pipes[2];
    const long m = 256, n = 1024, k = 1024;
    // OpenMP reads it before main.
    if (!getenv("OMP_NUM_THREADS")) {
        setenv("OMP_NUM_THREADS", "1", 1);
        execv("/proc/self/exe", arguments);
        return 1;
    }
    if (processes < 1 || pipe(pipes)) return 1;
    for (int process = 0; process < processes; process++) {
        if (fork()) continue;
        float *a = malloc(4 * m * k), *b = malloc(4 * k * n), *c = malloc(4 * m * n);
        for (long i = 0; i < m * k; i++) a[i] = i % 7 * 0.1f;
        for (long i = 0; i < k * n; i++) b[i] = i % 5 * 0.1f;
        double best = 1e9, end = now() + 2;
        while (now() < end) {
            double start = now();
            if (dnnl_sgemm('N', 'N', m, n, k, 1, a, k, b, n, 0, c, n) != dnnl_success) return 1;
            double took = now() - start;
            if (took < best) best = took;
        }
        double rate = 2e-9 * m * n * k / best;
        return write(pipes[1], &rate, sizeof rate) == sizeof rate ? 0 : 1;
    }
    double sum = 0, rate;
    for (int process = 0; process < processes; process++) {
        if (read(pipes[0], &rate, sizeof rate) != sizeof rate) return 1;
        sum += rate;
    }
    while (wait(NULL) > 0) {}
    printf("sgemm %d processes %.1f GFLOP/s\n", processes, sum);
    return 0;
}
