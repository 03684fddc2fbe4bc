// Loops over rows that are written once for vectors and for single values: the caller's function gets an `at` that
// reads the next values of an array, a vector of them or, at the end of a row, one. Sums along a row have an order that
// does not depend on the ISA: as many partial sums as fit in 64 bytes, which is one AVX-512 register, two of AVX2 or
// four of SSE2, folded by one fixed tree.

#if defined(__clang__)
#define THINC_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define THINC_INDEPENDENT _Pragma("GCC ivdep")
#else
#define THINC_INDEPENDENT __pragma(loop(ivdep))
#endif

#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define THINC_HAS_SHUFFLE 1
#endif
#endif

template <typename T>
struct VectorAt {
  size_t i;
  THINC_INLINE Vec<T> operator()(const T* X) const { return load_(X + i); }
};
template <typename T>
struct ValueAt {
  size_t i;
  THINC_INLINE T operator()(const T* X) const { return X[i]; }
};

// Y[i] = f(i) for i < n, where f reads no element of Y but the i-th. For formulas without a choice in them.
template <typename T, typename F>
static THINC_INLINE void fill_(T* Y, size_t n, F f) {
  THINC_INDEPENDENT
  for (size_t i = 0; i < n; ++i) Y[i] = f(i);
}

// Y = f(at), n values; Y may be what f reads. What does not fill a vector at the end is computed first, as part of the
// last whole vector, and stored last.
template <typename T, typename F>
static THINC_INLINE void each_(T* Y, size_t n, F f) {
  constexpr size_t L = sizeof(Vec<T>) / sizeof(T);
  if (n < L) {
    for (size_t i = 0; i < n; ++i) Y[i] = f(ValueAt<T>{i});
    return;
  }
  Vec<T> last = f(VectorAt<T>{n - L});
  for (size_t i = 0; i + L < n; i += L) {
    Vec<T> y = f(VectorAt<T>{i});
    memcpy(Y + i, &y, sizeof y);
  }
  memcpy(Y + n - L, &last, sizeof last);
}

struct Sum {
  template <typename V>
  THINC_INLINE V operator()(V a, V b) const {
    return a + b;
  }
};
struct Max {  // NaN may be ignored
  template <typename V>
  THINC_INLINE V operator()(V a, V b) const {
    return a < b ? b : a;
  }
};

// Joins 64 bytes of partial results: the upper half into the lower, down to one.
#if defined(__GNUC__)
template <typename T>
using Quad16 = typename Quad<T>::type;

// Down to 16 bytes, in registers.
template <typename T, typename J>
static THINC_INLINE Quad16<T> fold_to_quad_(const Vec<T>* sum, J join) {
  Quad16<T> q[4];
  memcpy(q, sum, sizeof q);
  Quad16<T> low = join(q[0], q[2]), high = join(q[1], q[3]);
  return join(low, high);
}
template <typename T, typename J>
static THINC_INLINE T fold_quad_(Quad16<T> q, J join) {
  if constexpr (sizeof(T) == 4) return join(join(q[0], q[2]), join(q[1], q[3]));
  return join(q[0], q[1]);
}
template <typename T, typename J>
static THINC_INLINE T fold_vectors_(const Vec<T>* sum, J join) {
  return fold_quad_<T>(fold_to_quad_<T>(sum, join), join);
}
template <typename T, typename J>
static THINC_INLINE T fold_tree_(const T* part, J join) {
  Vec<T> sum[64 / sizeof(Vec<T>)];
  memcpy(sum, part, sizeof sum);
  return fold_vectors_<T>(sum, join);
}
// The same for four rows at once: their 16 bytes are added across one another.
template <typename T>
static THINC_INLINE void fold_four_(T* total, const Vec<T> (*sum)[64 / sizeof(Vec<T>)]) {
  Quad16<T> q[4];
  THINC_UNROLL for (size_t r = 0; r < 4; ++r) q[r] = fold_to_quad_<T>(sum[r], Sum());
#if defined(THINC_HAS_SHUFFLE)
  if constexpr (sizeof(T) == 4) {
    Quad16<T> a = __builtin_shufflevector(q[0], q[1], 0, 1, 4, 5) + __builtin_shufflevector(q[0], q[1], 2, 3, 6, 7);
    Quad16<T> b = __builtin_shufflevector(q[2], q[3], 0, 1, 4, 5) + __builtin_shufflevector(q[2], q[3], 2, 3, 6, 7);
    a = __builtin_shufflevector(a, b, 0, 2, 4, 6) + __builtin_shufflevector(a, b, 1, 3, 5, 7);
    memcpy(total, &a, sizeof a);
  } else {
    Quad16<T> a = __builtin_shufflevector(q[0], q[1], 0, 2) + __builtin_shufflevector(q[0], q[1], 1, 3);
    Quad16<T> b = __builtin_shufflevector(q[2], q[3], 0, 2) + __builtin_shufflevector(q[2], q[3], 1, 3);
    memcpy(total, &a, sizeof a);
    memcpy(total + 2, &b, sizeof b);
  }
#else
  THINC_UNROLL for (size_t r = 0; r < 4; ++r) total[r] = fold_quad_<T>(q[r], Sum());
#endif
}
#else
template <typename T, typename J>
static THINC_INLINE T fold_tree_(T* part, J join) {
  for (size_t width = 32 / sizeof(T); width > 0; width /= 2)
    for (size_t i = 0; i < width; ++i) part[i] = join(part[i], part[i + width]);
  return part[0];
}
template <typename T, typename J>
static THINC_INLINE T fold_vectors_(const Vec<T>* sum, J join) {
  T part[64 / sizeof(T)];
  memcpy(part, sum, sizeof part);
  return fold_tree_(part, join);
}
template <typename T>
static THINC_INLINE void fold_four_(T* total, const Vec<T> (*sum)[64 / sizeof(Vec<T>)]) {
  for (size_t r = 0; r < 4; ++r) total[r] = fold_vectors_<T>(sum[r], Sum());
}
#endif

