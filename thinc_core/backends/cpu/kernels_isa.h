// Compiled once per instruction set, inside the target region that foreach_isa.h has opened. No include guard.
namespace thinc {
namespace THINC_ISA {
namespace {

#include "activations.h"
#include "gemm.h"

template <typename T>
constexpr Kernels<T> fill() {
  return {
#define KERNEL(name, params) &name<T>,
#include "thinc_core/kernels.def"
#undef KERNEL
  };
}

const KernelTable table = {THINC_STR(THINC_ISA), fill<float>(), fill<double>()};

}  // namespace
}  // namespace THINC_ISA
}  // namespace thinc
