// What the optimizer does to whole parameters, in one pass each.
// Measured, one thread of an AVX-512 EPYC shared with others, f32, 1,000,000 values, us beside a copy of the same
// bytes: adam 413 (1030), norm 45 (45), update_averages 85 (153).

// Most weights of a large table or of a bag of words have never had a gradient. They are passed over a block at a time,
// after a look that costs nothing where the first of them has moved.
constexpr size_t UNTOUCHED = 1024;

// Whether n values at X are all +0.
template <typename T>
static inline bool all_zero_(const T* X, size_t n) {
  using Bits = decltype(bit_type_(T()));
  Bits any = 0;
  for (size_t i = 0; i < n; ++i) {
    Bits x;
    memcpy(&x, X + i, sizeof x);
    any |= x;
  }
  return any == 0;
}

// mom1 = beta1 mom1 + (1 - beta1) g;  mom2 = beta2 mom2 + (1 - beta2) g^2;
// weights -= learn_rate mom1 / (mod_rate sqrt(mom2) + eps);  gradient = 0.
// 1 - beta is taken in double: 1 - 0.999f is wrong in the fifth digit.
template <typename T>
static void adam(T* weights, T* gradient, T* mom1, T* mom2, size_t n, double beta1, double beta2, T eps, T learn_rate,
                 T mod_rate) {
  T keep1 = T(beta1), keep2 = T(beta2), take1 = T(1 - beta1), take2 = T(1 - beta2);
  // Settings with which moments of 0 stay 0 and change no weight.
  const bool settled = eps > 0 && mod_rate >= 0 && mod_rate < T(INFINITY) && learn_rate >= 0 &&
                       learn_rate < T(INFINITY) && keep1 - keep1 == 0 && keep2 - keep2 == 0;
  in_parts_(n, 4, 1024, [=](size_t first, size_t last) {
    for (size_t start = first, end; start < last; start = end) {
      end = last - start < UNTOUCHED ? last : start + UNTOUCHED;
      if (settled && gradient[start] == 0 && mom1[start] == 0 && mom2[start] == 0 &&
          all_zero_(gradient + start, end - start) && all_zero_(mom1 + start, end - start) &&
          all_zero_(mom2 + start, end - start))
        continue;
      THINC_INDEPENDENT
      for (size_t i = start; i < end; ++i) {
        T g = gradient[i];
        T m = keep1 * mom1[i] + take1 * g;
        T v = keep2 * mom2[i] + take2 * (g * g);
        mom1[i] = m;
        mom2[i] = v;
        weights[i] -= learn_rate * m / (mod_rate * sqrt_(v) + eps);
        gradient[i] = T(0);
      }
    }
  });
}

// The sum of the squares of the first n values at X, in double.
template <typename T>
static inline double wide_squares_(const T* X, size_t n) {
  constexpr size_t LANES = 32;  // as many sums in flight as it takes to keep up with the reads
  double part[LANES] = {0};
  size_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (size_t lane = 0; lane < LANES; ++lane) part[lane] += (double)X[i + lane] * (double)X[i + lane];
  for (size_t lane = 0; i < n; ++i, ++lane) part[lane] += (double)X[i] * (double)X[i];
  for (size_t lane = 0; lane < 8; ++lane)
    part[lane] = (part[lane] + part[lane + 16]) + (part[lane + 8] + part[lane + 24]);
  return fold_tree_(part, Sum());
}

// The same for floats in half the time: every 8 squares are added as floats, which is a relative error below 2^-21 each
// and far less in the sum of them all. When squares that large or that small might not fit, the sum is made again.
static inline double block_squares_(const float* X, size_t n) {
  constexpr size_t LANES = 64, SQUARES = 8;
  const size_t whole = n - n % (LANES * SQUARES);
  double part[LANES] = {0};
  for (size_t i = 0; i < whole; i += LANES * SQUARES) {
    float sum[LANES];
    for (size_t lane = 0; lane < LANES; ++lane) sum[lane] = X[i + lane] * X[i + lane];
    for (size_t j = i + LANES; j < i + LANES * SQUARES; j += LANES)
      for (size_t lane = 0; lane < LANES; ++lane) sum[lane] += X[j + lane] * X[j + lane];
    for (size_t lane = 0; lane < LANES; ++lane) part[lane] += (double)sum[lane];
  }
  for (size_t width = LANES / 2; width >= 8; width /= 2)
    for (size_t lane = 0; lane < width; ++lane) part[lane] += part[lane + width];
  const double total = fold_tree_(part, Sum());
  if (!(total > 1e-30 && total < 1e30)) return wide_squares_(X, n);
  return total + wide_squares_(X + whole, n - whole);
}
static inline double block_squares_(const double* X, size_t n) { return wide_squares_(X, n); }

// Blocks of one size, whoever computes them, are added in their order, so the sum does not depend on who that was.
template <typename T>
static void sum_squares(double* total, const T* X, size_t n) {
  constexpr size_t BLOCK = 16384, BLOCKS = 64;
  double sum = 0, part[BLOCKS];
  for (size_t start = 0; start < n; start += BLOCK * BLOCKS) {
    const size_t rest = n - start, blocks = rest < BLOCK * BLOCKS ? (rest + BLOCK - 1) / BLOCK : BLOCKS;
    double* const sums = part;
    in_parts_(blocks, BLOCK / 2, 1, [=](size_t first, size_t last) {
      for (size_t i = first; i < last; ++i) {
        const size_t left = n - start - i * BLOCK;
        sums[i] = block_squares_(X + start + i * BLOCK, left < BLOCK ? left : BLOCK);
      }
    });
    for (size_t i = 0; i < blocks; ++i) sum += part[i];
  }
  *total = sum;
}

// ema = ema - step (ema - weights)
template <typename T>
static void update_averages(T* ema, const T* weights, size_t n, T step) {
  const bool settled = step - step == 0;
  in_parts_(n, sizeof(T) / 4, 1024, [=](size_t first, size_t last) {
    for (size_t start = first, end = first + before_line_(ema + first, last - first); start < last; start = end) {
      if (start == end) end = last - start < UNTOUCHED ? last : start + UNTOUCHED;
      if (settled && weights[start] == 0 && ema[start] == 0 && all_zero_(weights + start, end - start) &&
          all_zero_(ema + start, end - start))
        continue;
      fill_(ema + start, end - start,
            [=](size_t i) { return ema[start + i] - step * (ema[start + i] - weights[start + i]); });
    }
  });
}
