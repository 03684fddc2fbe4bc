// The table of the CPU kernels that this machine can run. Each instruction set has an object of its own (isa_*.cpp), so
// that they are compiled side by side.
#include "kernels_headers.h"

namespace thinc {

namespace baseline {
extern const KernelTable table;
}
namespace neon {
extern const KernelTable table;
}
namespace avx2 {
extern const KernelTable table;
}
namespace avx512 {
extern const KernelTable table;
}

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
