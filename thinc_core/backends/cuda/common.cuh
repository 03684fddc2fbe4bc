// What every .cu file begins with: it is put in front of the text, not included, so there is no #pragma once.
// Compiles under NVRTC (no headers at all), nvcc, and g++ with the emulator of tests/cuda_emulation.

typedef long long i64;
typedef unsigned long long u64;
typedef int i32;
typedef unsigned int u32;
typedef unsigned short u16;
typedef unsigned char u8;
static_assert(sizeof(i64) == 8 && sizeof(i32) == 4, "sizes of integers");

constexpr int WARP = 32, MOST_THREADS = 256;
constexpr u32 WHOLE_WARP = 0xffffffffu;

#ifndef THINC_EMULATION
#define DEVICE static __device__ __forceinline__
#define MEMBER __device__ __forceinline__
#define KERNEL(name, parameters) extern "C" __global__ void __launch_bounds__(MOST_THREADS, 2) name parameters
// With twice the registers for each thread, to hold a row in.
#define ROW_KERNEL(name, parameters) extern "C" __global__ void __launch_bounds__(MOST_THREADS, 1) name parameters
#define SHARED(T, name, n) __shared__ T name[n]
#define DYNAMIC_SHARED(T, name)                                   \
  extern __shared__ __align__(16) unsigned char dynamic_shared[]; \
  T* const name = reinterpret_cast<T*>(dynamic_shared)
#define CHECK_ALIGNED(pointer, bytes)
#endif

// One line per dtype that floats are stored in: M(suffix, type, ...). A module is compiled for one of them, by
// -DDTYPE=f32 and its like, or for none of them, for the kernels without; where DTYPE is not defined, for all.
#define FOR_none(M, ...)
#define FOR_f32(M, ...) M(f32, float, __VA_ARGS__)
#define FOR_f64(M, ...) M(f64, double, __VA_ARGS__)
#define FOR_f16(M, ...) M(f16, f16, __VA_ARGS__)
#define FOR_bf16(M, ...) M(bf16, bf16, __VA_ARGS__)
#define FOR_all(M, ...) FOR_f32(M, __VA_ARGS__) FOR_f64(M, __VA_ARGS__) FOR_f16(M, __VA_ARGS__) FOR_bf16(M, __VA_ARGS__)
#ifndef DTYPE
#define DTYPE all
#endif
#define JOINED_NOW(a, b) a##b
#define JOINED(a, b) JOINED_NOW(a, b)
#define FOR_FLOATS(M, ...) JOINED(FOR_, DTYPE)(M, __VA_ARGS__)
// A kernel without one of these dtypes in its name.
#define UNTYPED_all(name, parameters) KERNEL(name, parameters)
#define UNTYPED_none(name, parameters) KERNEL(name, parameters)
#define UNTYPED_f32(name, parameters) DEVICE void name parameters
#define UNTYPED_f64(name, parameters) DEVICE void name parameters
#define UNTYPED_f16(name, parameters) DEVICE void name parameters
#define UNTYPED_bf16(name, parameters) DEVICE void name parameters
#define UNTYPED_KERNEL(name, parameters) JOINED(UNTYPED_, DTYPE)(name, parameters)

// Numbers that are stored in 16 bits and computed with as float.
struct f16 {
  u16 bits;
};
struct bf16 {
  u16 bits;
};

// What numbers stored as T are computed with.
template <typename T>
struct acc_of {
  typedef float type;
};
template <>
struct acc_of<double> {
  typedef double type;
};
template <typename T>
using acc = typename acc_of<T>::type;

#ifdef THINC_EMULATION
DEVICE float half_to_float(u16 h) { return emulation::half_to_float(h); }
DEVICE u16 float_to_half(float x) { return emulation::float_to_half(x); }
#else
DEVICE float half_to_float(u16 h) {
  float x;
  asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(h));
  return x;
}
DEVICE u16 float_to_half(float x) {
  u16 h;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(x));
  return h;
}
#endif
DEVICE u16 float_to_bf16(float x) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  u16 h;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(h) : "f"(x));
  return h;
#else
  u32 b = __float_as_uint(x);
  bool nan = (b & 0x7fffffffu) > 0x7f800000u;
  return (u16)((nan ? b | 0x400000u : b + 0x7fffu + ((b >> 16) & 1u)) >> 16);  // round half to even
