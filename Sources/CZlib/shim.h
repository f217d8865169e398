#include <zlib.h>

// zlib's own name is a macro. Takes gzip's format and zlib's.
static inline int zlib_begin_inflating(z_stream *stream) { return inflateInit2(stream, 15 + 32); }
