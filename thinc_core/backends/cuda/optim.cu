// What training does to whole parameters.

// mom1 = keep1 mom1 + take1 g;  mom2 = keep2 mom2 + take2 g^2;  weights -= rate mom1 / (mod sqrt(mom2) + eps);  g = 0.
template <typename A>
struct Adam {
  A keep1, take1, keep2, take2, eps, rate, mod;

  // What the weight is then; m and v are changed.
  MEMBER A moved(A w, A g, A* m, A* v) const {
    *m = keep1 * *m + take1 * g;
    *v = keep2 * *v + take2 * (g * g);
    return w - rate * *m / (mod * sqrt_(*v) + eps);
  }
  template <typename T>
  MEMBER void step(T* weights, T* gradient, T* mom1, T* mom2) const {
    A m = to_acc(*mom1), v = to_acc(*mom2);
    *weights = from_acc<T>(moved(to_acc(*weights), to_acc(*gradient), &m, &v));
    *mom1 = from_acc<T>(m);
    *mom2 = from_acc<T>(v);
    *gradient = from_acc<T>(A(0));
  }
};

template <typename T>
DEVICE void adam(T* __restrict__ weights, T* __restrict__ gradient, T* __restrict__ mom1, T* __restrict__ mom2, i64 n,
                 Adam<acc<T>> adam) {
  constexpr int N = LANES<T>;
  i64 whole = aligned(weights, gradient, mom1, mom2) ? n / N : 0;
  for (i64 i = first_index(); i < whole; i += stride()) {
    Vec<T, N> w = load<N>(weights + i * N), g = load<N>(gradient + i * N);
    Vec<T, N> m = load<N>(mom1 + i * N), v = load<N>(mom2 + i * N);
#pragma unroll
    for (int k = 0; k < N; ++k) adam.step(&w.v[k], &g.v[k], &m.v[k], &v.v[k]);
    store(weights + i * N, w);
    store(gradient + i * N, g);
    store(mom1 + i * N, m);
    store(mom2 + i * N, v);
  }
  for (i64 i = whole * N + first_index(); i < n; i += stride())
    adam.step(weights + i, gradient + i, mom1 + i, mom2 + i);
}
#define ADAM(suffix, T, ...)                                                                               \
  KERNEL(adam_##suffix, (T * weights, T * gradient, T * mom1, T * mom2, i64 n, acc<T> keep1, acc<T> take1, \
                         acc<T> keep2, acc<T> take2, acc<T> eps, acc<T> rate, acc<T> mod)) {               \
    adam(weights, gradient, mom1, mom2, n, Adam<acc<T>>{keep1, take1, keep2, take2, eps, rate, mod});      \
  }
FOR_FLOATS(ADAM)

// Sums of squares without FP64: as floats, of which each sum has a second one that keeps what it rounds away, in three
// classes of magnitude, whose squares are times 2^160, 1 and 2^-160, so that none overflows or vanishes.
constexpr int CLASSES = 3, NEAR = 1, FAR = 2;

template <typename A>
struct Squares {
  A sum[CLASSES] = {}, rest[CLASSES] = {};

  static MEMBER A unit(int k) { return k == NEAR ? 1.0f : k == FAR ? 8.27180613e-25f : 1.20892582e24f; }  // 2^-80, 2^80

  template <int N>
  MEMBER void add(const A (&x)[N]) {
    A most = 0, square = 0;
#pragma unroll
    for (int k = 0; k < N; ++k) most = max(most, abs_(x[k]));
    int found = most >= 1.0995116e12f ? FAR : most < 9.094947e-13f ? 0 : NEAR;  // 2^40, 2^-40
    A u = unit(found);
#pragma unroll
    for (int k = 0; k < N; ++k) square += (x[k] * u) * (x[k] * u);
#pragma unroll
    for (int k = 0; k < CLASSES; ++k) {
      A s = k == found ? square : A(0), total = add_(sum[k], s), taken = add_(total, -sum[k]);
      rest[k] += add_(add_(sum[k], -add_(total, -taken)), add_(s, -taken));
      sum[k] = total;
    }
  }
  MEMBER A total(int k) const { return sum[k] - sum[k] == A(0) ? sum[k] + rest[k] : sum[k]; }  // finite or not

