// Normalisation of rows: layer norm, and RMS norm, which is the same around 0 instead of the mean, without a shift.
// Formulas: reference/layernorm.py. CENTRED: layer norm. Without it mu, shift and db are null and not looked at.

// How a row is read: by warps that keep it in registers, N elements a lane, in pieces of V.
template <bool CENTRED, int N, int V, typename T>
DEVICE void layernorm_kept(T* __restrict__ Y, T* __restrict__ mu, T* __restrict__ rstd, const T* __restrict__ X,
                           const T* __restrict__ G, const T* __restrict__ shift, i64 B, i64 O, acc<T> eps) {
  typedef acc<T> A;
  int lane = threadIdx.x % WARP;
  for (i64 b = first_warp(); b < B; b += warps()) {
    A x[N], sum = A(0), squares = A(0);
#pragma unroll
    for (int k = 0; k < N; k += V) {
      i64 i = (i64)k * WARP + lane * V;
      Vec<T, V> values = {};
      if (i < O) values = load<V>(X + b * O + i);
#pragma unroll
      for (int j = 0; j < V; ++j) sum += x[k + j] = to_acc(values.v[j]);
    }
    A mean = CENTRED ? reduce_warp(sum, Sum()) / A(O) : A(0);
#pragma unroll
    for (int k = 0; k < N; k += V) {
      bool inside = (i64)k * WARP + lane * V < O;
#pragma unroll
      for (int j = 0; j < V; ++j) {
        x[k + j] -= mean;
        squares += inside ? x[k + j] * x[k + j] : A(0);
      }
    }
    A scale = A(1) / sqrt_(reduce_warp(squares, Sum()) / A(O) + eps);
#pragma unroll
    for (int k = 0; k < N; k += V) {
      i64 i = (i64)k * WARP + lane * V;
      if (i >= O) continue;
      Vec<T, V> g = load<V>(G + i), s = {}, y;
      if (CENTRED) s = load<V>(shift + i);
#pragma unroll
      for (int j = 0; j < V; ++j) y.v[j] = from_acc<T>(x[k + j] * scale * to_acc(g.v[j]) + to_acc(s.v[j]));
      store(Y + b * O + i, y);
    }
    if (lane == 0) rstd[b] = from_acc<T>(scale);
    if (CENTRED && lane == 0) mu[b] = from_acc<T>(mean);
  }
}
// By a block that reads it three times, or twice.
template <bool CENTRED, int V, typename T>
DEVICE void layernorm_reread(T* __restrict__ Y, T* __restrict__ mu, T* __restrict__ rstd, const T* __restrict__ X,
                             const T* __restrict__ G, const T* __restrict__ shift, i64 B, i64 O, acc<T> eps,
                             acc<T>* scratch) {
  typedef acc<T> A;
  i64 first = (i64)threadIdx.x * V, step = (i64)blockDim.x * V;
  for (i64 b = blockIdx.x; b < B; b += gridDim.x) {
    const T* x = X + b * O;
    A mean = A(0), squares = A(0);
    if (CENTRED) {
      A sum = A(0);
#pragma unroll 1
      for (i64 i = first; i < O; i += step) {
        Vec<T, V> values = load<V>(x + i);
#pragma unroll
        for (int j = 0; j < V; ++j) sum += to_acc(values.v[j]);
      }
      mean = reduce_block(sum, A(0), Sum(), scratch) / A(O);
    }
#pragma unroll 1
    for (i64 i = first; i < O; i += step) {
      Vec<T, V> values = load<V>(x + i);
#pragma unroll
      for (int j = 0; j < V; ++j) squares += (to_acc(values.v[j]) - mean) * (to_acc(values.v[j]) - mean);
    }
    A scale = A(1) / sqrt_(reduce_block(squares, A(0), Sum(), scratch) / A(O) + eps);
    auto f = [=](A value, A g, A s) { return (value - mean) * scale * g + s; };
#pragma unroll 1
    for (i64 i = first; i < O; i += step) {
      Vec<T, V> s = {};
      if (CENTRED) s = load<V>(shift + i);
      store(Y + b * O + i, map_vector<T>(f, load<V>(x + i), load<V>(G + i), s));
    }
    if (threadIdx.x == 0) rstd[b] = from_acc<T>(scale);
    if (CENTRED && threadIdx.x == 0) mu[b] = from_acc<T>(mean);
  }
}

