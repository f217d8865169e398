package import WeirDevice
package import WeirTensor

/// How a scatter combines an update with the old element.
package enum CUDAScatterKind: Sendable {
    /// The last update wins.
    case update
    case sum, difference, minimum, maximum, product, quotient

    /// The old element `a` with an update `x`, and two updates with each other.
    fileprivate func expressions(_ dtype: DType) -> (combine: String, gather: String) {
        switch self {
        case .update: ("x", "x")
        case .sum: dtype == .bool ? ("a || x", "a || x") : ("a + x", "a + x")
        case .difference: ("a - x", "a + x")
        case .minimum: ("x < a ? x : a", "x < a ? x : a")
        case .maximum: ("x > a ? x : a", "x > a ? x : a")
        case .product: ("a * x", "a * x")
        case .quotient: ("a / x", "a * x")
        }
    }
}

/// The program that combines slices of a tensor with updates on a card. Indices out of range are skipped.
///
/// The result does not depend on the card, also for duplicate indices. For `update`, each slice remembers the greatest number of an update
/// that hits it, and that update writes. Other kinds sort the updates' numbers by slice (`CUDASort`; the indices are few compared with the
/// elements), and combine the updates of each slice in their order: a thread takes 32 neighbours of the sorted list for one column, and
/// slices with updates in several such chunks combine the chunks' results in order. So up to 32 updates of a slice at the start of a chunk
/// give the CPU's bits, and one slice with all updates takes no longer than a 32nd of them.
package struct CUDAScatter: Sendable {
    private let device: CUDADevice
    private let sort: CUDASort?
    private let module: CUDAModule
    private let dtype: DType

    /// Starts to compile the program.
    /// - Parameter wraps: whether indices count modulo the number of slices, instead of being out of range.
    package init(_ device: CUDADevice, _ dtype: DType, indices: DType, _ kind: CUDAScatterKind, wraps: Bool = false) throws {
        guard let index = indices.cudaName else { throw Status.unimplemented("A card scatters by no indices of \(indices)") }
        self.device = device
        self.dtype = dtype
        let types = "typedef \(index) I;\n#define WRAPS \(wraps ? 1 : 0)\n" + CUDADivision.source + CUDAPlaces.source + CUDAScatter.places
        if case .update = kind {
            sort = nil
            module = try device.modules.module(CUDAProgram("Scatter \(index)", types + CUDAScatter.moves))
            return
        }
        guard let type = dtype.cudaName else { throw Status.unimplemented("A card does not compute with \(dtype)") }
        // Updates of one slice may be multiplied first, which integers do not allow.
        if case .quotient = kind, dtype.isInteger { throw Status.unimplemented("A card does not divide integers by updates") }
        sort = try CUDASort(device)
        let (combine, gather) = kind.expressions(dtype)
        let functions = """
            typedef \(type) T;
            typedef Compute<T>::type C;
            DEVICE C combine(C a, C x) { return \(combine); }
            DEVICE C gather(C a, C x) { return \(gather); }

            """
        module = try device.modules.module(CUDAProgram("Scatter \(kind) \(type) \(index)", types + functions + CUDAScatter.sums))
    }

    /// Enqueues the update of the slices of `target` that rows of `depth` indices name.
    /// - Parameter single: whether `updates` is one element for all rows of a slice of one element.
    package func run(_ indices: Tensor, depth: Int, _ updates: Tensor, into target: Tensor, shape: Shape? = nil, single: Bool = false) throws {
        let places = try CUDAPlaces(shape ?? target.shape, depth: depth)
        let rows = depth > 0 ? indices.elementCount / depth : updates.elementCount / max(1, places.width)
        guard rows > 0, places.width > 0, target.elementCount > 0 else { return }
        if let sort {
            try combine(sort, places, rows, indices, updates, target, single)
        } else {
            try move(places, rows, indices, updates, target, single)
        }
    }

    private func move(_ places: CUDAPlaces, _ rows: Int, _ indices: Tensor, _ updates: Tensor, _ target: Tensor, _ single: Bool) throws {
        let width = dtype.byteCount
        let slices = try Tensor(.int64, Shape(rows), in: device.allocator)
        let winners = try Tensor(.int64, Shape(rows > 1 ? places.count : 1), in: device.allocator)
        if rows > 1 { try device.fill(winners, byte: 0xFF) }
        try device.launch(
            module.function("winners"), over: rows,
            [.elements(indices), .elements(slices), .elements(winners), .int(rows), .int(rows > 1 ? 1 : 0), .ints(places.words)])
        let bits = Int((updates.deviceAddress | target.deviceAddress) & 15) | places.width * width
        let unit = CUDAMovePlan.widest(from: width) { bits & ($0 - 1) == 0 }
        let units = places.width * width / unit
        try device.launch(
            module.function("write_\(unit)"), over: rows * units,
            [
                .elements(slices), .elements(winners), .elements(updates), .elements(target), .int(rows * units), .divisor(units),
                .int(rows > 1 ? 1 : 0), .int(single ? 0 : 1),
            ])
    }

    private func combine(
        _ sort: CUDASort, _ places: CUDAPlaces, _ rows: Int, _ indices: Tensor, _ updates: Tensor, _ target: Tensor, _ single: Bool
    ) throws {
        let low = CUDASort.bits(below: rows), bits = CUDASort.bits(below: places.count + 1)
        guard low + bits <= 64 else { throw Status.unimplemented("A GPU sorts \(rows) indices of at most \(1 << (64 - low)) slices") }
        let numbers = try Tensor(.uint64, Shape(rows), in: device.allocator)
        try device.launch(
            module.function("keys"), over: rows, [.elements(indices), .elements(numbers), .int(rows), .int(low), .int(places.count), .ints(places.words)])
        let sorted = try sort.sorted(numbers, low: low, bits: bits)
        let chunks = (rows + 31) / 32
        let partials = try Tensor(.uint8, Shape(validating: [chunks > 1 ? 2 * chunks * places.width * max(4, dtype.byteCount) : 0]), in: device.allocator)
        let arguments: [CUDAArgument] = [
            .elements(sorted), .int(rows), .int(low), .int(places.count), .elements(updates), .elements(target), .elements(partials), .int(chunks),
            .int(places.width), .int(single ? 0 : 1),
        ]
        try device.launch(module.function("chunks"), over: chunks * places.width, arguments)
        if chunks > 1 { try device.launch(module.function("join"), over: chunks * places.width, arguments) }
    }
}

