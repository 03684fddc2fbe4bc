// What follows a matrix product, or goes before those of its gradient. The products are cuBLAS's.
// Formulas: reference/gemm.py. Z, the product, is in what numbers are computed with where that decides between pieces.

#define ADD_BIAS(suffix, T, ...)                                                  \
  KERNEL(add_bias_##suffix, (T * Y, const acc<T>* Z, const T* b, i64 n, i64 O)) { \
    map_biased(Y, (T*)nullptr, Z, b, n, O, [](acc<T> x) { return x; });           \
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

// The arguments of affine_maxout_layernorm. All outputs but Y may be null, and plus. threshold: 0 drops nothing.
template <typename T>
struct Normed {
  T *Y, *best;
  i32* which;
  T *mu, *rstd;
  const acc<T>* Z;
  const T *b, *G, *shift, *plus;
  i64 B, O, P, seed, threshold;
  acc<T> eps, kept;
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
    u32 alive = d.threshold ? survivors<N>(row * d.O, d.O, d.seed, d.threshold) : 0u;
#pragma unroll
    for (int k = 0; k < N; ++k) {
      i64 o = (i64)k * WARP + lane, i = row * d.O + o;
      if (o >= d.O) continue;
      A y = x[k] * scale * to_acc(d.G[o]) + to_acc(d.shift[o]);
      if (d.threshold) y *= alive >> k & 1 ? d.kept : A(0);
      d.Y[i] = from_acc<T>(d.plus ? y + to_acc(d.plus[i]) : y);
    }
    if (lane == 0 && d.best) d.mu[row] = from_acc<T>(mean), d.rstd[row] = from_acc<T>(scale);
  }
}
#define AFFINE_MAXOUT_LAYERNORM(suffix, T, N)                                                                          \
  ROW_KERNEL(affine_maxout_layernorm_##N##_##suffix,                                                                   \
             (T * Y, T * best, i32 * which, T * mu, T * rstd, const acc<T>* Z, const T* b, const T* G, const T* shift, \
              const T* plus, i64 B, i64 O, i64 P, i64 seed, i64 threshold, acc<T> eps, acc<T> kept)) {                 \
    affine_maxout_layernorm<N>(                                                                                        \
        Normed<T>{Y, best, which, mu, rstd, Z, b, G, shift, plus, B, O, P, seed, threshold, eps, kept});               \
  }
FOR_FLOATS(AFFINE_MAXOUT_LAYERNORM, 8)
FOR_FLOATS(AFFINE_MAXOUT_LAYERNORM, 32)