// A warp per row of at most 32 * N elements; a block per row for any other.
template <bool CENTRED, int N, typename T>
DEVICE void layernorm(T* Y, T* mu, T* rstd, const T* X, const T* G, const T* shift, i64 B, i64 O, acc<T> eps) {
  if (O % LANES<T> == 0 && aligned(Y, X, G, shift)) {
    layernorm_kept<CENTRED, N, LANES<T>>(Y, mu, rstd, X, G, shift, B, O, eps);
  } else {
    layernorm_kept<CENTRED, N, 1>(Y, mu, rstd, X, G, shift, B, O, eps);
  }
}
template <bool CENTRED, typename T>
DEVICE void layernorm_wide(T* Y, T* mu, T* rstd, const T* X, const T* G, const T* shift, i64 B, i64 O, acc<T> eps,
                           acc<T>* scratch) {
  if (O % LANES<T> == 0 && aligned(Y, X, G, shift)) {
    layernorm_reread<CENTRED, LANES<T>>(Y, mu, rstd, X, G, shift, B, O, eps, scratch);
  } else {
    layernorm_reread<CENTRED, 1>(Y, mu, rstd, X, G, shift, B, O, eps, scratch);
  }
}
#define LAYERNORM_OF(suffix, T, N)                                                                          \
  ROW_KERNEL(layernorm_##N##_##suffix,                                                                      \
             (T * Y, T * mu, T * rstd, const T* X, const T* G, const T* shift, i64 B, i64 O, acc<T> eps)) { \
    layernorm<true, N>(Y, mu, rstd, X, G, shift, B, O, eps);                                                \
  }                                                                                                         \
  ROW_KERNEL(rmsnorm_##N##_##suffix, (T * Y, T * rstd, const T* X, const T* G, i64 B, i64 O, acc<T> eps)) { \
    layernorm<false, N, T>(Y, nullptr, rstd, X, G, nullptr, B, O, eps);                                     \
  }
FOR_FLOATS(LAYERNORM_OF, 8)
FOR_FLOATS(LAYERNORM_OF, 32)
#define LAYERNORM_WIDE(suffix, T, ...)                                                                  \
  KERNEL(layernorm_wide_##suffix,                                                                       \
         (T * Y, T * mu, T * rstd, const T* X, const T* G, const T* shift, i64 B, i64 O, acc<T> eps)) { \
    SHARED(acc<T>, scratch, WARP + 1);                                                                  \
    layernorm_wide<true>(Y, mu, rstd, X, G, shift, B, O, eps, scratch);                                 \
  }                                                                                                     \
  KERNEL(rmsnorm_wide_##suffix, (T * Y, T * rstd, const T* X, const T* G, i64 B, i64 O, acc<T> eps)) {  \
    SHARED(acc<T>, scratch, WARP + 1);                                                                  \
    layernorm_wide<false, T>(Y, nullptr, rstd, X, G, nullptr, B, O, eps, scratch);                      \
  }
FOR_FLOATS(LAYERNORM_WIDE)

// What a row of the gradient is computed from.
template <typename T>
struct Gradient {
  T* dX;
  const T *dY, *X, *G, *mu, *rstd;
  i64 O;
};

// dX of row b, by a team that reads the row twice.
template <bool CENTRED, int V, typename T, typename Team>
DEVICE void backprop_row(const Gradient<T>& d, i64 b, Team team) {
  typedef acc<T> A;
  const T *dy = d.dY + b * d.O, *x = d.X + b * d.O;
  T* dx = d.dX + b * d.O;
  A mean = CENTRED ? to_acc(d.mu[b]) : A(0), scale = to_acc(d.rstd[b]), sum = A(0), products = A(0);
#pragma unroll 1
  for (i64 i = (i64)team.rank() * V; i < d.O; i += (i64)team.size() * V) {
    Vec<T, V> dys = load<V>(dy + i), xs = load<V>(x + i), gs = load<V>(d.G + i);
#pragma unroll
    for (int j = 0; j < V; ++j) {
      A g = to_acc(dys.v[j]) * to_acc(gs.v[j]);
      sum += g;
      products += g * ((to_acc(xs.v[j]) - mean) * scale);
    }
  }
  A mean_g = CENTRED ? team.reduce(sum, A(0), Sum()) / A(d.O) : A(0);
  A mean_gh = team.reduce(products, A(0), Sum()) / A(d.O);
  auto f = [=](A dy, A x, A g) { return scale * (dy * g - mean_g - (x - mean) * scale * mean_gh); };
#pragma unroll 1
  for (i64 i = (i64)team.rank() * V; i < d.O; i += (i64)team.size() * V) {
    store(dx + i, map_vector<T>(f, load<V>(dy + i), load<V>(x + i), load<V>(d.G + i)));
  }
}
// Every step-th row from the first one on.
template <bool CENTRED, typename T, typename Team>
DEVICE void backprop_rows(const Gradient<T>& d, i64 first, i64 end, i64 step, bool vectors, Team team) {
#pragma unroll 1
  for (i64 b = first; b < end; b += step) {
    if (vectors) {
      backprop_row<CENTRED, LANES<T>>(d, b, team);
    } else {
      backprop_row<CENTRED, 1>(d, b, team);
    }
  }
}
// The sums of dY * h, and of dY, of rows [first, end), added to what the threads of this block have in parts.
template <bool CENTRED, typename T>
DEVICE void backprop_columns(const Gradient<T>& d, acc<T>* parts, i64 first, i64 end, bool begin) {
  typedef acc<T> A;
  for (i64 o = threadIdx.x; o < d.O; o += blockDim.x) {
    A dG = begin ? A(0) : parts[o], db = begin || !CENTRED ? A(0) : parts[d.O + o];
    i64 at = first * d.O + o;
#pragma unroll 4
    for (i64 b = first; b < end; ++b, at += d.O) {
      A dy = to_acc(d.dY[at]), mean = CENTRED ? to_acc(d.mu[b]) : A(0);
      dG += dy * ((to_acc(d.X[at]) - mean) * to_acc(d.rstd[b]));
      db += dy;
    }
    parts[o] = dG;
    if (CENTRED) parts[d.O + o] = db;
  }
}

