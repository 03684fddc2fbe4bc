// The CPU kernels for AVX2 with FMA.
#include "kernels_headers.h"

#if defined(THINC_HAS_X86_ISAS)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,bmi2"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,bmi2")
#define THINC_MULTIPLY_LOW(a, b) (Wide) __builtin_ia32_pmuludq256((VecInts<float>)(a), (VecInts<float>)(b))
#endif
#define THINC_ISA avx2
#define THINC_VECTOR_BYTES 32
#define THINC_VECTOR_REGISTERS 16
#include "kernels_isa.h"
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
