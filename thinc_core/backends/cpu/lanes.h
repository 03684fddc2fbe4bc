// Sums and maxima along a row, in an order that does not depend on the ISA: as many partial results as fit in 64 bytes,
// which is one AVX-512 register, two of AVX2 or four of SSE2, folded by one fixed tree.

#if defined(__clang__)
#define THINC_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define THINC_INDEPENDENT _Pragma("GCC ivdep")
#else
#define THINC_INDEPENDENT __pragma(loop(ivdep))
#endif

// Y[i] = f(i) for i < n, where f reads no element of Y but the i-th.
template <typename T, typename F>
static inline void fill_(T* Y, size_t n, F f) {
  THINC_INDEPENDENT
  for (size_t i = 0; i < n; ++i) Y[i] = f(i);
}

// Folds f(0), ..., f(n - 1) with join, which is commutative; `start` is its neutral element.
template <typename T, typename F, typename J>
static inline T fold_(size_t n, T start, F f, J join) {
  constexpr size_t L = 64 / sizeof(T);
  T part[L];
  for (size_t lane = 0; lane < L; ++lane) part[lane] = start;
  size_t i = 0;
  for (; i + L <= n; i += L)
    for (size_t lane = 0; lane < L; ++lane) part[lane] = join(part[lane], f(i + lane));
  for (size_t lane = 0; i + lane < n; ++lane) part[lane] = join(part[lane], f(i + lane));
  for (size_t width = L / 2; width > 0; width /= 2)
    for (size_t lane = 0; lane < width; ++lane) part[lane] = join(part[lane], part[lane + width]);
  return part[0];
}

template <typename T, typename F>
static inline T sum_(size_t n, F f) {
  return fold_(n, T(0), f, [](T a, T b) { return a + b; });
}

// The largest of f(0), ..., f(n - 1); minus infinity for n = 0. NaN may be ignored.
template <typename T, typename F>
static inline T max_(size_t n, F f) {
  return fold_(n, T(-INFINITY), f, [](T a, T b) { return a < b ? b : a; });
}