// A block takes a share of the rows, `tile` of them at a time: first dX, row by row, then the columns, which are in the
// cache by then. parts: (shares, 2, O), or (shares, O) without db; summed up by a second kernel in the same order each
// time.
template <bool CENTRED, bool WIDE, typename T>
DEVICE void backprop_layernorm(const Gradient<T>& d, acc<T>* __restrict__ parts, i64 B, i64 share, acc<T>* scratch) {
  constexpr i64 TILE = 32;
  bool vectors = d.O % LANES<T> == 0 && aligned(d.dX, d.dY, d.X, d.G);
  for (i64 s = blockIdx.x; s * share < B; s += gridDim.x) {
    i64 last = min(B, (s + 1) * share);
#pragma unroll 1
    for (i64 first = s * share; first < last; first += TILE) {
      i64 end = min(last, first + TILE);
      if (WIDE) {
        backprop_rows<CENTRED>(d, first, end, 1, vectors, BlockTeam<acc<T>>{scratch});
      } else {
        backprop_rows<CENTRED>(d, first + threadIdx.x / WARP, end, blockDim.x / WARP, vectors, WarpTeam());
      }
      backprop_columns<CENTRED>(d, parts + s * (CENTRED ? 2 : 1) * d.O, first, end, first == s * share);
    }
  }
}
#define BACKPROP_LAYERNORM(suffix, T, ...)                                                                            \
  KERNEL(backprop_layernorm_##suffix, (T * dX, acc<T> * parts, const T* dY, const T* X, const T* G, const T* mu,      \
                                       const T* rstd, i64 B, i64 O, i64 share)) {                                     \
    backprop_layernorm<true, false>(Gradient<T>{dX, dY, X, G, mu, rstd, O}, parts, B, share, (acc<T>*)nullptr);       \
  }                                                                                                                   \
  KERNEL(backprop_layernorm_wide_##suffix, (T * dX, acc<T> * parts, const T* dY, const T* X, const T* G, const T* mu, \
                                            const T* rstd, i64 B, i64 O, i64 share)) {                                \
    SHARED(acc<T>, scratch, WARP + 1);                                                                                \
    backprop_layernorm<true, true>(Gradient<T>{dX, dY, X, G, mu, rstd, O}, parts, B, share, scratch);                 \
  }                                                                                                                   \
  KERNEL(backprop_rmsnorm_##suffix,                                                                                   \
         (T * dX, acc<T> * parts, const T* dY, const T* X, const T* G, const T* rstd, i64 B, i64 O, i64 share)) {     \
    backprop_layernorm<false, false>(Gradient<T>{dX, dY, X, G, nullptr, rstd, O}, parts, B, share, (acc<T>*)nullptr); \
  }                                                                                                                   \
  KERNEL(backprop_rmsnorm_wide_##suffix,                                                                              \
         (T * dX, acc<T> * parts, const T* dY, const T* X, const T* G, const T* rstd, i64 B, i64 O, i64 share)) {     \
    SHARED(acc<T>, scratch, WARP + 1);                                                                                \
    backprop_layernorm<false, true>(Gradient<T>{dX, dY, X, G, nullptr, rstd, O}, parts, B, share, scratch);           \
  }
FOR_FLOATS(BACKPROP_LAYERNORM)

// dG, and db if it is not null, plus the columns of parts (shares, width), width O or 2 * O.
#define LAYERNORM_FINISH(suffix, T, ...)                                                                   \
  KERNEL(layernorm_finish_##suffix, (T * dG, T * db, const acc<T>* parts, i64 shares, i64 width, i64 O)) { \
    SHARED(acc<T>, scratch, MOST_THREADS);                                                                 \
    add_up_parts(parts, shares, width, scratch, [=](i64 column, acc<T> sum) {                              \
      T* to = column < O ? dG + column : db + (column - O);                                                \
      *to = from_acc<T>(to_acc(*to) + sum);                                                                \
    });                                                                                                    \
  }
FOR_FLOATS(LAYERNORM_FINISH)
