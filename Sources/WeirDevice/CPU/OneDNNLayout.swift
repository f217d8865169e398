import COneDNN
import WeirTensor

/// How the elements of an array of floats lie in memory (a memory descriptor of oneDNN).
final class OneDNNLayout: @unchecked Sendable {  // the descriptor is immutable
    let handle: weir_memory_desc_t
    /// The size of the array, with oneDNN's padding.
    let byteCount: Int

    /// Makes a layout that oneDNN has a name for; `dnnl_format_tag_any` lets the primitive choose one.
    convenience init?(_ dimensions: [Int64], _ tag: dnnl_format_tag_t) {
        self.init { weir_memory_desc_create_with_tag(&$0, Int32(dimensions.count), dimensions, dnnl_f32, tag) }
    }

    /// Makes a layout with a distance, in elements, between neighbours along each dimension.
    convenience init?(_ dimensions: [Int64], strides: [Int64]) {
        self.init { weir_memory_desc_create_with_strides(&$0, Int32(dimensions.count), dimensions, dnnl_f32, strides) }
    }

    /// Copies the layout that a primitive expects for one of its arguments.
    convenience init?(_ query: dnnl_query_t, of primitive: const_dnnl_primitive_desc_t) {
        self.init { weir_memory_desc_query(&$0, primitive, query) }
    }

    private init?(_ make: (inout weir_memory_desc_t?) -> dnnl_status_t) {
        var made: weir_memory_desc_t?
        guard make(&made) == dnnl_success, let made else { return nil }
        handle = made
        byteCount = dnnl_memory_desc_get_size(made)
    }
    deinit { weir_memory_desc_destroy(handle) }
}
