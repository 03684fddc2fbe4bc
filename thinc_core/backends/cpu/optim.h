// What the optimizer does to whole parameters, in one pass each.

// mom1 = beta1 mom1 + (1 - beta1) g;  mom2 = beta2 mom2 + (1 - beta2) g^2;
// weights -= learn_rate mom1 / (mod_rate sqrt(mom2) + eps);  gradient = 0.
template <typename T>
static void adam(T* weights, T* gradient, T* mom1, T* mom2, size_t n, T beta1, T beta2, T eps, T learn_rate,
                 T mod_rate) {
  T rest1 = T(1) - beta1, rest2 = T(1) - beta2;
  THINC_INDEPENDENT
  for (size_t i = 0; i < n; ++i) {
    T g = gradient[i];
    T m = beta1 * mom1[i] + rest1 * g;
    T v = beta2 * mom2[i] + rest2 * (g * g);
    mom1[i] = m;
    mom2[i] = v;
    weights[i] -= learn_rate * m / (mod_rate * sqrt_(v) + eps);
    gradient[i] = T(0);
  }
}

template <typename T>
static void sum_squares(double* total, const T* X, size_t n) {
  constexpr size_t LANES = 32;  // as many sums in flight as it takes to keep up with the reads
  double part[LANES] = {0};
  size_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (size_t lane = 0; lane < LANES; ++lane) part[lane] += (double)X[i + lane] * (double)X[i + lane];
  for (size_t lane = 0; i < n; ++i, ++lane) part[lane] += (double)X[i] * (double)X[i];
  fold_tree_<LANES>(part, [](double a, double b) { return a + b; });
  *total = part[0];
}

template <typename T>
static void update_averages(T* ema, const T* weights, size_t n, T decay) {
  T step = T(1) - decay;
  fill_(ema, n, [=](size_t i) { return ema[i] - step * (ema[i] - weights[i]); });
}
