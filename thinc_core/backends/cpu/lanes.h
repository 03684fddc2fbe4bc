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

// Y = f(at), n values.
template <typename T, typename F>
static THINC_INLINE void each_(T* Y, size_t n, F f) {
  constexpr size_t L = sizeof(Vec<T>) / sizeof(T);
  size_t i = 0;
  for (; i + L <= n; i += L) {
    Vec<T> y = f(VectorAt<T>{i});
    memcpy(Y + i, &y, sizeof y);
  }
  for (; i < n; ++i) Y[i] = f(ValueAt<T>{i});
}

// Joins the partial results of width lanes: the upper half into the lower, down to one.
template <size_t WIDTH, typename T, typename J>
static THINC_INLINE void fold_tree_(T* part, J join) {
  if constexpr (WIDTH > 1) {
    T lower[WIDTH / 2], upper[WIDTH / 2];
    memcpy(lower, part, sizeof lower);
    memcpy(upper, part + WIDTH / 2, sizeof upper);
    for (size_t i = 0; i < WIDTH / 2; ++i) lower[i] = join(lower[i], upper[i]);
    memcpy(part, lower, sizeof lower);
    fold_tree_<WIDTH / 2>(part, join);
  }
}

// Joins f(at) over n values; join is commutative and `start` its neutral element.
template <typename T, typename F, typename J>
static THINC_INLINE T fold_(size_t n, T start, F f, J join) {
  constexpr size_t L = sizeof(Vec<T>) / sizeof(T), K = 64 / sizeof(Vec<T>);
  Vec<T> sum[K];
  THINC_UNROLL for (size_t k = 0; k < K; ++k) sum[k] = Vec<T>{} + start;
  size_t i = 0;
  for (; i + K * L <= n; i += K * L)
    THINC_UNROLL for (size_t k = 0; k < K; ++k) sum[k] = join(sum[k], f(VectorAt<T>{i + k * L}));
  T part[K * L];
  memcpy(part, sum, sizeof part);
  for (size_t lane = 0; i < n; ++i, ++lane) part[lane] = join(part[lane], f(ValueAt<T>{i}));
  fold_tree_<K * L>(part, join);
  return part[0];
}

template <typename T, typename F>
static THINC_INLINE T sum_(size_t n, F f) {
  return fold_(n, T(0), f, [](auto a, auto b) THINC_INLINE_LAMBDA { return a + b; });
}

// The largest f(at); minus infinity for n = 0. NaN may be ignored.
template <typename T, typename F>
static THINC_INLINE T max_(size_t n, F f) {
  return fold_(n, T(-INFINITY), f, [](auto a, auto b) THINC_INLINE_LAMBDA { return select_(a < b, b, a); });
}
