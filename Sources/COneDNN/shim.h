// oneDNN 2 and 3 with one signature: what Weir calls and what differs between them. Only the preprocessor knows the version.
//
// A memory descriptor is a value in oneDNN 2 and a handle in oneDNN 3. Here it is a pointer in both, which the caller destroys.
// Only oneDNN 2 has descriptors of operations; here a primitive descriptor is made in one call.
#pragma once

#include <oneapi/dnnl/dnnl.h>
#include <stdlib.h>

#if DNNL_VERSION_MAJOR == 2

typedef dnnl_memory_desc_t *weir_memory_desc_t;

static inline dnnl_status_t weir_memory_desc_clone(weir_memory_desc_t *made, const dnnl_memory_desc_t *existing) {
    *made = (weir_memory_desc_t)malloc(sizeof **made);
    if (!*made) return dnnl_out_of_memory;
    **made = *existing;
    return dnnl_success;
}
static inline void weir_memory_desc_destroy(weir_memory_desc_t layout) { free(layout); }

static inline dnnl_status_t weir_memory_desc_create_with_tag(
    weir_memory_desc_t *made, int rank, const int64_t *sizes, dnnl_data_type_t type, dnnl_format_tag_t tag) {
    dnnl_memory_desc_t layout;
    dnnl_status_t status = dnnl_memory_desc_init_by_tag(&layout, rank, sizes, type, tag);
    return status == dnnl_success ? weir_memory_desc_clone(made, &layout) : status;
}
static inline dnnl_status_t weir_memory_desc_create_with_strides(
    weir_memory_desc_t *made, int rank, const int64_t *sizes, dnnl_data_type_t type, const int64_t *strides) {
    dnnl_memory_desc_t layout;
    dnnl_status_t status = dnnl_memory_desc_init_by_strides(&layout, rank, sizes, type, strides);
    return status == dnnl_success ? weir_memory_desc_clone(made, &layout) : status;
}

static inline dnnl_status_t weir_matmul_primitive_desc_create(
    dnnl_primitive_desc_t *made, dnnl_engine_t engine, weir_memory_desc_t a, weir_memory_desc_t b, weir_memory_desc_t c,
    const_dnnl_primitive_attr_t attributes) {
    dnnl_matmul_desc_t operation;
    dnnl_status_t status = dnnl_matmul_desc_init(&operation, a, b, NULL, c);
    return status == dnnl_success ? dnnl_primitive_desc_create(made, &operation, attributes, engine, NULL) : status;
}

// `kind` is dnnl_forward_inference, dnnl_backward_data or dnnl_backward_weights.
static inline dnnl_status_t weir_convolution_primitive_desc_create(
    dnnl_primitive_desc_t *made, dnnl_engine_t engine, dnnl_prop_kind_t kind, weir_memory_desc_t input,
    weir_memory_desc_t filter, weir_memory_desc_t output, const int64_t *strides, const int64_t *dilates,
    const int64_t *before, const int64_t *after, const_dnnl_primitive_attr_t attributes) {
    dnnl_convolution_desc_t operation;
    dnnl_alg_kind_t direct = dnnl_convolution_direct;
    dnnl_status_t status;
    if (kind == dnnl_backward_data)
        status = dnnl_dilated_convolution_backward_data_desc_init(
            &operation, direct, input, filter, output, strides, dilates, before, after);
    else if (kind == dnnl_backward_weights)
        status = dnnl_dilated_convolution_backward_weights_desc_init(
            &operation, direct, input, filter, NULL, output, strides, dilates, before, after);
    else
        status = dnnl_dilated_convolution_forward_desc_init(
            &operation, kind, direct, input, filter, NULL, output, strides, dilates, before, after);
    return status == dnnl_success ? dnnl_primitive_desc_create(made, &operation, attributes, engine, NULL) : status;
}

#elif DNNL_VERSION_MAJOR == 3

typedef dnnl_memory_desc_t weir_memory_desc_t;

static inline dnnl_status_t weir_memory_desc_clone(weir_memory_desc_t *made, const_dnnl_memory_desc_t existing) {
    return dnnl_memory_desc_clone(made, existing);
}
static inline void weir_memory_desc_destroy(weir_memory_desc_t layout) { dnnl_memory_desc_destroy(layout); }

static inline dnnl_status_t weir_memory_desc_create_with_tag(
    weir_memory_desc_t *made, int rank, const int64_t *sizes, dnnl_data_type_t type, dnnl_format_tag_t tag) {
    return dnnl_memory_desc_create_with_tag(made, rank, sizes, type, tag);
}
static inline dnnl_status_t weir_memory_desc_create_with_strides(
    weir_memory_desc_t *made, int rank, const int64_t *sizes, dnnl_data_type_t type, const int64_t *strides) {
    return dnnl_memory_desc_create_with_strides(made, rank, sizes, type, strides);
}

static inline dnnl_status_t weir_matmul_primitive_desc_create(
    dnnl_primitive_desc_t *made, dnnl_engine_t engine, weir_memory_desc_t a, weir_memory_desc_t b, weir_memory_desc_t c,
    const_dnnl_primitive_attr_t attributes) {
    return dnnl_matmul_primitive_desc_create(made, engine, a, b, NULL, c, attributes);
}

static inline dnnl_status_t weir_convolution_primitive_desc_create(
    dnnl_primitive_desc_t *made, dnnl_engine_t engine, dnnl_prop_kind_t kind, weir_memory_desc_t input,
    weir_memory_desc_t filter, weir_memory_desc_t output, const int64_t *strides, const int64_t *dilates,
    const int64_t *before, const int64_t *after, const_dnnl_primitive_attr_t attributes) {
    dnnl_alg_kind_t direct = dnnl_convolution_direct;
    // A gradient's hint, the primitive descriptor of the forward pass, may be null.
    if (kind == dnnl_backward_data)
        return dnnl_convolution_backward_data_primitive_desc_create(
            made, engine, direct, input, filter, output, strides, dilates, before, after, NULL, attributes);
    if (kind == dnnl_backward_weights)
        return dnnl_convolution_backward_weights_primitive_desc_create(
            made, engine, direct, input, filter, NULL, output, strides, dilates, before, after, NULL, attributes);
    return dnnl_convolution_forward_primitive_desc_create(
        made, engine, kind, direct, input, filter, NULL, output, strides, dilates, before, after, attributes);
}

#else
#error "Weir needs oneDNN 2.6 or 3; oneapi/dnnl/dnnl_version.h is of another version."
#endif

// Copies the layout that a primitive expects for one of its arguments.
static inline dnnl_status_t weir_memory_desc_query(
    weir_memory_desc_t *made, const_dnnl_primitive_desc_t primitive, dnnl_query_t argument) {
    if (!dnnl_primitive_desc_query_md(primitive, argument, 0)) return dnnl_invalid_arguments;
    return weir_memory_desc_clone(made, dnnl_primitive_desc_query_md(primitive, argument, 0));
}
