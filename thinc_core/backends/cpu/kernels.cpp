// The single translation unit of the CPU kernels: every instruction set, then the table of what this machine can run.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <utility>

#include "thinc_core/kernels.h"
#include "thinc_core/murmur3.h"
#include "threads.h"

#if defined(__GNUC__) && !defined(__clang__)
// Vectors are passed between inlined functions only, so how another compiler would pass them does not matter.
#pragma GCC diagnostic ignored "-Wpsabi"
#endif
#include "foreach_isa.h"

namespace thinc {

size_t supported_tables(const KernelTable** tables, size_t capacity) {
  size_t n = 0;
  auto add = [&](const KernelTable& table) {
    if (n < capacity) tables[n++] = &table;
  };
#if defined(THINC_HAS_X86_ISAS)
  // __builtin_cpu_supports checks CPUID and, for the wide registers, that the operating system saves them.
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd"))
    add(avx512::table);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
    add(avx2::table);
#endif
#if defined(__aarch64__)
  add(neon::table);
#else
  add(baseline::table);
#endif
  return n;
}

}  // namespace thinc
