// Includes kernels_isa.h once per instruction set, each inside a target region. Together with kernels.cpp the only
// place that names an ISA. Compilers without target regions (MSVC) get the baseline alone.
#define THINC_STR_(x) #x
#define THINC_STR(x) THINC_STR_(x)

#if defined(__aarch64__)
#define THINC_ISA neon
#define THINC_VECTOR_BYTES 16
#define THINC_VECTOR_REGISTERS 32
#include "kernels_isa.h"
#undef THINC_ISA
#undef THINC_VECTOR_BYTES
#undef THINC_VECTOR_REGISTERS
#else
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
// Products of the low halves of 64-bit lanes: GCC does not find the instruction in plain code, which takes eight.
#define THINC_MULTIPLY_LOW(a, b) (Wide) __builtin_ia32_pmuludq128((VecInts<float>)(a), (VecInts<float>)(b))
#endif
#define THINC_ISA baseline
#define THINC_VECTOR_BYTES 16
#define THINC_VECTOR_REGISTERS 16
#include "kernels_isa.h"
#undef THINC_MULTIPLY_LOW
#undef THINC_ISA
#undef THINC_VECTOR_BYTES
#undef THINC_VECTOR_REGISTERS
#endif

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define THINC_HAS_X86_ISAS 1

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
#undef THINC_MULTIPLY_LOW
#undef THINC_ISA
#undef THINC_VECTOR_BYTES
#undef THINC_VECTOR_REGISTERS
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

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
#undef THINC_ISA
#undef THINC_VECTOR_BYTES
#undef THINC_VECTOR_REGISTERS
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
