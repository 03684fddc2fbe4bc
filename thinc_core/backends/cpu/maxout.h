// Maxout over groups of P neighbouring values. For P up to 8 a block of groups is first taken apart into P arrays,
// which stay in L1; the comparison then runs on whole vectors.
//     X = a0 b0 c0 a1 b1 c1 ...   ->   A = a0 a1 ...   B = b0 b1 ...   C = c0 c1 ...
// Measured, one thread of an AVX-512 EPYC, f32, 4000 x 96, us beside a copy of the same bytes:
// maxout P = 2 74 (72), 3 88 (104; PyTorch 4,100), 5 672 (148), 8 431 (340), backward 93 (74), 125 (91), 276 (147), 364
// (236).

constexpr size_t MAXOUT_BLOCK = 64;

// True where x beats best: larger, or the first NaN.
template <typename V>
static THINC_INLINE auto beats_(V x, V best) {
  return ((x <= best) == 0) & (best == best);
}

// P pieces of each of n groups; groups are `stride` values apart.
template <int P, typename T>
static THINC_INLINE void take_apart_(T (&piece)[P][MAXOUT_BLOCK], const T* X, size_t n, size_t stride = P) {
  THINC_INDEPENDENT
  for (size_t i = 0; i < n; ++i) {
    THINC_UNROLL for (int p = 0; p < P; ++p) piece[p][i] = X[i * stride + p];
  }
}

template <int P, typename T>
static THINC_INLINE void put_together_(T* X, const T (&piece)[P][MAXOUT_BLOCK], size_t n) {
  THINC_INDEPENDENT
  for (size_t i = 0; i < n; ++i) {
    THINC_UNROLL for (int p = 0; p < P; ++p) X[i * P + p] = piece[p][i];
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

// Best and which of a block, so far, from the pieces first to first + C.
template <int C, typename T>
static THINC_INLINE void go_on_with_(T* best, VecInts<T>* chosen, const T (&piece)[C][MAXOUT_BLOCK], size_t first) {
  constexpr size_t L = sizeof(Vec<T>) / sizeof(T);
  for (size_t i = 0; i < MAXOUT_BLOCK; i += L) {
    Vec<T> top = load_((first == 0 ? piece[0] : best) + i);
    VecInts<T> index = first == 0 ? VecInts<T>{} : chosen[i / L];
    THINC_UNROLL for (int c = 0; c < C; ++c) {
      Vec<T> x = load_(piece[c] + i);
      auto better = beats_(x, top);
      top = select_(better, x, top);
      index = select_(better, VecInts<T>{} + (decltype(bit_type_(T())))(first + c), index);
    }
    memcpy(best + i, &top, sizeof top);
    chosen[i / L] = index;
  }
}

// Any P >= C, C pieces at a time. The last C may begin with pieces that were compared before, which changes nothing.
template <int C, typename T>
static void maxout_any(T* Y_bo, int32_t* which_bo, const T* X_bop, size_t n_bo, size_t P) {
  T best[MAXOUT_BLOCK], piece[C][MAXOUT_BLOCK] = {};
  VecInts<T> chosen[MAXOUT_BLOCK * sizeof(T) / sizeof(Vec<T>)];
  decltype(bit_type_(T())) index[MAXOUT_BLOCK];
  for (size_t start = 0; start < n_bo; start += MAXOUT_BLOCK) {
    const size_t n = n_bo - start < MAXOUT_BLOCK ? n_bo - start : MAXOUT_BLOCK;
    for (size_t p = 0; p < P; p += C) {
      const size_t first = P - p < C ? P - C : p;
      take_apart_(piece, X_bop + start * P + first, n, P);
      go_on_with_(best, chosen, piece, first);
    }
    memcpy(index, chosen, sizeof index);
    memcpy(Y_bo + start, best, n * sizeof(T));
    for (size_t i = 0; i < n; ++i) which_bo[start + i] = (int32_t)index[i];
  }
}

template <typename T>
static void maxout(T* Y_bo, int32_t* which_bo, const T* X_bop, size_t n_bo, size_t P) {
  in_parts_(n_bo, P, MAXOUT_BLOCK, [=](size_t first, size_t last) {
    T* Y = Y_bo + first;
    int32_t* which = which_bo + first;
    const T* X = X_bop + first * P;
    const size_t n = last - first;
    switch (P) {
      case 1:
        return maxout_p<1>(Y, which, X, n);
      case 2:
        return maxout_p<2>(Y, which, X, n);
      case 3:
        return maxout_p<3>(Y, which, X, n);
      case 4:
        return maxout_p<4>(Y, which, X, n);
      case 5:
        return maxout_p<5>(Y, which, X, n);
      case 6:
        return maxout_p<6>(Y, which, X, n);
      case 7:
        return maxout_p<7>(Y, which, X, n);
      case 8:
        return maxout_p<8>(Y, which, X, n);
      default:
        maxout_any<4>(Y, which, X, n, P);
    }
  });
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

// Any other P: zeros, then what was chosen.
template <typename T>
static void backprop_maxout_any(T* dX_bop, const T* dY_bo, const int32_t* which_bo, size_t n_bo, size_t P) {
  for (size_t start = 0; start < n_bo; start += MAXOUT_BLOCK) {
    const size_t end = n_bo - start < MAXOUT_BLOCK ? n_bo : start + MAXOUT_BLOCK;
    memset(dX_bop + start * P, 0, (end - start) * P * sizeof(T));
    for (size_t i = start; i < end; ++i) dX_bop[i * P + (size_t)which_bo[i]] = dY_bo[i];
  }
}

template <typename T>
static void backprop_maxout(T* dX_bop, const T* dY_bo, const int32_t* which_bo, size_t n_bo, size_t P) {
  in_parts_(n_bo, P, MAXOUT_BLOCK, [=](size_t first, size_t last) {
    T* dX = dX_bop + first * P;
    const T* dY = dY_bo + first;
    const int32_t* which = which_bo + first;
    if (P == 2) return backprop_maxout_p<2>(dX, dY, which, last - first);
    if (P == 3) return backprop_maxout_p<3>(dX, dY, which, last - first);
    if (P == 4) return backprop_maxout_p<4>(dX, dY, which, last - first);
    backprop_maxout_any(dX, dY, which, last - first, P);
  });
}