  // threshold / norm where the norm is not below the threshold, else 1. A class whose numbers are 2^80 times those of
  // the next counts alone, but for what is near the border.
  static MEMBER A scale(const A (&total)[CLASSES], A threshold) {
    A sum = total[NEAR] + total[0] * unit(FAR) * unit(FAR), u = 1;
    if (total[FAR] != A(0)) {
      sum = total[FAR] + total[NEAR] * unit(FAR) * unit(FAR);
      u = unit(FAR);
    } else if (total[NEAR] == A(0)) {
      sum = total[0];
      u = unit(0);
    }
    A norm = sqrt_(sum);
    if (!(norm >= threshold * u && norm > A(0))) return A(1);
    return u > A(1) ? threshold * u / norm : threshold / norm * u;
  }
};

// In double there is no need for any of this.
template <>
struct Squares<double> {
  double sum = 0;

  template <int N>
  MEMBER void add(const double (&x)[N]) {
#pragma unroll
    for (int k = 0; k < N; ++k) sum += x[k] * x[k];
  }
  MEMBER double total(int k) const { return k == NEAR ? sum : 0.0; }

  static MEMBER double scale(const double (&total)[CLASSES], double threshold) {
    double norm = sqrt_(total[NEAR]);
    return norm >= threshold && norm > 0.0 ? threshold / norm : 1.0;
  }
};

// The squares of x(i, lanes), for i < n in pieces of N and one by one, by the threads from `first` on that far apart.
template <int N, typename A, typename F>
DEVICE Squares<A> add_squares(i64 n, bool pieces, i64 first, i64 stride, F x) {
  Squares<A> squares;
  i64 whole = pieces ? n / N : 0;
  for (i64 i = first; i < whole; i += stride) {
    A wide[N];
    x(i * N, wide);
    squares.add(wide);
  }
  for (i64 i = whole * N + first; i < n; i += stride) {
    A wide[1];
    x(i, wide);
    squares.add(wide);
  }
  return squares;
}
// partials[k * columns + column]: the sum over the block in class k. Whether it is finite, to thread 0.
template <typename A>
DEVICE bool write_squares(A* partials, i64 columns, i64 column, const Squares<A>& squares, A* scratch) {
  bool finite = true;
#pragma unroll
  for (int k = 0; k < CLASSES; ++k) {
    A total = reduce_block(squares.total(k), A(0), Sum(), scratch);
    finite = finite && total - total == A(0);
    if (threadIdx.x == 0) partials[k * columns + column] = total;
  }
  return finite;
}
// By how much a gradient is scaled whose squares are in so many columns of the partials; all threads get it.
template <typename A>
DEVICE A clip_scale(const A* partials, i64 columns, i64 first, i64 count, A threshold, A* scratch) {
  A total[CLASSES];
#pragma unroll
  for (int k = 0; k < CLASSES; ++k) {
    A sum = 0;
    for (i64 b = threadIdx.x; b < count; b += blockDim.x) sum += partials[k * columns + first + b];
    total[k] = reduce_block(sum, A(0), Sum(), scratch);
  }
  return Squares<A>::scale(total, threshold);
}

template <int N, typename T>
DEVICE void load_wide(const T* X, acc<T> (&wide)[N]) {
  Vec<T, N> x = load<N>(X);
#pragma unroll
  for (int k = 0; k < N; ++k) wide[k] = to_acc(x.v[k]);
}

template <typename T>
DEVICE void sum_squares(acc<T>* __restrict__ partials, const T* __restrict__ X, i64 n) {
  SHARED(acc<T>, scratch, WARP + 1);
  auto values = [=](i64 i, auto& wide) { load_wide(X + i, wide); };
  auto squares = add_squares<LANES<T>, acc<T>>(n, aligned(X), first_index(), stride(), values);
  write_squares(partials, gridDim.x, blockIdx.x, squares, scratch);
}

