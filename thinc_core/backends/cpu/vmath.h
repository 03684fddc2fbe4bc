// Branch-free exp_ and the normal distribution function for f32 and f64, on vectors of vector.h.
// Polynomials are minimax fits (Remez) of our own; the comment beside each gives the error of the fit. Measured errors
// are the largest found by tests/backends/test_accuracy.py. No FMA is used, so every ISA gives the same bits.

// Horner's rule, coefficients from the highest power down.
template <typename V, typename T>
static THINC_INLINE V poly_(V x, T c0, T c1) {
  return c0 * x + c1;
}
template <typename V, typename T, typename... C>
static THINC_INLINE V poly_(V x, T c0, T c1, C... rest) {
  V sum = c0 * x + c1;
  ((sum = sum * x + rest), ...);
  return sum;
}

// The same in two chains, the odd and the even powers, because a long chain waits for its own results: half the time
// from degree 9 on.
template <typename V, typename T>
static THINC_INLINE V two_chains_(V x, V, V odd, V even) {
  return odd * x + even;
}
template <typename V, typename T, typename... C>
static THINC_INLINE V two_chains_(V x, V x2, V odd, V even, T c_odd, T c_even, C... rest) {
  return two_chains_<V, T>(x, x2, odd * x2 + c_odd, even * x2 + c_even, rest...);
}
template <typename V, typename T, typename... C>
static THINC_INLINE V long_poly_(V x, T c0, T c1, T c2, C... rest) {
  V x2 = x * x;
  if constexpr (sizeof...(C) % 2 == 0) {
    return two_chains_<V, T>(x, x2, V{} + c1, c0 * x2 + c2, rest...);
  } else {
    return two_chains_<V, T>(x, x2, V{} + c0, V{} + c1, c2, rest...);
  }
}

// e^x is 2^n e^r with x = n ln2 + r, |r| <= ln2 / 2. The sum of x / ln2 and 1.5 * 2^23 is rounded to n, which stays in
// its low bits; 127 more, and these bits are the exponent of 2^n. So 2^n is 0 at exp_start_ and infinite at exp_end_.
template <typename T>
constexpr T exp_start_() {
  return sizeof(T) == 4 ? T(-88) : T(-709);
}
template <typename T>
constexpr T exp_end_() {
  return sizeof(T) == 4 ? T(88.5) : T(709.5);
}

// Here e^x is large but finite.
template <typename T>
constexpr T exp_large_() {
  return sizeof(T) == 4 ? T(87) : T(708);
}

// r and 2^n. ln2 is taken in two parts, so that the first product is exact.
static THINC_INLINE Vec<float> reduce_(Vec<float> x, Vec<float>* power) {
  Vec<float> sum = x * 1.44269504f + 12583039.0f, n = sum - 12583039.0f;
  *power = from_bits_<Vec<float>>(bits_(sum) << 23);
  return (x - n * 0.693145751953125f) - n * 1.42860677e-6f;
}
static THINC_INLINE Vec<double> reduce_(Vec<double> x, Vec<double>* power) {
  Vec<double> sum = x * 1.4426950408889634 + 6755399441056767.0, n = sum - 6755399441056767.0;
  *power = from_bits_<Vec<double>>(bits_(sum) << 52);
  return (x - n * 0.6931471803691238) - n * 1.9082149292705877e-10;
}

// e^r - 1 = r + r^2 p(r), p of degree 4 (fit 2^-28.3) or 9 (2^-57.9).
static THINC_INLINE Vec<float> expm1_of_rest_(Vec<float> r) {
  Vec<float> p = poly_(r, 0.0013814650f, 0.0083687027f, 0.041668386f, 0.16666521f, 0.49999993f);
  return p * (r * r) + r;
}
static THINC_INLINE Vec<double> expm1_of_rest_(Vec<double> r) {
  Vec<double> p = long_poly_(r, 2.4999970373041514e-8, 2.7630196407874353e-7, 2.7557586450845102e-6,
                             2.4801493251435885e-5, 1.9841269506778380e-4, 1.3888888943473573e-3, 8.3333333334942015e-3,
                             4.1666666666530808e-2, 1.6666666666666413e-1, 5.0000000000000105e-1);
  return p * (r * r) + r;
}

