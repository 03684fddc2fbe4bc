// The CPU kernel tables: one struct of function pointers per instruction set, built from kernels.def.
#pragma once
#include <cstddef>
#include <cstdint>

namespace thinc {

template <typename T>
struct Kernels {
#define KERNEL(name, params) void(*name) params;
#define COMMON(name, params)
#include "thinc_core/kernels.def"
#undef KERNEL
#undef COMMON
};

struct CommonKernels {
#define KERNEL(name, params)
#define COMMON(name, params) void(*name) params;
#include "thinc_core/kernels.def"
#undef KERNEL
#undef COMMON
};

struct KernelTable {
  const char* isa;
  Kernels<float> f32;
  Kernels<double> f64;
  CommonKernels common;
};

// The tables this processor and operating system can run, best first, baseline last; returns how many.
size_t supported_tables(const KernelTable** tables, size_t capacity);

}  // namespace thinc
