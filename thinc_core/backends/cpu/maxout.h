// Maxout over groups of P neighbouring values. P = 2, 3, 4 are compiled with P known: a loop over p does not vectorise.

// True when x beats best: larger, or the first NaN.
template <typename T>
static inline bool beats_(T x, T best) {
  return (x > best) | ((x != x) & (best == best));
}

template <typename T>
static inline void take_if_better_(T x, int32_t p, T* best, int32_t* which) {
  bool better = beats_(x, *best);
  *best = better ? x : *best;
  *which = better ? p : *which;
}

template <int P, typename T>
static void maxout_p(T* Y_bo, int32_t* which_bo, const T* X_bop, size_t n_bo) {
  THINC_INDEPENDENT
  for (size_t i = 0; i < n_bo; ++i) {
    const T* x = X_bop + i * P;
    T best = x[0];
    int32_t which = 0;
    take_if_better_(x[1], 1, &best, &which);
    if constexpr (P > 2) take_if_better_(x[2], 2, &best, &which);
    if constexpr (P > 3) take_if_better_(x[3], 3, &best, &which);
    Y_bo[i] = best;
    which_bo[i] = which;
  }
}

template <typename T>
static void maxout(T* Y_bo, int32_t* which_bo, const T* X_bop, size_t n_bo, size_t P) {
  if (P == 2) return maxout_p<2>(Y_bo, which_bo, X_bop, n_bo);
  if (P == 3) return maxout_p<3>(Y_bo, which_bo, X_bop, n_bo);
  if (P == 4) return maxout_p<4>(Y_bo, which_bo, X_bop, n_bo);
  for (size_t i = 0; i < n_bo; ++i) {
    const T* x = X_bop + i * P;
    size_t which = 0;
    for (size_t p = 1; p < P; ++p) which = beats_(x[p], x[which]) ? p : which;
    Y_bo[i] = x[which];
    which_bo[i] = (int32_t)which;
  }
}

template <int P, typename T>
static void backprop_maxout_p(T* dX_bop, const T* dY_bo, const int32_t* which_bo, size_t n_bo) {
  THINC_INDEPENDENT
  for (size_t i = 0; i < n_bo; ++i) {
    T* dx = dX_bop + i * P;
    T dy = dY_bo[i];
    dx[0] = which_bo[i] == 0 ? dy : T(0);
    dx[1] = which_bo[i] == 1 ? dy : T(0);
    if constexpr (P > 2) dx[2] = which_bo[i] == 2 ? dy : T(0);
    if constexpr (P > 3) dx[3] = which_bo[i] == 3 ? dy : T(0);
  }
}

template <typename T>
static void backprop_maxout(T* dX_bop, const T* dY_bo, const int32_t* which_bo, size_t n_bo, size_t P) {
  if (P == 2) return backprop_maxout_p<2>(dX_bop, dY_bo, which_bo, n_bo);
  if (P == 3) return backprop_maxout_p<3>(dX_bop, dY_bo, which_bo, n_bo);
  if (P == 4) return backprop_maxout_p<4>(dX_bop, dY_bo, which_bo, n_bo);
  for (size_t i = 0; i < n_bo; ++i) {
    T* dx = dX_bop + i * P;
    for (size_t p = 0; p < P; ++p) dx[p] = T(0);
    dx[which_bo[i]] = dY_bo[i];
  }
}
