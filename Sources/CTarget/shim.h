// What the compiler was told to build for, which Swift cannot ask.
#pragma once

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__) && defined(__BMI2__)
enum { weir_needs_avx2 = 1 };
#else
enum { weir_needs_avx2 = 0 };
#endif
