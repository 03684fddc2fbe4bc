// Maxout over groups of P neighbouring values. For P = 2, 3, 4 a block of groups is first taken apart into P arrays,
// which stay in L1; the comparison then runs on whole vectors.
//     X = a0 b0 c0 a1 b1 c1 ...   ->   A = a0 a1 ...   B = b0 b1 ...   C = c0 c1 ...
// Measured, one thread of an AVX-512 Zen 5 shared with others, f32, 4000 x 96, us beside a copy of the same bytes:
// maxout P = 3 100 to 215 (63 to 171; PyTorch 3,578), backward 91 (62).

constexpr size_t MAXOUT_BLOCK = 64;

// True where x beats best: larger, or the first NaN.
template <typename V>
static THINC_INLINE auto beats_(V x, V best) {
  return (x > best) | ((x != x) & (best == best));
}

template <int P, typename T>
static THINC_INLINE void take_apart_(T (&piece)[P][MAXOUT_BLOCK], const T* X, size_t n) {
  THINC_INDEPENDENT
  for (size_t i = 0; i < n; ++i) {
    piece[0][i] = X[i * P];
    piece[1][i] = X[i * P + 1];
    if constexpr (P > 2) piece[2][i] = X[i * P + 2];
    if constexpr (P > 3) piece[3][i] = X[i * P + 3];
  }
}

template <int P, typename T>
static THINC_INLINE void put_together_(T* X, const T (&piece)[P][MAXOUT_BLOCK], size_t n) {
  THINC_INDEPENDENT
  for (size_t i = 0; i < n; ++i) {
    X[i * P] = piece[0][i];
    X[i * P + 1] = piece[1][i];
    if constexpr (P > 2) X[i * P + 2] = piece[2][i];
    if constexpr (P > 3) X[i * P + 3] = piece[3][i];
  }
}

// Best and which of a block of MAXOUT_BLOCK groups that are apart. The index is a T until the end: then comparing and
// choosing need no vectors of two widths.
template <int P, typename T>
static THINC_INLINE void best_of_(T* Y, int32_t* which, const T (&piece)[P][MAXOUT_BLOCK]) {
  constexpr size_t L = sizeof(Vec<T>) / sizeof(T);
  T index[MAXOUT_BLOCK];
  for (size_t i = 0; i < MAXOUT_BLOCK; i += L) {
    Vec<T> best = load_(piece[0] + i), chosen{};
    THINC_UNROLL for (int p = 1; p < P; ++p) {
      Vec<T> x = load_(piece[p] + i);
      auto better = beats_(x, best);
      best = select_(better, x, best);
      chosen = select_(better, Vec<T>{} + T(p), chosen);
    }
    memcpy(Y + i, &best, sizeof best);
    memcpy(index + i, &chosen, sizeof chosen);
  }
  for (size_t i = 0; i < MAXOUT_BLOCK; ++i) which[i] = (int32_t)index[i];
}

template <int P, typename T>
static void maxout_p(T* Y_bo, int32_t* which_bo, const T* X_bop, size_t n_bo) {
  T piece[P][MAXOUT_BLOCK] = {};
  size_t i = 0;
  for (; i + MAXOUT_BLOCK <= n_bo; i += MAXOUT_BLOCK) {
    take_apart_<P>(piece, X_bop + i * P, MAXOUT_BLOCK);
    best_of_<P>(Y_bo + i, which_bo + i, piece);
  }
  T Y[MAXOUT_BLOCK];
  int32_t which[MAXOUT_BLOCK];
  take_apart_<P>(piece, X_bop + i * P, n_bo - i);
  best_of_<P>(Y, which, piece);
  memcpy(Y_bo + i, Y, (n_bo - i) * sizeof(T));
  memcpy(which_bo + i, which, (n_bo - i) * sizeof(int32_t));
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

// dY where which is p, else 0, for each p of a block.
template <int P, typename T>
static THINC_INLINE void spread_(T (&piece)[P][MAXOUT_BLOCK], const T* dY, const int32_t* which) {
  constexpr size_t L = sizeof(Vec<T>) / sizeof(T);
  T index[MAXOUT_BLOCK];
  for (size_t i = 0; i < MAXOUT_BLOCK; ++i) index[i] = T(which[i]);
  for (size_t i = 0; i < MAXOUT_BLOCK; i += L) THINC_UNROLL for (int p = 0; p < P; ++p) {
      Vec<T> dx = select_(load_(index + i) == T(p), load_(dY + i), Vec<T>{});
      memcpy(piece[p] + i, &dx, sizeof dx);
    }
}

template <int P, typename T>
static void backprop_maxout_p(T* dX_bop, const T* dY_bo, const int32_t* which_bo, size_t n_bo) {
  T piece[P][MAXOUT_BLOCK];
  size_t i = 0;
  for (; i + MAXOUT_BLOCK <= n_bo; i += MAXOUT_BLOCK) {
    spread_<P>(piece, dY_bo + i, which_bo + i);
    put_together_<P>(dX_bop + i * P, piece, MAXOUT_BLOCK);
  }
  T dY[MAXOUT_BLOCK] = {};
  int32_t which[MAXOUT_BLOCK] = {};
  memcpy(dY, dY_bo + i, (n_bo - i) * sizeof(T));
  memcpy(which, which_bo + i, (n_bo - i) * sizeof(int32_t));
  spread_<P>(piece, dY, which);
  put_together_<P>(dX_bop + i * P, piece, n_bo - i);
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
