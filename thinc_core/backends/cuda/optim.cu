// What training does to whole parameters.

// mom1 = keep1 mom1 + take1 g;  mom2 = keep2 mom2 + take2 g^2;  weights -= rate mom1 / (mod sqrt(mom2) + eps);  g = 0.
template <typename A>
struct Adam {
  A keep1, take1, keep2, take2, eps, rate, mod;

  template <typename T>
  MEMBER void step(T* weights, T* gradient, T* mom1, T* mom2) const {
    A g = to_acc(*gradient), m = keep1 * to_acc(*mom1) + take1 * g, v = keep2 * to_acc(*mom2) + take2 * (g * g);
    *mom1 = from_acc<T>(m);
    *mom2 = from_acc<T>(v);
    *weights = from_acc<T>(to_acc(*weights) - rate * m / (mod * sqrt_(v) + eps));
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

// partials[k * blocks + b]: what block b has found in class k.
template <typename T>
DEVICE void sum_squares(acc<T>* __restrict__ partials, const T* __restrict__ X, i64 n) {
  constexpr int N = LANES<T>;
  SHARED(acc<T>, scratch, WARP + 1);
  Squares<acc<T>> squares;
  i64 whole = aligned(X) ? n / N : 0;
  for (i64 i = first_index(); i < whole; i += stride()) {
    Vec<T, N> x = load<N>(X + i * N);
    acc<T> wide[N];
#pragma unroll
    for (int k = 0; k < N; ++k) wide[k] = to_acc(x.v[k]);
    squares.add(wide);
  }
  for (i64 i = whole * N + first_index(); i < n; i += stride()) {
    acc<T> wide[1] = {to_acc(X[i])};
    squares.add(wide);
  }
#pragma unroll
  for (int k = 0; k < CLASSES; ++k) {
    acc<T> total = reduce_block(squares.total(k), acc<T>(0), Sum(), scratch);
    if (threadIdx.x == 0) partials[k * (i64)gridDim.x + blockIdx.x] = total;
  }
}

// Every block adds up the partials of all `blocks` blocks; when there is nothing to clip it leaves X alone.
template <typename T>
DEVICE void clip_gradient(T* X, i64 n, const acc<T>* __restrict__ partials, i64 blocks, acc<T> threshold) {
  SHARED(acc<T>, scratch, WARP + 1);
  acc<T> total[CLASSES];
#pragma unroll
  for (int k = 0; k < CLASSES; ++k) {
    acc<T> sum = 0;
    for (i64 b = threadIdx.x; b < blocks; b += blockDim.x) sum += partials[k * blocks + b];
    total[k] = reduce_block(sum, acc<T>(0), Sum(), scratch);
  }
  acc<T> scale = Squares<acc<T>>::scale(total, threshold);
  if (scale != acc<T>(1)) map_elements(X, n, [=](acc<T> x) { return x * scale; }, X);
}
#define CLIP_GRADIENT(suffix, T, ...)                                                                    \
  KERNEL(sum_squares_##suffix, (acc<T> * partials, const T* X, i64 n)) { sum_squares(partials, X, n); }  \
  KERNEL(clip_gradient_##suffix, (T * X, i64 n, const acc<T>* partials, i64 blocks, acc<T> threshold)) { \
    clip_gradient(X, n, partials, blocks, threshold);                                                    \
  }
FOR_FLOATS(CLIP_GRADIENT)

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