extension CUDAScatter {
    /// The slice of a row.
    private static let places = """
        DEVICE int64 slice_of(const I* indices, int64 row, const Places& places) {
        #if WRAPS
            int64 size = places.sizes[0], slice = (int64)indices[row] % size;
            return slice < 0 ? slice + size : slice;
        #else
            return place(indices + row * places.depth, places);
        #endif
        }

        """
    private static let moves = """
        struct alignas(16) Bytes16 { uint64 low, high; };
        KERNEL winners(const I* indices, int64* slices, long long* winners, int64 rows, int64 compete, Places places) {
            for (int64 row = first(); row < rows; row += stride()) {
                int64 slice = slice_of(indices, row, places);
                slices[row] = slice;
                if (compete && slice >= 0) atomicMax(winners + slice, row);
            }
        }
        template <class T> DEVICE void write(
            const int64* slices, const int64* winners, const T* updates, T* target, int64 total, const Divisor& width, int64 compete, int64 step
        ) {
            for (int64 i = first(); i < total; i += stride()) {
                int64 row = total < (int64)1 << 31 ? (int64)divide((uint32)i, width) : i / width.size;
                int64 slice = slices[row];
                if (slice >= 0 && (!compete || winners[slice] == row)) target[slice * width.size + (i - row * width.size)] = updates[i * step];
            }
        }
        #define WRITE(S, T) \\
            KERNEL write_##S( \\
                const int64* slices, const int64* winners, const T* updates, T* target, int64 total, Divisor width, int64 compete, int64 step \\
            ) { write(slices, winners, updates, target, total, width, compete, step); }
        WRITE(1, uint8)
        WRITE(2, uint16)
        WRITE(4, uint32)
        WRITE(8, uint64)
        WRITE(16, Bytes16)
        """
    private static let sums = """
        KERNEL keys(const I* indices, uint64* numbers, int64 rows, int64 low, int64 slices, Places places) {
            for (int64 row = first(); row < rows; row += stride()) {
                int64 slice = slice_of(indices, row, places);
                numbers[row] = (uint64)(slice < 0 ? slices : slice) << low | (uint64)row;
            }
        }
        // The results of the updates in a chunk of a slice that begins before it (head), or ends after it (tail).
        KERNEL chunks(
            const uint64* sorted, int64 rows, int64 low, int64 slices, const T* updates, T* target, C* partials, int64 chunks, int64 width, int64 step
        ) {
            uint64 mask = ((uint64)1 << low) - 1;
            for (int64 item = first(); item < chunks * width; item += stride()) {
                int64 chunk = item / width, column = item - chunk * width;
                int64 j = chunk * 32, end = j + 32 < rows ? j + 32 : rows;
                while (j < end) {
                    uint64 slice = sorted[j] >> low;
                    if (slice >= (uint64)slices) break;
                    int64 place = (int64)slice * width + column;
                    bool begins = j == 0 || sorted[j - 1] >> low != slice;
                    C x = widen(updates[((int64)(sorted[j] & mask) * width + column) * step]);
                    C a = begins ? combine(widen(target[place]), x) : x;
                    for (j++; j < end && sorted[j] >> low == slice; j++) {
                        x = widen(updates[((int64)(sorted[j] & mask) * width + column) * step]);
                        a = begins ? combine(a, x) : gather(a, x);
                    }
                    if (!begins) partials[item] = a;
                    else if (j < rows && sorted[j] >> low == slice) partials[chunks * width + item] = a;
                    else target[place] = narrow<T>(a);
                }
            }
        }
        KERNEL join(
            const uint64* sorted, int64 rows, int64 low, int64 slices, const T* updates, T* target, C* partials, int64 chunks, int64 width, int64 step
        ) {
            for (int64 item = first(); item < chunks * width; item += stride()) {
                int64 chunk = item / width, column = item - chunk * width, begin = chunk * 32, next = begin + 32;
                if (next >= rows) continue;
                uint64 slice = sorted[next] >> low;
                if (slice >= (uint64)slices || sorted[next - 1] >> low != slice) continue;
                if (begin > 0 && sorted[begin] >> low == slice && sorted[begin - 1] >> low == slice) continue;
                C a = partials[chunks * width + item];
                for (int64 other = chunk + 1; other * 32 < rows && sorted[other * 32] >> low == slice; other++)
                    a = combine(a, partials[other * width + column]);
                target[(int64)slice * width + column] = narrow<T>(a);
            }
        }
        """
}
