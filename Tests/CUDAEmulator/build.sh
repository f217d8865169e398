#!/bin/sh
# Builds the emulated CUDA driver: build.sh OUTDIR makes OUTDIR/libcuda_emulated.so. It holds all that it needs but clang++.
# CXX names the compiler, a clang++ of version 19 or later (#embed); else the clang++ of PATH, else the one beside swift.
set -eu
out=${1:?usage: build.sh OUTDIR}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$out"
if [ -z "${CXX:-}" ]; then
    CXX=$(command -v clang++ || true)
    [ -n "$CXX" ] || CXX=$(dirname "$(readlink -f "$(command -v swift)")")/clang++
fi
# The library calls itself, whatever the program names its own symbols (-Bsymbolic).
# Nothing but the three libraries' functions and the control functions is visible.
echo '{ global: cu*; nvrtc*; local: *; };' >"$out/cuda_emulated.map"
# One translation unit: a library of this size compiles faster so than file by file on a small machine.
for file in "$here"/emulator/*.cpp; do echo "#include \"$file\""; done >"$out/cuda_emulated.cpp"
"$CXX" -std=c++20 -O2 -g1 -fPIC -shared -fvisibility=hidden -Wall -Wextra -Wno-c23-extensions ${CUEMU_CXXFLAGS:-} \
    "$out/cuda_emulated.cpp" -o "$out/libcuda_emulated.so" -pthread -ldl -Wl,-z,nodelete -Wl,-Bsymbolic -Wl,--build-id=none \
    -Wl,--version-script,"$out/cuda_emulated.map"
rm -f "$out/cuda_emulated.cpp" "$out/cuda_emulated.map"
# Another driver, for tests that set faults and delays beside tests that do not.
cp "$out/libcuda_emulated.so" "$out/libcuda_emulated_copy.so"