// e^x - 1 = 2^n (e^r - 1) + (2^n - 1) for |x| <= 80, with a small relative error also near 0.
static THINC_INLINE Vec<float> expm1_(Vec<float> x) {
  Vec<float> power, rest = expm1_of_rest_(reduce_(x, &power));
  return power * rest + (power - 1.0f);
}
static THINC_INLINE Vec<double> expm1_(Vec<double> x) {
  Vec<double> power, rest = expm1_of_rest_(reduce_(x, &power));
  return power * rest + (power - 1.0);
}

// A quotient whose division is left to the caller, who often has another to do.
template <typename T>
struct Quotient {
  Vec<T> up, down;
};

// e^r for |r| <= ln2 / 2, as (q + p) / (q - p) with p / q a fit of tanh(r / 2), odd in r: 2^-33.3 in f32, 2^-60 in f64.
static THINC_INLINE Quotient<float> exp_of_rest_(Vec<float> r) {
  Vec<float> r2 = r * r, p = r * (r2 * 0.0166417048f + 1.0f), q = r2 * 0.199949827f + 2.0f;
  return {q + p, q - p};
}
static THINC_INLINE Quotient<double> exp_of_rest_(Vec<double> r) {
  Vec<double> r2 = r * r, p = r * poly_(r2, 6.6082490690145801e-5, 0.027774470418251777, 0.99999999999999997);
  Vec<double> q = poly_(r2, 0.0019834656070566901, 0.22221560750316141, 2.0);
  return {q + p, q - p};
}

// e^x for x between exp_start_, where it is 0, and exp_end_, where it is infinite; NaN stays NaN.
template <typename T>
static THINC_INLINE Quotient<T> exp_quotient_(Vec<T> x) {
  Vec<T> power, r = reduce_(x, &power);
  Quotient<T> e = exp_of_rest_(r);
  return {e.up * power, e.down};
}

// e^x for x up to exp_end_: infinite there, 0 below exp_start_; NaN stays NaN. In f64 a division, which runs beside the
// products and sums, is less work than a polynomial of degree 9: softmax of 4000 x 96 takes 354 us, was 415.
static THINC_INLINE Vec<float> exp_(Vec<float> x) {
  Vec<float> power, y = expm1_of_rest_(reduce_(x, &power)) + 1.0f;
  return select_(x < exp_start_<float>(), Vec<float>{}, y * power);
}
static THINC_INLINE Vec<double> exp_(Vec<double> x) {
  Quotient<double> e = exp_quotient_<double>(x);
  return select_(x < exp_start_<double>(), Vec<double>{}, e.up / e.down);
}

// The normal distribution at -a, 0 <= a <= normal_end_, where it becomes 0. e^(-a^2 / 2) has its error from the
// rounding of a^2: in ulp, about a^2 / 2.
template <typename T>
constexpr T normal_end_() {
  return sizeof(T) == 4 ? T(13.27) : T(37.66);
}
// The fits are those of exp_of_rest_, for r = f ln2.
static THINC_INLINE Quotient<float> normal_curve_(Vec<float> a) {
  Vec<float> y = a * a * -0.72134752f, sum = y + 12583039.0f, f = y - (sum - 12583039.0f), f2 = f * f;
  Vec<float> p = f * (f2 * 0.005542098f + 0.6931472f), q = f2 * 0.0960665f + 2.0f;
  return {(q + p) * from_bits_<Vec<float>>(bits_(sum) << 23), q - p};
}
static THINC_INLINE Quotient<double> normal_curve_(Vec<double> a) {
  Vec<double> y = a * a * -0.72134752044448170, sum = y + 6755399441056767.0, f = y - (sum - 6755399441056767.0);
  Vec<double> f2 = f * f, p = f * poly_(f2, 1.0573376784934503e-05, 0.009249583345215114, 0.6931471805599453);
  Vec<double> q = poly_(f2, 0.00045785347894108653, 0.10676415836455799, 2.0);
  return {(q + p) * from_bits_<Vec<double>>(bits_(sum) << 52), q - p};
}

// Phi(-a) by e^(-a^2 / 2). Fit in f32: 2^-25.7 of Phi = 1, and relative 2^-19.7 as far as normal_end_.
static THINC_INLINE Quotient<float> normal_tail_(Vec<float> a) {
  Vec<float> N = poly_(a, 0.3988475f, 2.9728339f, 9.339849f, 13.505326f);
  Vec<float> D = poly_(a, 1.0f, 7.443115f, 24.540892f, 40.231007f, 27.010653f);
  return {N, D};
}

