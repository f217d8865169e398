// libpng's simplified interface: it handles its own errors, so that no longjmp crosses Swift's frames.
#pragma once

#include <png.h>
#include <string.h>

// Reads the header of a PNG file in memory. Returns 0 when it is none; then `image->message` says why.
static inline int weir_png_begin(png_image *image, const void *bytes, size_t count) {
    memset(image, 0, sizeof *image);
    image->version = PNG_IMAGE_VERSION;
    if (!png_image_begin_read_from_memory(image, bytes, count)) return 0;
    // Without a word on gamma, 16 bits mean what 8 bits mean.
    image->flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
    return 1;
}

// The number of values of a pixel: 1 grey, 2 with alpha, 3 colours, 4 with alpha.
static inline int weir_png_channels(const png_image *image) {
    return ((image->format & PNG_FORMAT_FLAG_COLOR) ? 3 : 1) + ((image->format & PNG_FORMAT_FLAG_ALPHA) ? 1 : 0);
}

// Decodes to bytes, a row after another, and frees the image. `memory` has width * height * channels bytes.
static inline int weir_png_finish(png_image *image, void *memory) {
    image->format &= PNG_FORMAT_FLAG_COLOR | PNG_FORMAT_FLAG_ALPHA;
    return png_image_finish_read(image, NULL, memory, 0, NULL);
}

// Encodes bytes, a row after another. `memory` may be null, to learn the size. `channels` is as above.
static inline int weir_png_encode(
    png_image *image, void *memory, size_t *count, const void *pixels, unsigned width, unsigned height, int channels) {
    memset(image, 0, sizeof *image);
    image->version = PNG_IMAGE_VERSION;
    image->width = width;
    image->height = height;
    image->format = (channels >= 3 ? PNG_FORMAT_FLAG_COLOR : 0) | (channels % 2 == 0 ? PNG_FORMAT_FLAG_ALPHA : 0);
    return png_image_write_to_memory(image, memory, count, 0, pixels, 0, NULL);
}

// What the library says of a failure; empty if nothing.
static inline const char *weir_png_message(const png_image *image) { return image->message; }
