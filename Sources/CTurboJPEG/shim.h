// libjpeg-turbo's own interface: it handles libjpeg's errors, so that no longjmp crosses Swift's frames.
#pragma once

#include <turbojpeg.h>

// Reads the header of a JPEG file in memory. Sets `grey` when the file has no colours.
static inline int weir_jpeg_header(tjhandle handle, const void *bytes, unsigned long count, int *width, int *height, int *grey) {
    int sampling = 0, space = 0;
    int code = tjDecompressHeader3(handle, (const unsigned char *)bytes, count, width, height, &sampling, &space);
    *grey = space == TJCS_GRAY;
    return code;
}

// Decodes to bytes, a row after another: one value for each pixel, or three. Files of very many scans are refused, and so are
// damaged ones that could be decoded in part.
static inline int weir_jpeg_decode(tjhandle handle, const void *bytes, unsigned long count, void *memory, int width, int height, int channels) {
    return tjDecompress2(
        handle, (const unsigned char *)bytes, count, (unsigned char *)memory, width, 0, height, channels == 1 ? TJPF_GRAY : TJPF_RGB,
        TJFLAG_LIMITSCANS | TJFLAG_STOPONWARNING);
}
