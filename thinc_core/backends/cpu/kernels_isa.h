// Every kernel, compiled once for each instruction set: included by isa_*.cpp inside the target region that it opens.
namespace thinc {
namespace THINC_ISA {
namespace {

#include "vector.h"
#include "lanes.h"
#include "vmath.h"
#include "parallel.h"
#include "parallel_sequences.h"
#include "denormals.h"

#include "activations.h"
#include "optim.h"
#include "half.h"
#include "maxout.h"
#include "softmax.h"
#include "layernorm.h"
#include "gather.h"
#include "seq2col.h"
#include "hash.h"
#include "pad.h"
#include "reduce.h"
#include "sparse.h"
#include "dropout.h"
#include "gemm.h"       // may call what the others define
#include "attention.h"  // these call the products of gemm.h
#include "lstm.h"

template <typename T>
constexpr Kernels<T> fill() {
  return {
#define KERNEL(name, params) &name<T>,
#define COMMON(name, params)
#include "thinc_core/kernels.def"
#undef KERNEL
#undef COMMON
  };
}

constexpr CommonKernels fill_common() {
  return {
#define KERNEL(name, params)
#define COMMON(name, params) &name,
#include "thinc_core/kernels.def"
#undef KERNEL
#undef COMMON
  };
}

}  // namespace

extern const KernelTable table;
const KernelTable table = {THINC_STR(THINC_ISA), fill<float>(), fill<double>(), fill_common()};

}  // namespace THINC_ISA
}  // namespace thinc
