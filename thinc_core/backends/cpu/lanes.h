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
template <typename T, typename J>
static THINC_INLINE T fold_tree_(const T* part, J join) {
  typedef typename Quad<T>::type quad;
  quad q[4];
  memcpy(q, part, sizeof q);
  quad low = join(q[0], q[2]), high = join(q[1], q[3]);
  quad both = join(low, high);
  if constexpr (sizeof(T) == 4) return join(join(both[0], both[2]), join(both[1], both[3]));
  return join(both[0], both[1]);
}
#else
template <typename T, typename J>
static THINC_INLINE T fold_tree_(T* part, J join) {
  for (size_t width = 32 / sizeof(T); width > 0; width /= 2)
    for (size_t i = 0; i < width; ++i) part[i] = join(part[i], part[i + width]);
  return part[0];
}
#endif

// Joins f(at) over n values; join is commutative and `start` its neutral element. What does not fill the lanes at the
// end is read again together with values before it, which are then left out.
template <typename T, typename F, typename J>
static THINC_INLINE T fold_(size_t n, T start, F f, J join) {
  constexpr size_t L = sizeof(Vec<T>) / sizeof(T), K = 64 / sizeof(Vec<T>);
  Vec<T> sum[K];
  T part[K * L];
  THINC_UNROLL for (size_t k = 0; k < K; ++k) sum[k] = Vec<T>{} + start;
  size_t i = 0;
  for (; i + K * L <= n; i += K * L)
    THINC_UNROLL for (size_t k = 0; k < K; ++k) sum[k] = join(sum[k], f(VectorAt<T>{i + k * L}));
  if (i < n && n >= K * L) {
    VecInts<T> out = VecInts<T>{} + (decltype(bit_type_(start)))(K * L - (n - i));
    THINC_UNROLL for (size_t k = 0; k < K; ++k) {
      Vec<T> last = f(VectorAt<T>{n - K * L + k * L});
      sum[k] = join(sum[k], select_(numbers_from_(k * L, start) < out, Vec<T>{} + start, last));
    }
    i = n;
  }
  memcpy(part, sum, sizeof part);
  for (size_t lane = 0; i < n; ++i, ++lane) part[lane] = f(ValueAt<T>{i});
  return fold_tree_(part, join);
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
