// What fibers.cpp and threads.cpp have in common, and what Python calls.
#include "emulation.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace emulation {

std::map<std::string, Kernel>& registry() {
  static std::map<std::string, Kernel> kernels;
  return kernels;
}
static std::string last_failure;

// IEEE half precision, rounded half to even.
float half_to_float(unsigned short h) {
  int exponent = h >> 10 & 31, fraction = h & 1023;
  float x = exponent == 0    ? ldexpf((float)fraction, -24)
            : exponent == 31 ? (fraction ? NAN : INFINITY)
                             : ldexpf((float)(fraction + 1024), exponent - 25);
  return h & 0x8000 ? -x : x;
}
unsigned short float_to_half(float x) {
  unsigned sign = signbit(x) ? 0x8000u : 0u;
  float size = fabsf(x);
  if (size != size) return sign | 0x7e00;
  if (size >= 65520.0f) return sign | 0x7c00;
  int exponent = -24;  // of the last bit
  if (size >= 6.103515625e-05f) {
    frexpf(size, &exponent);
    exponent -= 11;
  }
  unsigned steps = (unsigned)nearbyintf(ldexpf(size, -exponent));  // 2048, one too many, carries into the exponent
  return sign | (exponent + 24 ? ((unsigned)(exponent + 24) << 10) + steps : steps);
}
}  // namespace emulation

using namespace emulation;

EXPORT void* thinc_emulation_find(const char* name) {
  auto found = registry().find(name);
  return found == registry().end() ? nullptr : &found->second;
}
EXPORT const char* thinc_emulation_kinds(const void* kernel) { return ((const Kernel*)kernel)->kinds.c_str(); }
EXPORT const char* thinc_emulation_failure() { return last_failure.c_str(); }
EXPORT void thinc_emulation_first_block(unsigned x) { set_first_block(x); }
EXPORT void thinc_emulation_schedule(int which, unsigned seed) { set_schedule((Schedule)which, seed); }

// The signature of cuLaunchKernel.
EXPORT int thinc_emulation_launch(void* kernel, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                                  unsigned bz, unsigned dynamic_bytes, void*, void** arguments, void**) {
  if (bx == 0 || bx > 1024 || by != 1 || bz != 1 || gx == 0 || gy == 0 || gy > 65535 || gz != 1) {
    last_failure = "no such grid or block can be launched";
    return 1;
  }
  last_failure = run(Launch{{gx, gy, gz}, {bx, by, bz}, dynamic_bytes, ((Kernel*)kernel)->body, arguments});
  return last_failure.empty() ? 0 : 2;
}
