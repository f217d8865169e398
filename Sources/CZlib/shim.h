#include <zlib.h>

// zlib's own names are macros. Takes gzip's format and zlib's.
static inline int zlib_begin_inflating(z_stream *stream) { return inflateInit2(stream, 15 + 32); }
// Takes deflate's format without a frame, which zip archives have.
static inline int zlib_begin_inflating_raw(z_stream *stream) { return inflateInit2(stream, -15); }