// In f64: 2^-55.5 of 1; beyond 9 there is a relative error of up to 2^-15.
static THINC_INLINE Quotient<double> normal_tail_(Vec<double> a) {
  Vec<double> N = long_poly_(a, 0.39894959131996666, 7.924241695345233, 72.1175494052949, 383.70823539051486,
                             1268.1305829090848, 2502.9427080383066, 2491.5311893594308);
  Vec<double> D = long_poly_(a, 1.0, 19.863887096389327, 181.75646464052716, 981.8826266177562, 3355.4993196543,
                             7211.164700325989, 8981.793953574042, 4983.0623787188615);
  return {N, D};
}

// erf(z) / z for |z| <= 1/2, from u = z^2: degree 4 in f32 (fit 2^-29.4), 8 in f64 (fit 2^-57.8).
static THINC_INLINE Vec<float> erf_by_z_(Vec<float> u) {
  return poly_(u, 0.00471779864f, -0.0267571001f, 0.112828217f, -0.376126085f, 1.12837917f);
}
static THINC_INLINE Vec<double> erf_by_z_(Vec<double> u) {
  return long_poly_(u, 1.47225593610435631e-6, -1.48455220819573509e-5, 1.20533219690654613e-4, -8.54829747818810762e-4,
                    5.22397736982461717e-3, -2.68661706326863916e-2, 0.112837916709247288, -0.376126389031834662,
                    1.12837916709551257);
}

// erf(x): the series up to 1/2, 1 - 2 Phi(-sqrt(2) |x|) beyond, where the tail is small enough not to cost digits.
template <typename T>
static THINC_INLINE Vec<T> erf_(Vec<T> x) {
  Vec<T> z = at_most_(abs_(x), T(9));
  Vec<T> a = z * T(1.4142135623730951);
  Quotient<T> curve = normal_curve_(a), tail = normal_tail_(a);
  Vec<T> far = T(1) - curve.up * (tail.up + tail.up) / (curve.down * tail.down);
  return select_(z < T(0.5), x * erf_by_z_(x * x), select_(x < T(0), -far, far));
}

// sin(x) and cos(x) for 0 <= x < 1.3e7: 2^-52 of 1. x = n pi/2 + r with |r| <= pi/4; pi/2 in three parts, of which n
// times the first two is exact. Adding 1.5 * 2^52 leaves n in the low bits of the sum. sin(r) = r + r^3 p(r^2), degree
// 5 (fit 2^-58); cos(r) = 1 - r^2/2 + r^4 p(r^2), degree 5 (fit 2^-64). An odd n swaps the two, bit 1 of n and of n + 1
// are their signs.
static THINC_INLINE void sin_cos_(Vec<double> x, Vec<double>* sine, Vec<double>* cosine) {
  Vec<double> sum = x * 0.6366197723675814 + 6755399441055744.0, n = sum - 6755399441055744.0;
  Vec<double> r = ((x - n * 1.570796325802803) - n * 9.920935791635221e-10) - n * 5.170182981794106e-19;
  Vec<double> u = r * r;
  Vec<double> s = r + r * u *
                          poly_(u, 1.58968120527822327e-10, -2.50507583895794531e-8, 2.75573136936136218e-6,
                                -1.98412698298125336e-4, 8.33333333332241936e-3, -1.66666666666666320e-1);
  Vec<double> c = poly_(u, -1.13596586180366926e-11, 2.08757234760291038e-9, -2.75573143537798994e-7,
                        2.48015872894870388e-5, -1.38888888888741315e-3, 4.16666666666665995e-2);
  c = (1.0 - u * 0.5) + u * u * c;
  VecInts<double> q = bits_(sum);
  auto odd = (q & 1) != 0;
  const int64_t sign = INT64_MIN;
  *sine = from_bits_<Vec<double>>(bits_(select_(odd, c, s)) ^ ((q << 62) & sign));
  *cosine = from_bits_<Vec<double>>(bits_(select_(odd, s, c)) ^ (((q + 1) << 62) & sign));
}