// Its gradient, up to the products. parts (shares, (2 + P) * O): the sums of a share of the rows for dG, dshift and db.
// P is at most MOST_PIECES.
constexpr int MOST_PIECES = 4;
template <typename T>
struct NormedGradient {
  T* dZ;
  acc<T>* parts;
  const T *dY, *best;
  const i32* which;
  const T *mu, *rstd, *G;
  i64 B, O, P, share, seed, threshold;
  acc<T> kept;
  ErrorWord* error;
  i64 ticket;
};
// Adds up for N columns that a lane has of each row, WARP apart from each other.
template <int N, typename A>
struct ColumnSums {
  A dG[N], dshift[N], db[N][MOST_PIECES];
};
// One row: the columns [begin, begin + N * WARP) of it, by this warp, which is one of the team.
template <int N, typename T, typename Team>
DEVICE void backprop_normed_row(const NormedGradient<T>& d, i64 row, i64 begin, ColumnSums<N, acc<T>>& sums,
                                Team team) {
  typedef acc<T> A;
  int lane = threadIdx.x % WARP;
  A g[N], h[N], sum = A(0), products = A(0), mean = to_acc(d.mu[row]), scale = to_acc(d.rstd[row]);
  i32 winner[N];
  u32 alive = d.threshold ? survivors<N>(row * d.O + begin, d.O - begin, d.seed, d.threshold) : 0u;
#pragma unroll
  for (int k = 0; k < N; ++k) {
    i64 o = begin + k * WARP + lane, i = row * d.O + o;
    g[k] = h[k] = A(0);
    winner[k] = -1;
    if (o >= d.O) continue;
    A dy = to_acc(d.dY[i]);
    if (d.threshold) dy *= alive >> k & 1 ? d.kept : A(0);
    h[k] = (to_acc(d.best[i]) - mean) * scale;
    sums.dG[k] += dy * h[k];
    sums.dshift[k] += dy;
    g[k] = dy * to_acc(d.G[o]);
    sum += g[k];
    products += g[k] * h[k];
    winner[k] = d.which[i];
    if (winner[k] < 0 || winner[k] >= d.P) report(d.error, d.ticket, winner[k], i, d.P);
  }
  sum = team.reduce(sum, A(0), Sum()) / A(d.O);
  products = team.reduce(products, A(0), Sum()) / A(d.O);
#pragma unroll
  for (int k = 0; k < N; ++k) {
    if (begin + k * WARP >= d.O) continue;  // the same for the whole warp
    A d_best = scale * (g[k] - sum - h[k] * products);
#pragma unroll
    for (int p = 0; p < MOST_PIECES; ++p) sums.db[k][p] += winner[k] == p ? d_best : A(0);
    T* to = d.dZ + (row * d.O + begin + k * WARP) * d.P;
    i64 inside = (d.O - begin - k * WARP) * d.P;
#pragma unroll
    for (int q = 0; q < MOST_PIECES; ++q) {  // neighbours write neighbouring places, so they ask for what others have
      if (q >= d.P) continue;
      int place = q * WARP + lane, from = place / (int)d.P, piece = place - from * (int)d.P;
      A value = __shfl_sync(WHOLE_WARP, d_best, from);
      i32 chosen = __shfl_sync(WHOLE_WARP, winner[k], from);
      if (place < inside) to[place] = from_acc<T>(chosen == piece ? value : A(0));
    }
  }
}
template <int N, typename A>
DEVICE void write_sums(A* to, const ColumnSums<N, A>& sums, i64 begin, i64 O, i64 P, bool add) {
#pragma unroll
  for (int k = 0; k < N; ++k) {
    i64 o = begin + k * WARP + threadIdx.x % WARP;
    if (o >= O) continue;
    to[o] = add ? to[o] + sums.dG[k] : sums.dG[k];
    to[O + o] = add ? to[O + o] + sums.dshift[k] : sums.dshift[k];
    A* db = to + 2 * O + o * P;
#pragma unroll
    for (int p = 0; p < MOST_PIECES; ++p) {
      if (p < P) db[p] = add ? db[p] + sums.db[k][p] : sums.db[k][p];
    }
  }
}
// A block takes a share of the rows. WIDE: all of it works on one row, and each warp has columns of its own; otherwise
// each warp has rows of its own, and the sums of the warps are added up in `sums`, (2 + P) * O of shared memory.
template <int N, bool WIDE, typename T, typename Team>
DEVICE void backprop_normed(const NormedGradient<T>& d, acc<T>* sums, Team team) {
  int warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
  i64 width = (2 + d.P) * d.O, begin = WIDE ? (i64)warp * N * WARP : 0, first = WIDE ? 0 : warp,
      step = WIDE ? 1 : warps;
  for (i64 s = blockIdx.x; s * d.share < d.B; s += gridDim.x) {
    ColumnSums<N, acc<T>> own = {};
    i64 end = min(d.B, (s + 1) * d.share);
#pragma unroll 1
    for (i64 row = s * d.share + first; row < end; row += step) backprop_normed_row(d, row, begin, own, team);
    if constexpr (WIDE) {
      write_sums(d.parts + s * width, own, begin, d.O, d.P, false);
    } else {
#pragma unroll 1
      for (int w = 0; w < warps; ++w) {
        if (w == warp) write_sums(sums, own, begin, d.O, d.P, w > 0);
        __syncthreads();
      }
      for (i64 i = threadIdx.x; i < width; i += blockDim.x) d.parts[s * width + i] = sums[i];
      __syncthreads();
    }
  }
}
#define BACKPROP_NORMED_ARGUMENTS(T)                                                                             \
  (T * dZ, acc<T> * parts, const T* dY, const T* best, const i32* which, const T* mu, const T* rstd, const T* G, \
   i64 B, i64 O, i64 P, i64 share, i64 seed, i64 threshold, acc<T> kept, ErrorWord* error, i64 ticket)
#define BACKPROP_NORMED_GRADIENT(T) \
  (NormedGradient<T>{dZ, parts, dY, best, which, mu, rstd, G, B, O, P, share, seed, threshold, kept, error, ticket})
#define BACKPROP_NORMED(suffix, T, N)                                                         \
  ROW_KERNEL(backprop_affine_maxout_layernorm_##N##_##suffix, BACKPROP_NORMED_ARGUMENTS(T)) { \
    SHARED(acc<T>, sums, (2 + MOST_PIECES) * N * WARP);                                       \
    backprop_normed<N, false>(BACKPROP_NORMED_GRADIENT(T), sums, WarpTeam());                 \
  }
FOR_FLOATS(BACKPROP_NORMED, 4)
FOR_FLOATS(BACKPROP_NORMED, 8)
#define BACKPROP_NORMED_WIDE(suffix, T, ...)                                                             \
  ROW_KERNEL(backprop_affine_maxout_layernorm_wide_##suffix, BACKPROP_NORMED_ARGUMENTS(T)) {             \
    SHARED(acc<T>, scratch, WARP + 1);                                                                   \
    backprop_normed<4, true>(BACKPROP_NORMED_GRADIENT(T), (acc<T>*)nullptr, BlockTeam<acc<T>>{scratch}); \
  }
FOR_FLOATS(BACKPROP_NORMED_WIDE)

// dG, dshift (O,) and db (O, P) plus the columns of parts.
#define NORMED_FINISH(suffix, T, ...)                                                                    \
  KERNEL(affine_maxout_layernorm_finish_##suffix,                                                        \
         (T * dG, T * dshift, T * db, const acc<T>* parts, i64 shares, i64 O, i64 P)) {                  \
    SHARED(acc<T>, scratch, MOST_THREADS);                                                               \
    add_up_parts(parts, shares, (2 + P) * O, scratch, [=](i64 column, acc<T> sum) {                      \
      T* to = column < O ? dG + column : column < 2 * O ? dshift + (column - O) : db + (column - 2 * O); \
      *to = from_acc<T>(to_acc(*to) + sum);                                                              \
    });                                                                                                  \
  }
FOR_FLOATS(NORMED_FINISH)

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
