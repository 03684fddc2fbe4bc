// The CPU kernels for AVX-512.
#include "kernels_headers.h"

#if defined(THINC_HAS_X86_ISAS)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,bmi2,avx512f,avx512bw,avx512dq,avx512vl,avx512cd"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,bmi2,avx512f,avx512bw,avx512dq,avx512vl,avx512cd,prefer-vector-width=512")
#endif
#define THINC_ISA avx512
#define THINC_VECTOR_BYTES 64
#define THINC_VECTOR_REGISTERS 32
#include "kernels_isa.h"
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