#endif
}

DEVICE float to_acc(float x) { return x; }
DEVICE double to_acc(double x) { return x; }
DEVICE float to_acc(f16 x) { return half_to_float(x.bits); }
DEVICE float to_acc(bf16 x) { return __uint_as_float((u32)x.bits << 16); }

// from_acc<T>(x): x, rounded to how T is stored.
template <typename T>
MEMBER T from_acc(acc<T> x) {
  return x;
}
template <>
MEMBER f16 from_acc<f16>(float x) {
  return f16{float_to_half(x)};
}
template <>
MEMBER bf16 from_acc<bf16>(float x) {
  return bf16{float_to_bf16(x)};
}

// Maths with one name for both accumulators.
DEVICE float exp_(float x) { return expf(x); }
DEVICE double exp_(double x) { return exp(x); }
DEVICE float log_(float x) { return logf(x); }
DEVICE double log_(double x) { return log(x); }
DEVICE float erf_(float x) { return erff(x); }
DEVICE double erf_(double x) { return erf(x); }
DEVICE float erfc_(float x) { return erfcf(x); }
DEVICE double erfc_(double x) { return erfc(x); }
DEVICE float tanh_(float x) { return tanhf(x); }
DEVICE double tanh_(double x) { return tanh(x); }
DEVICE float sqrt_(float x) { return sqrtf(x); }
DEVICE double sqrt_(double x) { return sqrt(x); }
DEVICE float abs_(float x) { return fabsf(x); }
DEVICE double abs_(double x) { return fabs(x); }
// Rounded each by itself: never contracted to an FMA, so that a comparison with the result does not depend on that.
DEVICE float multiply_(float x, float y) { return __fmul_rn(x, y); }
DEVICE double multiply_(double x, double y) { return __dmul_rn(x, y); }
DEVICE float add_(float x, float y) { return __fadd_rn(x, y); }
DEVICE double add_(double x, double y) { return __dadd_rn(x, y); }
DEVICE float largest_(float) { return 3.402823466e+38f; }
DEVICE double largest_(double) { return 1.7976931348623157e+308; }

// Comparisons that let NaN in x pass.
template <typename A>
DEVICE A at_least_(A x, A low) {
  return x < low ? low : x;
}
template <typename A>
DEVICE A at_most_(A x, A high) {
  return x > high ? high : x;
}
// -inf as the lowest finite value, which times an exact zero is zero and not NaN.
template <typename A>
DEVICE A floor_(A x) {
  return at_least_(x, -largest_(x));
}

// N elements that are loaded and stored at once. LANES of them are 16 bytes.
constexpr int alignment(int bytes) { return bytes < 16 ? bytes : 16; }
template <typename T, int N>
struct __align__(alignment(sizeof(T) * N)) Vec {
  T v[N];
};
template <typename T>
constexpr int LANES = 16 / (int)sizeof(T);

template <int N, typename T>
DEVICE Vec<T, N> load(const T* p) {
  CHECK_ALIGNED(p, alignment(sizeof(T) * N));
  return *reinterpret_cast<const Vec<T, N>*>(p);
}
template <typename T, int N>
DEVICE void store(T* p, Vec<T, N> x) {
  CHECK_ALIGNED(p, alignment(sizeof(T) * N));
  *reinterpret_cast<Vec<T, N>*>(p) = x;
}
// Whether all of the pointers are multiples of 16 bytes. The answer is the same for all threads.
template <typename... P>
DEVICE bool aligned(P... pointers) {
  return (((u64)pointers | ...) & 15) == 0;
}

// f(Lanes<N>()) with N the number of columns that a thread takes at once: 16 bytes of them when all rows of `width`
// columns of these arrays can be cut up so, otherwise 1.
template <int N>
struct Lanes {
  static constexpr int n = N;
};
template <typename T, typename F, typename... P>
DEVICE void by_pieces(i64 width, F f, P... pointers) {
  if (width % LANES<T> == 0 && aligned(pointers...)) {
    f(Lanes<LANES<T>>());
  } else {
    f(Lanes<1>());
  }
}

// The thread's number among all of the grid, and how many there are: where its stride begins and how long it is.
DEVICE i64 first_index() { return (i64)blockIdx.x * blockDim.x + threadIdx.x; }
DEVICE i64 stride() { return (i64)gridDim.x * blockDim.x; }

