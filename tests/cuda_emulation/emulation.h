// Runs CUDA kernels on the CPU. fibers.cpp: a fiber for each thread of a block, one block after another; fibers switch
// only where threads wait for each other, in the order that the schedule says, so a missing barrier gives wrong values
// in one of the schedules. threads.cpp: a thread of the system for each, for ThreadSanitizer to look for races. Shared
// memory is poisoned before each block. What would hang or be undefined ends the launch with a message instead. It is
// no model of speed, of the order of memory accesses, or of rounding with FMA.
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
  T* const name = (T*)emulation::shared_memory(&name##_tag, emulation::here().dynamic_bytes)
#define CHECK_ALIGNED(pointer, bytes) \
  if ((uintptr_t)(pointer) % (bytes)) emulation::fail("a vector is loaded or stored at an unaligned address")

struct uint3 {
  unsigned x, y, z;
};

namespace emulation {

constexpr size_t SHARED_BYTES = 227 * 1024, STATIC_BYTES = 48 * 1024;

// Where the thread is that runs now.
struct Here {
  uint3 thread, block, block_size, grid_size;
  int lane, warp;
  size_t dynamic_bytes;
};
typedef void (*Body)(void**);
struct Launch {
  uint3 grid, block;
  size_t dynamic_bytes;
  Body body;
  void** arguments;
};
enum Schedule { FORWARD, REVERSE, RANDOM };
enum Meeting { SYNCWARP, XOR, DOWN, UP, FROM, BALLOT };

// What fibers.cpp and threads.cpp do, each in its way.
const Here& here();
[[noreturn]] void fail(const char* message);
// The sum of the values of all threads of the block, once they have arrived.
int vote(int value);
// The values of all lanes in the mask, once they have arrived. Only SYNCWARP orders what they have read and written.
const uint64_t* exchange(unsigned mask, uint64_t value, Meeting op);
// The block's piece of shared memory with this tag, poisoned with ones (NaN, -1).
char* shared_memory(const void* tag, size_t bytes);
// What went wrong, or an empty text.
std::string run(const Launch& launch);
void set_schedule(Schedule schedule, uint32_t seed);
// Leave out the blocks before this one, to see the end of a grid that would take too long.
void set_first_block(unsigned x);

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

#define threadIdx (emulation::here().thread)
#define blockIdx (emulation::here().block)
#define blockDim (emulation::here().block_size)
#define gridDim (emulation::here().grid_size)

inline void __syncthreads() { emulation::vote(0); }
inline int __syncthreads_or(int p) { return emulation::vote(p != 0) != 0; }
inline int __syncthreads_and(int p) { return emulation::vote(p == 0) == 0; }
inline int __syncthreads_count(int p) { return emulation::vote(p != 0); }
inline void __syncwarp(unsigned mask = ~0u) { emulation::exchange(mask, 0, emulation::SYNCWARP); }
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int x, int width = 32) {
  const uint64_t* slot = emulation::exchange(mask, emulation::bits(value), emulation::XOR);
  int lane = emulation::here().lane;
  return emulation::from_bits<T>(slot[emulation::source_lane(lane, lane ^ x, width, true)]);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32) {
  const uint64_t* slot = emulation::exchange(mask, emulation::bits(value), emulation::DOWN);
  int lane = emulation::here().lane;
  return emulation::from_bits<T>(slot[emulation::source_lane(lane, lane + (int)by, width, true)]);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = 32) {
  const uint64_t* slot = emulation::exchange(mask, emulation::bits(value), emulation::UP);
  int lane = emulation::here().lane;
  return emulation::from_bits<T>(slot[emulation::source_lane(lane, lane - (int)by, width, lane >= (int)by)]);
}
template <class T>
T __shfl_sync(unsigned mask, T value, int from, int width = 32) {
  const uint64_t* slot = emulation::exchange(mask, emulation::bits(value), emulation::FROM);
  int lane = emulation::here().lane;
  return emulation::from_bits<T>(slot[lane / width * width + (from % width + width) % width]);
}
inline unsigned __ballot_sync(unsigned mask, int p) {
  const uint64_t* slot = emulation::exchange(mask, p != 0, emulation::BALLOT);
  unsigned result = 0;
  for (int i = 0; i < 32; i++)
    if ((mask >> i & 1) && slot[i]) result |= 1u << i;
  return result;
}
inline int __any_sync(unsigned mask, int p) { return __ballot_sync(mask, p) != 0; }
inline int __all_sync(unsigned mask, int p) { return __ballot_sync(mask, !p) == 0; }

// *p = change(*p), with no other thread between; what was there before.
template <class T, class F>
T atomic(T* p, F change) {
  T old, next;
  __atomic_load(p, &old, __ATOMIC_RELAXED);
  do next = change(old);
  while (!__atomic_compare_exchange(p, &old, &next, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
  return old;
}
template <class T>
T atomicAdd(T* p, T value) {
  return atomic(p, [=](T old) { return old + value; });
}
template <class T>
T atomicMax(T* p, T value) {
  return atomic(p, [=](T old) { return std::max(old, value); });
}
template <class T>
T atomicMin(T* p, T value) {
  return atomic(p, [=](T old) { return std::min(old, value); });
}
template <class T>
T atomicOr(T* p, T value) {
  return atomic(p, [=](T old) { return old | value; });
}
template <class T>
T atomicExch(T* p, T value) {
  return atomic(p, [=](T) { return value; });
}
template <class T>
T atomicCAS(T* p, T expected, T value) {
  return atomic(p, [=](T old) { return old == expected ? value : old; });
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
