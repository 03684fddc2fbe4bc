// What the optimizer does to whole parameters, in one pass each.
// Measured, one thread of an AVX-512 EPYC shared with others, f32, 1,000,000 values, us beside a copy of the same
// bytes: adam 413 (1030), norm 45 (45), update_averages 85 (153).

#include "optim_lines.h"

// Without marks, weights that have never had a gradient are passed over a block at a time, after a look that costs
// nothing where the first of them has moved.
constexpr size_t UNTOUCHED = 1024;

// A step of one parameter: g = scale gradient;
// mom1 = keep1 mom1 + take1 g;  mom2 = keep2 mom2 + take2 g^2;  weights -= rate mom1 / (mod sqrt(mom2) + eps);
// weights -= along mom1;  weights *= decay;  average -= toward (average - weights);  gradient = 0.
// Instead of the first line it is weights -= rate g without moments (PLAIN); with mom1 alone it is
// mom1 = keep1 mom1 + share g;  weights -= rate g (MOMENTUM), or
// weights -= rate sign(keep1 mom1 + take1 g);  mom1 = keep2 mom1 + take2 g, and no step along it (SIGN).
// 1 - beta is taken in double: 1 - 0.999f is wrong in the fifth digit.
template <typename T>
struct Step_ {
  T keep1, take1, keep2, take2, eps, rate, mod, scale, along, decay, toward, share;
};
enum Kind_ { PLAIN, ADAM, ADAM_ALONG, MOMENTUM, SIGN };
template <typename T>
static inline Step_<T> adam_step_(double beta1, double beta2, T eps, T rate, T mod) {
  return {T(beta1), T(1 - beta1), T(beta2), T(1 - beta2), eps, rate, mod, T(1), T(0), T(1), T(0), T(0)};
}

// A factor of 1 changes no bit, but 0 times an infinite mom1 would: a step along it is a case of its own.
// GRADIENT: false where it is known to be zero, and is neither read nor written.
template <int KIND, bool AVERAGE, bool GRADIENT = true, typename T>
static inline void step_values_(T* weights, T* gradient, T* mom1, T* mom2, T* average, size_t n, Step_<T> s) {
  THINC_INDEPENDENT
  for (size_t i = 0; i < n; ++i) {
    T g = GRADIENT ? gradient[i] * s.scale : T(0), w = weights[i];
    if constexpr (KIND == ADAM || KIND == ADAM_ALONG) {
      T m = s.keep1 * mom1[i] + s.take1 * g;
      T v = s.keep2 * mom2[i] + s.take2 * (g * g);
      mom1[i] = m;
      mom2[i] = v;
      w -= s.rate * m / (s.mod * sqrt_(v) + s.eps);
      if constexpr (KIND == ADAM_ALONG) w -= s.along * m;
    } else if constexpr (KIND == MOMENTUM) {
      T m = s.keep1 * mom1[i] + s.share * g;
      mom1[i] = m;
      w -= s.rate * g;
      w -= s.along * m;
    } else if constexpr (KIND == SIGN) {
      T old = mom1[i], u = s.keep1 * old + s.take1 * g;
      w -= s.rate * (u > T(0) ? T(1) : u < T(0) ? T(-1) : u);
      mom1[i] = s.keep2 * old + s.take2 * g;
    } else {
      w -= s.rate * g;
    }
    w *= s.decay;
    weights[i] = w;
    if constexpr (AVERAGE) average[i] -= s.toward * (average[i] - w);
    if constexpr (GRADIENT) gradient[i] = T(0);
  }
}

// Settings with which moments of 0 stay 0 and change no weight that is 0 or does not decay.
template <typename T>
static inline bool is_settled_(const Step_<T>& s, bool divides) {
  const T sum =
      s.keep1 + s.take1 + s.keep2 + s.take2 + s.eps + s.rate + s.mod + s.scale + s.along + s.decay + s.toward + s.share;
  return sum - sum == 0 && (s.eps > 0 || !divides) && s.mod >= 0 && s.rate >= 0 && s.scale >= 0 && s.decay >= 0;
}

// Whether zeros in place of denormal moments change no weight by more than a rounding: not where the root of a second
// moment is divided by with nothing beside it.
template <typename T>
static inline bool may_flush_(const Step_<T>& s, bool divides) {
  constexpr T ROOT = sizeof(T) == 4 ? T(2e-12) : T(2e-138);  // of the smallest normal number, over the precision
  return !divides || s.eps >= ROOT * s.mod;
}