// The same stride through rows of so many pieces, with a division before the loop instead of one for each piece:
// for (Pieces at(pieces); at.row < rows; at.next()).
struct Pieces {
  i64 pieces, row, piece, rows_on, pieces_on;

  MEMBER explicit Pieces(i64 pieces) : pieces(pieces) {
    row = first_index() / pieces;
    piece = first_index() - row * pieces;
    rows_on = stride() / pieces;
    pieces_on = stride() - rows_on * pieces;
  }
  MEMBER void next() {
    row += rows_on;
    piece += pieces_on;
    if (piece >= pieces) {
      piece -= pieces;
      ++row;
    }
  }
};

// The last place at which increasing values are at most x, -1 when none is: of starts, the sequence that row x is in.
template <typename I>
DEVICE i64 last_at_most(const I* values, i64 n, i64 x) {
  i64 low = 0, high = n;
  while (low < high) {
    i64 middle = (low + high) >> 1;
    if (values[middle] <= x) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low - 1;
}

template <typename T, int N, typename F, typename... X>
DEVICE Vec<T, N> map_vector(F f, Vec<X, N>... xs) {
  Vec<T, N> y;
#pragma unroll
  for (int k = 0; k < N; ++k) y.v[k] = from_acc<T>(f(to_acc(xs.v[k])...));
  return y;
}
// Y[i] = f(X[i]...), in 16-byte pieces where all arrays allow it. Y may be exactly one of the Xs.
template <typename T, typename F, typename... X>
DEVICE void map_elements(T* Y, i64 n, F f, const X*... Xs) {
  i64 whole = aligned(Y, Xs...) ? n / LANES<T> : 0;
  for (i64 i = first_index(); i < whole; i += stride()) {
    store(Y + i * LANES<T>, map_vector<T>(f, load<LANES<T>>(Xs + i * LANES<T>)...));
  }
  for (i64 i = whole * LANES<T> + first_index(); i < n; i += stride()) Y[i] = from_acc<T>(f(to_acc(Xs[i])...));
}

// i modulo n, by 32-bit division where that is enough.
DEVICE i64 modulo(i64 i, i64 n) { return (u64)i >> 32 || (u64)n >> 32 ? i % n : (i64)((u32)i % (u32)n); }

// Y = f(Z + b) of rows of O elements, and the sum itself in kept, unless that is null. Z is a product that has not been
// rounded to T. Both may be exactly Z.
template <int V, typename T, typename F>
DEVICE void map_biased_pieces(T* Y, T* kept, const acc<T>* Z, const T* b, i64 n, i64 O, F f) {
  for (i64 i = first_index() * V; i < n; i += stride() * V) {
    Vec<acc<T>, V> z = load<V>(Z + i);
    Vec<T, V> shift = load<V>(b + modulo(i, O)), sums, y;
#pragma unroll
    for (int k = 0; k < V; ++k) {
      acc<T> sum = z.v[k] + to_acc(shift.v[k]);
      y.v[k] = from_acc<T>(f(sum));
      sums.v[k] = from_acc<T>(sum);
    }
    if (kept) store(kept + i, sums);
    store(Y + i, y);
  }
}
template <typename T, typename F>
DEVICE void map_biased(T* Y, T* kept, const acc<T>* Z, const T* b, i64 n, i64 O, F f) {
  if (O % LANES<T> == 0 && aligned(Y, kept, Z, b)) {
    map_biased_pieces<LANES<T>>(Y, kept, Z, b, n, O, f);
  } else {
    map_biased_pieces<1>(Y, kept, Z, b, n, O, f);
  }
}

struct Sum {
  template <typename A>
  MEMBER A operator()(A x, A y) const {
    return x + y;
  }
};
// NaN wins, as it does in NumPy's maximum.
struct Max {
  template <typename A>
  MEMBER A operator()(A x, A y) const {
    return x >= y || x != x ? x : y;
  }
};

// Every lane gets the result. All lanes of the warp must call.
template <typename A, typename Op>
DEVICE A reduce_warp(A x, Op op) {
#pragma unroll
  for (int lane = WARP / 2; lane > 0; lane /= 2) x = op(x, __shfl_xor_sync(WHOLE_WARP, x, lane));
  return x;
}

// Every thread gets the result. All threads of the block, whole warps, must call. scratch: WARP + 1 elements of shared
// memory. The next reduce_block may use them at once, anything else after a barrier.
template <typename A, typename Op>
DEVICE A reduce_block(A x, A neutral, Op op, A* scratch) {
  int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
  x = reduce_warp(x, op);
  if (lane == 0) scratch[warp] = x;
  __syncthreads();
  if (warp == 0) {
    x = reduce_warp(lane < warps ? scratch[lane] : neutral, op);
    if (lane == 0) scratch[WARP] = x;
  }
  __syncthreads();
  return scratch[WARP];
}

// *p += x, whatever other threads add there; the order of several such sums is left to chance.
DEVICE void add_atomic(float* p, float x) { atomicAdd(p, x); }
DEVICE void add_atomic(double* p, double x) { atomicAdd(p, x); }
// 16 bits alone: the word around the last number of an array may end beyond it.
template <typename T>
DEVICE void add_by_exchange(T* p, T x) {
  u16 *bits = reinterpret_cast<u16*>(p), seen = *bits, old;
  do {
    old = seen;
    seen = atomicCAS(bits, old, from_acc<T>(to_acc(T{old}) + to_acc(x)).bits);
  } while (seen != old);
}
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 700
DEVICE void add_atomic(f16* p, f16 x) { asm volatile("red.add.noftz.f16 [%0], %1;" ::"l"(p), "h"(x.bits) : "memory"); }
#else
DEVICE void add_atomic(f16* p, f16 x) { add_by_exchange(p, x); }
#endif
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
DEVICE void add_atomic(bf16* p, bf16 x) {
  asm volatile("red.add.noftz.bf16 [%0], %1;" ::"l"(p), "h"(x.bits) : "memory");
}
#else
DEVICE void add_atomic(bf16* p, bf16 x) { add_by_exchange(p, x); }
#endif
template <typename T, int N>
DEVICE void add_atomic(T* p, Vec<T, N> x) {
#pragma unroll
  for (int k = 0; k < N; ++k) add_atomic(p + k, x.v[k]);
}
// 16 bytes in one instruction: from sm_90 and CUDA 12.1 on.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900 && __CUDACC_VER_MAJOR__ * 100 + __CUDACC_VER_MINOR__ >= 1201
DEVICE void add_atomic(float* p, Vec<float, 4> x) {
  asm volatile("red.global.add.v4.f32 [%0], {%1, %2, %3, %4};" ::"l"(p), "f"(x.v[0]), "f"(x.v[1]), "f"(x.v[2]),
               "f"(x.v[3])
               : "memory");
}
#define ADD_EIGHT(T)                                                                                                  \
  DEVICE void add_atomic(T* p, Vec<T, 8> x) {                                                                         \
    asm volatile("red.global.add.noftz.v8." #T " [%0], {%1, %2, %3, %4, %5, %6, %7, %8};" ::"l"(p), "h"(x.v[0].bits), \
                 "h"(x.v[1].bits), "h"(x.v[2].bits), "h"(x.v[3].bits), "h"(x.v[4].bits), "h"(x.v[5].bits),            \
                 "h"(x.v[6].bits), "h"(x.v[7].bits)                                                                   \
                 : "memory");                                                                                         \
  }
ADD_EIGHT(f16)
ADD_EIGHT(bf16)
#endif
// The threads that work on one row together, so that a function of a row is written once for both: a warp, or a block.
struct WarpTeam {
  MEMBER int rank() const { return threadIdx.x % WARP; }
  MEMBER int size() const { return WARP; }
  template <typename A, typename Op>
  MEMBER A reduce(A x, A, Op op) const {
    return reduce_warp(x, op);
  }
};
template <typename A>
struct BlockTeam {
  A* scratch;  // as for reduce_block
  MEMBER int rank() const { return threadIdx.x; }
  MEMBER int size() const { return blockDim.x; }
  template <typename Op>
  MEMBER A reduce(A x, A neutral, Op op) const {
    return reduce_block(x, neutral, op, scratch);
  }
};
// The number of the thread's warp among all of the grid, and how many there are.
DEVICE i64 first_warp() { return first_index() / WARP; }
DEVICE i64 warps() { return stride() / WARP; }

// write(column, sum of that column of parts (shares, width)), in an order that depends on the size of the block only.
// scratch: MOST_THREADS elements of shared memory.
template <typename A, typename F>
DEVICE void add_up_parts(const A* __restrict__ parts, i64 shares, i64 width, A* scratch, F write) {
  int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, n = blockDim.x / WARP;
  for (i64 tile = blockIdx.x; tile * WARP < width; tile += gridDim.x) {
    i64 column = tile * WARP + lane;
    A sum = A(0);
    if (column < width) {
      for (i64 s = warp; s < shares; s += n) sum += parts[s * width + column];
    }
    scratch[threadIdx.x] = sum;
    __syncthreads();
    if (warp == 0 && column < width) {
      for (int w = 1; w < n; ++w) sum += scratch[w * WARP + lane];
      write(column, sum);
    }
    __syncthreads();
  }
}

// Philox-4x32-10: the four words of a counter. Element i of a dropout mask takes 16 bits as cpu/dropout.h says.
struct Words {
  u32 w[4];
};
DEVICE Words philox(u64 counter, u64 seed) {
  u32 c0 = (u32)counter, c1 = (u32)(counter >> 32), c2 = 0, c3 = 0, k0 = (u32)seed, k1 = (u32)(seed >> 32);
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    u32 high0 = __umulhi(0xD2511F53u, c0), low0 = 0xD2511F53u * c0;
    u32 high1 = __umulhi(0xCD9E8D57u, c2), low1 = 0xCD9E8D57u * c2;
    c0 = high1 ^ c1 ^ k0;
    c2 = high0 ^ c3 ^ k1;
    c1 = low1;
    c3 = low0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return Words{{c0, c1, c2, c3}};
}

// The error word: a fault that a kernel found in its arguments, for the host to raise. Of several in one launch the one
// at the lowest position is kept, of several launches the first. Threads that find none never come here.
struct ErrorWord {
  i64 code, value, position, limit;
};
constexpr i64 BUSY = -1;

DEVICE void report(ErrorWord* error, i64 ticket, i64 value, i64 position, i64 limit) {
  volatile i64* words = &error->code;
  u64* code = reinterpret_cast<u64*>(error);
  for (;;) {
    i64 seen = words[0];
    if (seen == BUSY) continue;
    if (seen != 0 && (seen != ticket || words[2] <= position)) return;
    if (atomicCAS(code, (u64)seen, (u64)BUSY) != (u64)seen) continue;
    bool first = seen == 0 || words[2] > position;  // the words may have changed since they were compared
    if (first) {
      words[1] = value;
      words[2] = position;
      words[3] = limit;
    }
    __threadfence_system();
    atomicExch(code, (u64)ticket);
    return;
  }
}

// Whether an element survives dropout: 16 of the 128 bits that a counter gives, at least the threshold. The layout of a
// block of 64 elements is that of cpu/dropout.h.
DEVICE bool survives(u32 word, bool upper, i64 threshold) {
  return ((upper ? word >> 16 : word & 0xffffu)) >= threshold;
}

// A mask with bit k set if element first + k * WARP + lane survives, for k < N. All lanes of the warp must call, with
// the same arguments; a warp makes 32 counters at a time, for at least six of its k, and its lanes ask each other.
// count: how many elements from the first on are wanted at all.
template <int N>
DEVICE u32 survivors(i64 first, i64 count, i64 seed, i64 threshold) {
  constexpr int GROUP = 6;  // 192 elements are in at most four blocks of 64, wherever they begin
  static_assert(N <= 32, "a bit for each");
  int lane = threadIdx.x % WARP;
  u32 found = 0;
#pragma unroll
  for (int group = 0; group < N; group += GROUP) {
    if ((i64)group * WARP >= count) continue;
    i64 block = (first + group * WARP) / 64;
    Words random = philox((u64)(block * 8 + lane), (u64)seed);
#pragma unroll
    for (int k = group; k < N && k < group + GROUP; ++k) {
      i64 i = first + k * WARP + lane;
      int from = (int)(i / 64 - block) * 8 + (int)(i % 16) / 2, place = (int)(i % 64) / 32 * 2 + (int)(i % 2);
      u32 word = 0;
#pragma unroll
      for (int w = 0; w < 4; ++w) {
        u32 other = __shfl_sync(WHOLE_WARP, random.w[w], from);
        word = w == place ? other : word;
      }
      found |= (u32)survives(word, i % 32 >= 16, threshold) << k;
    }
  }
  return found;
}
