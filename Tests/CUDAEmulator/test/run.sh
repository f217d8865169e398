#!/bin/sh
# Builds the emulated driver and its test, and runs it: run.sh OUTDIR [NAME...]. SANITIZE=thread builds both with that sanitizer.
set -eu
out=${1:?usage: run.sh OUTDIR [NAME...]}
shift
here=$(cd "$(dirname "$0")" && pwd)
flags=${SANITIZE:+-fsanitize=$SANITIZE}
CUEMU_CXXFLAGS="${flags} ${CUEMU_CXXFLAGS:-}" "$here/../build.sh" "$out"
if [ -z "${CXX:-}" ]; then
    CXX=$(command -v clang++ || true)
    [ -n "$CXX" ] || CXX=$(dirname "$(readlink -f "$(command -v swift)")")/clang++
fi
"$CXX" -std=c++20 -O0 -g1 -Wall -Wextra $flags "$here"/*.cpp -o "$out/cuda_emulated_test" -ldl -pthread ${LDFLAGS:-}
# A test wants to see a child die of a signal, not of the sanitizer.
export TSAN_OPTIONS="${TSAN_OPTIONS:-handle_segv=0}"
"$out/cuda_emulated_test" "$out/libcuda_emulated.so" "$@"
