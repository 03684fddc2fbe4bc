// Runs CUDA kernels on the CPU: a fiber for each thread of a block, one block after another. Fibers switch only where
// threads wait for each other, in the order that the schedule says, so a missing barrier gives wrong values in one of
// the schedules. Shared memory is poisoned before each block. What would hang or be undefined ends the launch with a
// message instead. It is no model of speed, of memory that blocks share without atomics, or of rounding with FMA.
#pragma once
#define THINC_EMULATION
#include <math.h>  // not <cmath>: as on the device, exp(float) must not be computed in double

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <sys/mman.h>
#include <ucontext.h>

#define __device__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __restrict__ __restrict
#define __align__(n) __attribute__((aligned(n)))
#define DEVICE static inline
#define MEMBER inline
// A kernel has internal linkage, as each .cu file is compiled in a namespace of its own; it is found by its name.
#define KERNEL(name, parameters)                                                         \
  void name parameters;                                                                  \
  static emulation::Registered registered_##name(#name, &emulation::Unpack<&name>::call, \
                                                 emulation::Unpack<&name>::kinds());     \
  void name parameters
#define ROW_KERNEL(name, parameters) KERNEL(name, parameters)
#define SHARED(T, name, n) \
  static char name##_tag;  \
  T* const name = (T*)emulation::shared_memory(&name##_tag, sizeof(T) * (n))
#define DYNAMIC_SHARED(T, name) \
  static char name##_tag;       \
  T* const name = (T*)emulation::shared_memory(&name##_tag, emulation::block().dynamic_bytes)
#define CHECK_ALIGNED(pointer, bytes) \
  if ((uintptr_t)(pointer) % (bytes)) emulation::fail("a vector is loaded or stored at an unaligned address")

struct uint3 {
  unsigned x, y, z;
};

namespace emulation {

constexpr size_t STACK = 64 * 1024, SHARED_BYTES = 227 * 1024, STATIC_BYTES = 48 * 1024;
enum State : uint8_t { READY, AT_BARRIER, AT_WARP, DONE };
enum Schedule { FORWARD, REVERSE, RANDOM };

struct Warp {
  uint64_t slot[2][32];
  uint32_t mask = 0, arrived = 0, phase = 0;
  int op = 0;
};
struct Fiber {
  uint3 thread;
  State state;
  int number, lane, warp;
  char* stack;
#ifdef __x86_64__
  void* sp;
#else
  ucontext_t context;
#endif
};
typedef void (*Body)(void**);
// What runs now. Votes of __syncthreads_or and its like are counted until the barrier opens, then kept to be read.
struct Block {
  uint3 grid, block, number;
  Fiber* current = nullptr;
  std::vector<Fiber> fibers;
  std::vector<Warp> warps;
  int alive = 0, at_barrier = 0, votes = 0, result = 0;
  std::vector<char> shared;
  size_t shared_used = 0, dynamic_bytes = 0;
  std::map<const void*, size_t> shared_places;
  Body body;
  void** arguments;
  uint32_t random = 1;
  const char* failure = nullptr;
#ifdef __x86_64__
  void* outside;
#else
  ucontext_t outside;
#endif
};

Block& block();
[[noreturn]] void fail(const char* message);
void wait_for_block();
uint64_t* exchange(unsigned mask, uint64_t value, int op);
char* shared_memory(const void* tag, size_t bytes);

template <class T>
uint64_t bits(T value) {
  static_assert(sizeof(T) <= 8, "at most 64 bits are exchanged between lanes");
  uint64_t b = 0;
  std::memcpy(&b, &value, sizeof(T));
  return b;
}
template <class T>
T from_bits(uint64_t b) {
  T value;
  std::memcpy(&value, &b, sizeof(T));
  return value;
}

float half_to_float(unsigned short h);
unsigned short float_to_half(float x);

// The registry: kernels take their arguments as cuLaunchKernel does.
struct Kernel {
  Body body;
  std::string kinds;
};
std::map<std::string, Kernel>& registry();
struct Registered {
  Registered(const char* name, Body body, std::string kinds) { registry()[name] = {body, kinds}; }
};
template <class A>
constexpr char kind() {
  return std::is_pointer<A>::value                      ? 'p'
         : std::is_same<A, float>::value                ? 'f'
         : std::is_same<A, double>::value               ? 'd'
         : std::is_integral<A>::value && sizeof(A) == 8 ? 'l'
                                                        : '?';
}
template <auto K>
struct Unpack;
template <class... A, void (*K)(A...)>
struct Unpack<K> {
  template <size_t... I>
  static void go(void** a, std::index_sequence<I...>) {
    K(*(std::remove_cv_t<A>*)a[I]...);
  }
  static void call(void** a) { go(a, std::index_sequence_for<A...>{}); }
  static std::string kinds() { return {kind<A>()...}; }
};

inline int source_lane(int lane, int wanted, int width, bool inside) {
  return inside && wanted / width == lane / width ? wanted : lane;
}
}  // namespace emulation

#define threadIdx (emulation::block().current->thread)
#define blockIdx (emulation::block().number)
#define blockDim (emulation::block().block)
#define gridDim (emulation::block().grid)

inline int vote(int value) {
  emulation::block().votes += value;
  emulation::wait_for_block();
  return emulation::block().result;
}
inline void __syncthreads() { vote(0); }
inline int __syncthreads_or(int p) { return vote(p != 0) != 0; }
inline int __syncthreads_and(int p) { return vote(p == 0) == 0; }
inline int __syncthreads_count(int p) { return vote(p != 0); }
inline void __syncwarp(unsigned mask = ~0u) { emulation::exchange(mask, 0, 1); }
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int x, int width = 32) {
  uint64_t* slot = emulation::exchange(mask, emulation::bits(value), 2);
  int lane = emulation::block().current->lane;
  return emulation::from_bits<T>(slot[emulation::source_lane(lane, lane ^ x, width, true)]);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32) {
  uint64_t* slot = emulation::exchange(mask, emulation::bits(value), 3);
  int lane = emulation::block().current->lane;
  return emulation::from_bits<T>(slot[emulation::source_lane(lane, lane + (int)by, width, true)]);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = 32) {
  uint64_t* slot = emulation::exchange(mask, emulation::bits(value), 4);
  int lane = emulation::block().current->lane;
  return emulation::from_bits<T>(slot[emulation::source_lane(lane, lane - (int)by, width, lane >= (int)by)]);
}
template <class T>
T __shfl_sync(unsigned mask, T value, int from, int width = 32) {
  uint64_t* slot = emulation::exchange(mask, emulation::bits(value), 5);
  int lane = emulation::block().current->lane;
  return emulation::from_bits<T>(slot[lane / width * width + (from % width + width) % width]);
}
inline unsigned __ballot_sync(unsigned mask, int p) {
  uint64_t* slot = emulation::exchange(mask, p != 0, 6);
  unsigned result = 0;
  for (int i = 0; i < 32; i++)
    if ((mask >> i & 1) && slot[i]) result |= 1u << i;
  return result;
}
inline int __any_sync(unsigned mask, int p) { return __ballot_sync(mask, p) != 0; }
inline int __all_sync(unsigned mask, int p) { return __ballot_sync(mask, !p) == 0; }

// Blocks run one after another and fibers switch nowhere else, so plain memory is atomic.
template <class T>
T atomicAdd(T* p, T value) {
  T old = *p;
  *p = old + value;
  return old;
}
template <class T>
T atomicMax(T* p, T value) {
  T old = *p;
  *p = std::max(old, value);
  return old;
}
template <class T>
T atomicMin(T* p, T value) {
  T old = *p;
  *p = std::min(old, value);
  return old;
}
template <class T>
T atomicOr(T* p, T value) {
  T old = *p;
  *p = old | value;
  return old;
}
template <class T>
T atomicExch(T* p, T value) {
  T old = *p;
  *p = value;
  return old;
}
template <class T>
T atomicCAS(T* p, T expected, T value) {
  T old = *p;
  if (old == expected) *p = value;
  return old;
}
template <class T>
T __ldg(const T* p) {
  return *p;
}
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}

inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline double rsqrt(double x) { return 1.0 / sqrt(x); }
inline float __fmul_rn(float x, float y) { return x * y; }
inline double __dmul_rn(double x, double y) { return x * y; }
inline float __fadd_rn(float x, float y) { return x + y; }
inline double __dadd_rn(double x, double y) { return x + y; }
inline unsigned __umulhi(unsigned x, unsigned y) { return (unsigned)((uint64_t)x * y >> 32); }
inline unsigned long long __umul64hi(unsigned long long x, unsigned long long y) {
  return (unsigned long long)((unsigned __int128)x * y >> 64);
}
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __clz(int x) { return x ? __builtin_clz(x) : 32; }
inline float __uint_as_float(unsigned b) { return emulation::from_bits<float>(b); }
inline unsigned __float_as_uint(float x) { return (unsigned)emulation::bits(x); }
inline float __int_as_float(int b) { return emulation::from_bits<float>((unsigned)b); }
inline int __float_as_int(float x) { return (int)emulation::bits(x); }
inline long long __double_as_longlong(double x) { return (long long)emulation::bits(x); }
inline double __longlong_as_double(long long b) { return emulation::from_bits<double>((uint64_t)b); }
using std::max;
using std::min;