template <int KIND, bool AVERAGE, typename T>
static void step_range_(T* weights, T* gradient, T* mom1, T* mom2, T* average, size_t n, const Step_<T>& s) {
  constexpr bool BOTH = KIND == ADAM || KIND == ADAM_ALONG;
  const FlushDenormals flush(may_flush_(s, BOTH));
  if constexpr (KIND == PLAIN) {
    step_values_<KIND, AVERAGE>(weights, gradient, mom1, mom2, average, n, s);
  } else {
    const bool settled = is_settled_(s, BOTH);
    for (size_t i = 0; i < n; i += UNTOUCHED) {
      const size_t size = n - i < UNTOUCHED ? n - i : UNTOUCHED;
      if (settled && gradient[i] == 0 && mom1[i] == 0 && (!BOTH || mom2[i] == 0) && all_zero_(gradient + i, size) &&
          all_zero_(mom1 + i, size) && (!BOTH || all_zero_(mom2 + i, size)) &&
          ((s.decay == 1 && !AVERAGE) || all_zero_(weights + i, size)) && (!AVERAGE || all_zero_(average + i, size)))
        continue;
      T* const a = AVERAGE ? average + i : nullptr;
      step_values_<KIND, AVERAGE>(weights + i, gradient + i, mom1 + i, BOTH ? mom2 + i : nullptr, a, size, s);
    }
  }
}

template <typename T>
static void adam(T* weights, T* gradient, T* mom1, T* mom2, size_t n, double beta1, double beta2, T eps, T learn_rate,
                 T mod_rate) {
  const Step_<T> step = adam_step_(beta1, beta2, eps, learn_rate, mod_rate);
  in_parts_(n, 4, 1024, [=](size_t i, size_t last) {
    T* const none = nullptr;
    step_range_<ADAM, false>(weights + i, gradient + i, mom1 + i, mom2 + i, none, last - i, step);
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
// lines: which may hold anything but zeros, if that is known; they are rows of the blocks, and no bit depends on it.
static inline double block_squares_(const float* X, size_t n, const uint8_t* lines = nullptr) {
  constexpr size_t LANES = LINE, SQUARES = 8;
  const size_t whole = n - n % (LANES * SQUARES);
  double part[LANES] = {0};
  for (size_t i = 0; i < whole; i += LANES * SQUARES) {
    const uint8_t rows = lines ? lines[i / BYTE_OF_LINES] : 0xFF;
    if (!rows) continue;
    float sum[LANES] = {0};
    for (size_t j = 0; j < SQUARES; ++j)
      if (rows >> j & 1)
        for (size_t lane = 0; lane < LANES; ++lane) sum[lane] += X[i + j * LANES + lane] * X[i + j * LANES + lane];
    for (size_t lane = 0; lane < LANES; ++lane) part[lane] += (double)sum[lane];
  }
  for (size_t width = LANES / 2; width >= 8; width /= 2)
    for (size_t lane = 0; lane < width; ++lane) part[lane] += part[lane + width];
  const double total = fold_tree_(part, Sum());
  if (!(total > 1e-30 && total < 1e30)) return wide_squares_(X, n);
  return total + wide_squares_(X + whole, n - whole);
}
static inline double block_squares_(const double* X, size_t n, const uint8_t* = nullptr) { return wide_squares_(X, n); }

// Blocks of one size, whoever computes them, are added in their order, so the sum does not depend on who that was.
constexpr size_t SQUARES_BLOCK = 16384;
template <typename T>
static inline double squares_of_block_(const T* X, size_t n, size_t block) {
  const size_t start = block * SQUARES_BLOCK, rest = n - start;
  return block_squares_(X + start, rest < SQUARES_BLOCK ? rest : SQUARES_BLOCK);
}

template <typename T>
static void sum_squares(double* total, const T* X, size_t n) {
  constexpr size_t BLOCK = SQUARES_BLOCK, BLOCKS = 64;
  double sum = 0, part[BLOCKS];
  for (size_t start = 0; start < n; start += BLOCK * BLOCKS) {
    const size_t rest = n - start, blocks = rest < BLOCK * BLOCKS ? (rest + BLOCK - 1) / BLOCK : BLOCKS;
    double* const sums = part;
    in_parts_(blocks, BLOCK / 2, 1, [=](size_t first, size_t last) {
      for (size_t i = first; i < last; ++i) sums[i] = squares_of_block_(X + start, rest, i);
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

#include "optim_step.h"
