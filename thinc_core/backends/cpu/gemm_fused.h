// Products with maxout, and the backward passes.

// best, which = the larger of (best, which) and (z, piece): the first of equals, the first NaN before everything.
template <typename V, typename M>
static GEMM_INLINE void keep_larger(V& best, M& which, const V& z, const M& piece) {
  const M better = ~(z <= best) & (best == best);
  best = better ? z : best;
  which = better ? piece : which;
}

template <typename T>
static void affine_maxout(T* Y, int32_t* which, const T* X, const T* W, const T* b, size_t B, size_t O, size_t P,
                          size_t I, size_t ldx) {
  for (size_t r = 0; r < B; ++r)
    for (size_t o = 0; o < O; ++o)
      for (size_t p = 0; p < P; ++p) {
        T z = b[o * P + p], *y = Y + r * O + o;
        for (size_t i = 0; i < I; ++i) z += X[r * ldx + i] * W[(o * P + p) * I + i];
        if (p == 0 || (!(z <= *y) && *y == *y)) *y = z, which[r * O + o] = int32_t(p);
      }
}

template <typename T>
static void backprop_affine_maxout(T* dX, T* dW, T* db, const T* dY, const int32_t* which, const T* X, const T* W,
                                   size_t B, size_t O, size_t P, size_t I) {
  for (size_t i = 0; dX && i < B * I; ++i) dX[i] = T(0);
  for (size_t r = 0; r < B; ++r)
    for (size_t o = 0; o < O; ++o) {
      const size_t piece = o * P + size_t(which[r * O + o]);
      const T d = dY[r * O + o];
      if (db) db[piece] += d;
      for (size_t i = 0; i < I; ++i) {
        if (dX) dX[r * I + i] += d * W[piece * I + i];
        if (dW) dW[piece * I + i] += d * X[r * I + i];
      }
    }
}

