// The CPU kernels that every machine of the architecture can run: SSE2 on x86-64, NEON on aarch64.
#include "kernels_headers.h"

#if defined(__aarch64__)
#define THINC_ISA neon
#define THINC_VECTOR_REGISTERS 32
#else
#define THINC_ISA baseline
#define THINC_VECTOR_REGISTERS 16
#endif
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
// Products of the low halves of 64-bit lanes: GCC does not find the instruction in plain code, which takes eight.
#define THINC_MULTIPLY_LOW(a, b) (Wide) __builtin_ia32_pmuludq128((VecInts<float>)(a), (VecInts<float>)(b))
#endif
#define THINC_VECTOR_BYTES 16
#include "kernels_isa.h"