// Every block adds up the partials of all `blocks` blocks; when there is nothing to clip it leaves X alone.
template <typename T>
DEVICE void clip_gradient(T* X, i64 n, const acc<T>* __restrict__ partials, i64 blocks, acc<T> threshold) {
  SHARED(acc<T>, scratch, WARP + 1);
  acc<T> scale = clip_scale(partials, blocks, 0, blocks, threshold, scratch);
  if (scale != acc<T>(1)) map_elements(X, n, [=](acc<T> x) { return x * scale; }, X);
}
#define CLIP_GRADIENT(suffix, T, ...)                                                                    \
  KERNEL(sum_squares_##suffix, (acc<T> * partials, const T* X, i64 n)) { sum_squares(partials, X, n); }  \
  KERNEL(clip_gradient_##suffix, (T * X, i64 n, const acc<T>* partials, i64 blocks, acc<T> threshold)) { \
    clip_gradient(X, n, partials, blocks, threshold);                                                    \
  }
FOR_FLOATS(CLIP_GRADIENT)

// A step for many parameters, cut into chunks of one parameter each, a block for every chunk. What is where lies in two
// tables. items, of each parameter: addresses of weights, gradient, mom1, mom2 and average (0 for none), its first
// chunk and how many it has. chunks, of each: its parameter, its first value, how many it has.
template <typename T>
struct Chunk {
  typedef acc<T> A;
  T *weights, *gradient, *average;
  A *mom1, *mom2;
  i64 n, first_chunk, chunks;

  MEMBER Chunk(const i64* items, const i64* table, i64 k) {
    const i64 *chunk = table + 3 * k, *item = items + 7 * chunk[0];
    weights = reinterpret_cast<T*>(item[0]) + chunk[1];
    gradient = reinterpret_cast<T*>(item[1]) + chunk[1];
    mom1 = item[2] ? reinterpret_cast<A*>(item[2]) + chunk[1] : nullptr;
    mom2 = item[3] ? reinterpret_cast<A*>(item[3]) + chunk[1] : nullptr;
    average = item[4] ? reinterpret_cast<T*>(item[4]) + chunk[1] : nullptr;
    n = chunk[2];
    first_chunk = item[5];
    chunks = item[6];
  }
  // The gradient of N values from the i-th on, as it goes into the step but for clipping.
  template <int N>
  MEMBER void ready(i64 i, A unscale, A penalty, A (&g)[N]) const {
    load_wide(gradient + i, g);
#pragma unroll
    for (int k = 0; k < N; ++k) g[k] *= unscale;
    if (penalty != A(0)) {
      A w[N];
      load_wide(weights + i, w);
#pragma unroll
      for (int k = 0; k < N; ++k) g[k] += penalty * w[k];
    }
  }
};

// found_inf may be null. Several blocks may write to it, always 1.
template <typename T>
DEVICE void gradient_squares(acc<T>* __restrict__ partials, i32* found_inf, const i64* __restrict__ items,
                             const i64* __restrict__ chunks, i64 count, acc<T> unscale, acc<T> penalty) {
  SHARED(acc<T>, scratch, WARP + 1);
  for (i64 k = blockIdx.x; k < count; k += gridDim.x) {
    Chunk<T> chunk(items, chunks, k);
    bool pieces = aligned(chunk.gradient, penalty != acc<T>(0) ? chunk.weights : nullptr);
    auto values = [=](i64 i, auto& g) { chunk.ready(i, unscale, penalty, g); };
    auto squares = add_squares<LANES<T>, acc<T>>(chunk.n, pieces, threadIdx.x, blockDim.x, values);
    bool finite = write_squares(partials, count, k, squares, scratch);
    if (threadIdx.x == 0 && found_inf && !finite) *found_inf = 1;
  }
}

template <typename A>
struct Step {
  Adam<A> adam;
  A unscale, penalty, along, decay, toward, share, by_sign;

  template <int N, typename T>
  MEMBER void piece(const Chunk<T>& c, i64 i, A scale, bool skip) const {
    if (!skip) move<N>(c, i, scale);
    Vec<T, N> zero;
#pragma unroll
    for (int k = 0; k < N; ++k) zero.v[k] = from_acc<T>(A(0));
    store(c.gradient + i, zero);
  }
  // What the weight is after a step with one moment; m is changed.
  MEMBER A moved(A w, A g, A* m) const {
    if (by_sign != A(0)) {
      A u = adam.keep1 * *m + adam.take1 * g;
      *m = adam.keep2 * *m + adam.take2 * g;
      return w - adam.rate * (u > A(0) ? A(1) : u < A(0) ? A(-1) : u);
    }
    *m = adam.keep1 * *m + share * g;
    return w - adam.rate * g - along * *m;
  }
  template <int N, typename T>
  MEMBER void move(const Chunk<T>& c, i64 i, A scale) const {
    A g[N];
    c.ready(i, unscale, penalty, g);
    Vec<T, N> w = load<N>(c.weights + i);
    Vec<A, N> m = c.mom1 ? load<N>(c.mom1 + i) : Vec<A, N>(), v = c.mom2 ? load<N>(c.mom2 + i) : Vec<A, N>();
#pragma unroll
    for (int k = 0; k < N; ++k) {
      A x = to_acc(w.v[k]);
      if (c.mom2) {
        x = adam.moved(x, g[k] * scale, &m.v[k], &v.v[k]);
        if (along != A(0)) x -= along * m.v[k];
      } else if (c.mom1) {
        x = moved(x, g[k] * scale, &m.v[k]);
      } else {
        x -= adam.rate * (g[k] * scale);
      }
      w.v[k] = from_acc<T>(x * decay);
    }
    store(c.weights + i, w);
    if (c.mom1) store(c.mom1 + i, m);
    if (c.mom2) store(c.mom2 + i, v);
    if (c.average) {
      Vec<T, N> mean = load<N>(c.average + i);
#pragma unroll
      for (int k = 0; k < N; ++k) {
        A e = to_acc(mean.v[k]);
        mean.v[k] = from_acc<T>(e - toward * (e - to_acc(w.v[k])));
      }
      store(c.average + i, mean);
    }
  }
};

// partials: of gradient_squares, null when nothing is clipped. Where found_inf is not 0, gradients are cleared only.
template <typename T>
DEVICE void apply_gradients(const i64* __restrict__ items, const i64* __restrict__ chunks, i64 count,
                            const acc<T>* __restrict__ partials, acc<T> grad_clip, const i32* __restrict__ found_inf,
                            Step<acc<T>> step) {
  constexpr int N = LANES<acc<T>>;  // of the moments: those of 16 bits are as many
  SHARED(acc<T>, scratch, WARP + 1);
  bool skip = found_inf && *found_inf != 0;
  for (i64 k = blockIdx.x; k < count; k += gridDim.x) {
    Chunk<T> c(items, chunks, k);
    acc<T> scale = partials ? clip_scale(partials, count, c.first_chunk, c.chunks, grad_clip, scratch) : acc<T>(1);
    i64 whole = aligned(c.weights, c.gradient, c.mom1, c.mom2, c.average) ? c.n / N : 0;
    for (i64 i = threadIdx.x; i < whole; i += blockDim.x) step.template piece<N>(c, i * N, scale, skip);
    for (i64 i = whole * N + threadIdx.x; i < c.n; i += blockDim.x) step.template piece<1>(c, i, scale, skip);
  }
}
#define APPLY_GRADIENTS(suffix, T, ...)                                                                               \
  KERNEL(gradient_squares_##suffix, (acc<T> * partials, i32 * found_inf, const i64* items, const i64* chunks,         \
                                     i64 count, acc<T> unscale, acc<T> penalty)) {                                    \
    gradient_squares<T>(partials, found_inf, items, chunks, count, unscale, penalty);                                 \
  }                                                                                                                   \
  KERNEL(apply_gradients_##suffix,                                                                                    \
         (const i64* items, const i64* chunks, i64 count, const acc<T>* partials, acc<T> grad_clip,                   \
          const i32* found_inf, acc<T> keep1, acc<T> take1, acc<T> keep2, acc<T> take2, acc<T> eps, acc<T> rate,      \
          acc<T> unscale, acc<T> penalty, acc<T> along, acc<T> decay, acc<T> toward, acc<T> share, acc<T> by_sign)) { \
    Adam<acc<T>> adam{keep1, take1, keep2, take2, eps, rate, acc<T>(1)};                                              \
    apply_gradients<T>(items, chunks, count, partials, grad_clip, found_inf,                                          \
                       {adam, unscale, penalty, along, decay, toward, share, by_sign});                               \
  }
FOR_FLOATS(APPLY_GRADIENTS)

#define UPDATE_AVERAGES(suffix, T, ...)                                                                   \
  KERNEL(update_averages_##suffix, (T * ema, const T* weights, i64 n, acc<T> step)) {                     \
    map_elements(ema, n, [=](acc<T> e, acc<T> w) { return e - step * (e - w); }, (const T*)ema, weights); \
  }
FOR_FLOATS(UPDATE_AVERAGES)

template <typename A>
DEVICE A logloss(A y, A p) {
  return -(y * log_(p + A(1e-8)) + (A(1) - y) * log_(A(1) - p + A(1e-8)));
}
#define LOGLOSS(suffix, T, ...)                                                              \
  KERNEL(logloss_##suffix, (T * loss, const T* y_true, const T* y_pred, i64 n)) {            \
    map_elements(loss, n, [](acc<T> y, acc<T> p) { return logloss(y, p); }, y_true, y_pred); \
  }
FOR_FLOATS(LOGLOSS)
