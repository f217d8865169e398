import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

/// `Unique` of a vector on a card. Equal elements meet in a slot of a hash table, which keeps the least of their positions; the
/// elements at these positions are numbered in their order. Which slot an element gets differs from run to run, the result does not.
@Sendable func uniqueCUDAKernel(_ request: KernelRequest) throws -> Kernel {
    let device = try request.cudaDevice()
    let (dtype, indexType) = (try request.type("T"), try request.type("out_idx"))
    let hasCounts = request.outputTypes.count > 2
    let module = try request.cudaModule(
        "Unique", ["T": try request.cudaType("T"), "O": try request.cudaType("out_idx")], CUDAPrefixSum.source + source)
    return .cudaCounted(device) { context in
        let input = context.input(0)
        let count = input.elementCount
        guard count <= Int(Int32.max) else {
            throw Status.invalidArgument("unique does not support input tensors larger than \(Int32.max) elements")
        }
        guard input.rank == 1 else { throw Status.invalidArgument("unique expects a 1D vector.") }
        func words(_ count: Int) throws -> Tensor { try Tensor(.uint32, Shape(count), in: device.allocator) }
        let slotCount = 2 << CUDASort.bits(below: count)
        let (table, firsts) = (try words(slotCount), try words(slotCount))
        let (slots, numbers) = (try words(count), try words(count))
        try device.fill(table, byte: 0xFF)
        try device.fill(firsts, byte: 0xFF)
        // Not known to a client, which could choose elements that collide.
        let seed = Int(UInt64.random(in: 0 ... .max) >> 1)
        try device.launch(
            module.function("find_slots"), over: count,
            [.elements(input), .elements(table), .elements(firsts), .elements(slots), .int(count), .int(slotCount - 1), .int(seed)])
        let blocks = (count + CUDAPrefixSum.tile - 1) / CUDAPrefixSum.tile
        let counts = try Tensor(.int64, Shape(blocks + 1), in: device.allocator)
        let found: [CUDAArgument] = [.elements(firsts), .elements(slots), .int(count), .elements(counts), .elements(numbers)]
        if blocks > 0 { try device.launch(module.function("count_firsts"), CUDAGrid(blocks, 256), found) }
        try device.launch(module.function("scan_counts"), CUDAGrid(1, 256), [.elements(counts), .int(blocks)])
        if blocks > 0 { try device.launch(module.function("number_firsts"), CUDAGrid(blocks, 256), found) }
        return Kernel.CUDACount(counts.rows(blocks..<blocks + 1)) { total in
            let values = try Tensor(dtype, Shape(total[0]), in: device.allocator)
            let indices = try Tensor(indexType, Shape(count), in: device.allocator)
            let occurrences = try Tensor(indexType, Shape(hasCounts ? total[0] : 0), in: device.allocator)
            try device.fill(occurrences)
            try device.launch(
                module.function("write"), over: count,
                [
                    .elements(input), .elements(firsts), .elements(slots), .elements(numbers), .int(count), .elements(values), .elements(indices),
                    .elements(occurrences), .int(hasCounts ? 1 : 0),
                ])
            return [.value(values), .value(indices)] + (hasCounts ? [.value(occurrences)] : [])
        }
    }
}

private let source = """
    DEVICE uint64 bits_of(float x) { return x == 0 ? 0 : __float_as_uint(x); }
    DEVICE uint64 bits_of(double x) { return x == 0 ? 0 : (uint64)__double_as_longlong(x); }
    template <class N> DEVICE uint64 bits_of(N x) { return (uint64)x; }
    KERNEL find_slots(const T* x, int* table, uint32* firsts, uint32* slots, int64 count, int64 mask, int64 seed) {
        for (int64 i = first(); i < count; i += stride()) {
            Compute<T>::type value = widen(x[i]);
            // Each NaN is different from all others.
            uint64 hash = (value == value ? bits_of(value) : (uint64)i) ^ (uint64)seed;
            hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccdull;
            hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53ull;
            int64 slot = (int64)(hash ^ (hash >> 33)) & mask;
            for (;;) {
                int other = atomicCAS(table + slot, -1, (int)i);
                if (other == -1 || widen(x[other]) == value) break;
                slot = (slot + 1) & mask;
            }
            atomicMin(firsts + slot, (uint32)i);
            slots[i] = (uint32)slot;
        }
    }
    DEVICE int count_own(const uint32* firsts, const uint32* slots, int64 count, int64 start) {
        int own = 0;
        for (int k = 0; k < 8; k++) own += start + k < count && firsts[slots[start + k]] == (uint32)(start + k);
        return own;
    }
    KERNEL count_firsts(const uint32* firsts, const uint32* slots, int64 count, int64* counts, uint32* numbers) {
        int64 total;
        block_scan(count_own(firsts, slots, count, (int64)blockIdx.x * 2048 + threadIdx.x * 8), total);
        if (threadIdx.x == 0) counts[blockIdx.x] = total;
    }
    KERNEL number_firsts(const uint32* firsts, const uint32* slots, int64 count, int64* counts, uint32* numbers) {
        int64 start = (int64)blockIdx.x * 2048 + threadIdx.x * 8, total;
        int64 number = counts[blockIdx.x] + block_scan(count_own(firsts, slots, count, start), total);
        for (int k = 0; k < 8; k++)
            if (start + k < count && firsts[slots[start + k]] == (uint32)(start + k)) numbers[start + k] = (uint32)number++;
    }
    DEVICE void add_one(int* at) { atomicAdd(at, 1); }
    DEVICE void add_one(int64* at) { atomicAdd((unsigned long long*)at, 1ull); }
    KERNEL write(
        const T* x, const uint32* firsts, const uint32* slots, const uint32* numbers, int64 count, T* values, O* indices, O* occurrences, int64 counting
    ) {
        for (int64 i = first(); i < count; i += stride()) {
            uint32 earliest = firsts[slots[i]], number = numbers[earliest];
            indices[i] = (O)number;
            if (earliest == (uint32)i) values[number] = x[i];
            if (counting) add_one(occurrences + number);
        }
    }
    """
