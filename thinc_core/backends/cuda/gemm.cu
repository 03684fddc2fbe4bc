// What follows a matrix product, or goes before those of its gradient. The products are cuBLAS's.
// Formulas: reference/gemm.py. Z, the product, is in what numbers are computed with where that decides between pieces.

#define ADD_BIAS(suffix, T, ...)                                        \
  KERNEL(add_bias_##suffix, (T * Y, const T* b, i64 n, i64 O)) {        \
    map_biased(Y, (T*)nullptr, Y, b, n, O, [](acc<T> x) { return x; }); \
  }
FOR_FLOATS(ADD_BIAS)

// The best of z[p] + b[p] and its index. The first NaN wins over everything, and the lowest index a tie.
template <typename A>
struct Best {
  A value;
  i32 which;
};
template <typename T>
DEVICE Best<acc<T>> best_piece(const acc<T>* z, const T* b, i64 P) {
  Best<acc<T>> best = {z[0] + to_acc(b[0]), 0};
#pragma unroll 1  // it is part of a loop that is unrolled
  for (i64 p = 1; p < P; ++p) {
    acc<T> x = z[p] + to_acc(b[p]);
    if (x > best.value || (x != x && best.value == best.value)) best = {x, (i32)p};
  }
  return best;
}

template <typename T>
DEVICE void affine_maxout(T* __restrict__ best, i32* __restrict__ which, const acc<T>* __restrict__ Z,
                          const T* __restrict__ b, i64 n, i64 O, i64 P) {
  for (i64 i = first_index(); i < n; i += stride()) {
    Best<acc<T>> found = best_piece(Z + i * P, b + modulo(i, O) * P, P);
    best[i] = from_acc<T>(found.value);
    which[i] = found.which;
  }
}
#define AFFINE_MAXOUT(suffix, T, ...)                                                                         \
  KERNEL(affine_maxout_##suffix, (T * best, i32 * which, const acc<T>* Z, const T* b, i64 n, i64 O, i64 P)) { \
    affine_maxout(best, which, Z, b, n, O, P);                                                                \
  }
FOR_FLOATS(AFFINE_MAXOUT)

// The arguments of affine_maxout_layernorm. All outputs but Y may be null.
template <typename T>
struct Normed {
  T *Y, *best;
  i32* which;
  T *mu, *rstd;
  const acc<T>* Z;
  const T *b, *G, *shift;
  i64 B, O, P;
  acc<T> eps;
};
// A warp per row, which has at most 32 * N elements: each lane keeps N of them in registers.
template <int N, typename T>
DEVICE void affine_maxout_layernorm(const Normed<T>& d) {
  typedef acc<T> A;
  int lane = threadIdx.x % WARP;
  for (i64 row = first_warp(); row < d.B; row += warps()) {
    A x[N], sum = A(0), squares = A(0);
#pragma unroll
    for (int k = 0; k < N; ++k) {
      i64 o = (i64)k * WARP + lane, i = row * d.O + o;
      x[k] = A(0);
      if (o >= d.O) continue;
      Best<A> found = best_piece(d.Z + i * d.P, d.b + o * d.P, d.P);
      sum += x[k] = found.value;
      if (d.best) d.best[i] = from_acc<T>(found.value), d.which[i] = found.which;
    }
    A mean = reduce_warp(sum, Sum()) / A(d.O);
#pragma unroll
    for (int k = 0; k < N; ++k) {
      x[k] -= mean;
      squares += (i64)k * WARP + lane < d.O ? x[k] * x[k] : A(0);
    }
    A scale = A(1) / sqrt_(reduce_warp(squares, Sum()) / A(d.O) + d.eps);
#pragma unroll
    for (int k = 0; k < N; ++k) {
      i64 o = (i64)k * WARP + lane;
      if (o < d.O) d.Y[row * d.O + o] = from_acc<T>(x[k] * scale * to_acc(d.G[o]) + to_acc(d.shift[o]));
    }
    if (lane == 0 && d.best) d.mu[row] = from_acc<T>(mean), d.rstd[row] = from_acc<T>(scale);
  }
}
#define AFFINE_MAXOUT_LAYERNORM(suffix, T, N)                                                                          \
  ROW_KERNEL(affine_maxout_layernorm_##N##_##suffix,                                                                   \
             (T * Y, T * best, i32 * which, T * mu, T * rstd, const acc<T>* Z, const T* b, const T* G, const T* shift, \
              i64 B, i64 O, i64 P, acc<T> eps)) {                                                                      \
    affine_maxout_layernorm<N>(Normed<T>{Y, best, which, mu, rstd, Z, b, G, shift, B, O, P, eps});                     \
  }
FOR_FLOATS(AFFINE_MAXOUT_LAYERNORM, 8)
FOR_FLOATS(AFFINE_MAXOUT_LAYERNORM, 32)

// dZ (n, P): dY at the winning piece, 0 at the others. A thread per element of dZ, so that neighbours write to
// neighbouring places. A piece outside [0, P) is reported.
template <typename T, typename I>
DEVICE void spread_pieces(T* __restrict__ dZ, const T* __restrict__ dY, const I* __restrict__ which, i64 n, i64 P,
                          ErrorWord* error, i64 ticket) {
  for (i64 i = first_index(); i < n * P; i += stride()) {
    i64 p = modulo(i, P), at = (i - p) / P, chosen = which[at];
    dZ[i] = chosen == p ? dY[at] : from_acc<T>(acc<T>(0));
    if (p == 0 && (chosen < 0 || chosen >= P)) report(error, ticket, chosen, at, P);
  }
}
#define SPREAD_PIECES(suffix, T, I)                                                           \
  KERNEL(spread_pieces_##suffix##_##I,                                                        \
         (T * dZ, const T* dY, const I* which, i64 n, i64 P, ErrorWord* error, i64 ticket)) { \
    spread_pieces(dZ, dY, which, n, P, error, ticket);                                        \
  }
FOR_FLOATS(SPREAD_PIECES, i32)
FOR_FLOATS(SPREAD_PIECES, i64)

// parts (shares, O): the column sums of each `share` rows of X. A thread per column of a share.
template <typename T>
DEVICE void column_parts(acc<T>* __restrict__ parts, const T* __restrict__ X, i64 B, i64 O, i64 share) {
  i64 shares = (B + share - 1) / share;
  for (i64 i = first_index(); i < shares * O; i += stride()) {
    i64 o = modulo(i, O), first = (i - o) / O * share, end = min(B, first + share);
    acc<T> sum = acc<T>(0);
#pragma unroll 4
    for (i64 b = first; b < end; ++b) sum += to_acc(X[b * O + o]);
    parts[i] = sum;
  }
}
// Their sums are added to sums (O,).
#define COLUMN_SUMS(suffix, T, ...)                                                                                    \
  KERNEL(column_parts_##suffix, (acc<T> * parts, const T* X, i64 B, i64 O, i64 share)) {                               \
    column_parts(parts, X, B, O, share);                                                                               \
  }                                                                                                                    \
  KERNEL(column_sums_##suffix, (T * sums, const acc<T>* parts, i64 shares, i64 O)) {                                   \
    SHARED(acc<T>, scratch, MOST_THREADS);                                                                             \
    add_up_parts(parts, shares, O, scratch, [=](i64 o, acc<T> sum) { sums[o] = from_acc<T>(to_acc(sums[o]) + sum); }); \
  }
FOR_FLOATS(COLUMN_SUMS)