// Joins f(at) over n values; join is commutative and `start` its neutral element. What does not fill the lanes at the
// end is read again together with values before it, which are then left out.
template <typename T, typename F, typename J>
static THINC_INLINE T fold_(size_t n, T start, F f, J join) {
  constexpr size_t L = sizeof(Vec<T>) / sizeof(T), K = 64 / sizeof(Vec<T>);
  if (n < K * L) {
    T part[K * L];
    for (size_t i = 0; i < K * L; ++i) part[i] = start;
    for (size_t i = 0; i < n; ++i) part[i] = f(ValueAt<T>{i});
    return fold_tree_(part, join);
  }
  Vec<T> sum[K];
  THINC_UNROLL for (size_t k = 0; k < K; ++k) sum[k] = Vec<T>{} + start;
  const size_t whole = n / (K * L) * (K * L);
  for (size_t i = 0; i < whole; i += K * L)
    THINC_UNROLL for (size_t k = 0; k < K; ++k) sum[k] = join(sum[k], f(VectorAt<T>{i + k * L}));
  if (whole < n) {
    const VecInts<T> seen = VecInts<T>{} + (decltype(bit_type_(start)))(K * L - (n - whole));
    THINC_UNROLL for (size_t k = 0; k < K; ++k) {
      Vec<T> last = f(VectorAt<T>{n - K * L + k * L});
      sum[k] = join(sum[k], select_(numbers_from_(k * L, start) < seen, Vec<T>{} + start, last));
    }
  }
  return fold_vectors_<T>(sum, join);
}

// Joins the first n values at X, n less than fit in 64 bytes; 64 bytes of X must be readable.
template <typename T, typename J>
static THINC_INLINE T fold_first_(const T* X, size_t n, T start, J join) {
  constexpr size_t L = sizeof(Vec<T>) / sizeof(T), K = 64 / sizeof(Vec<T>);
  T part[K * L];
  THINC_UNROLL for (size_t k = 0; k < K; ++k) {
    auto out = numbers_from_(k * L, start) >= (decltype(bit_type_(start)))n;
    Vec<T> x = select_(out, Vec<T>{} + start, load_(X + k * L));
    memcpy(part + k * L, &x, sizeof x);
  }
  return fold_tree_(part, join);
}

template <typename T, typename F>
static THINC_INLINE T sum_(size_t n, F f) {
  return fold_(n, T(0), f, Sum());
}

// The largest f(at); minus infinity for n = 0. NaN may be ignored.
template <typename T, typename F>
static THINC_INLINE T max_(size_t n, F f) {
  return fold_(n, T(-INFINITY), f, Max());
}
