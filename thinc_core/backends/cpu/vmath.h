// Branch-free exp_ and the normal distribution function for f32 and f64, on vectors of vector.h.
// Polynomials are minimax fits (Remez) of our own; the comment beside each gives the error of the fit. Measured errors
// are the largest found by tests/backends/test_accuracy.py. No FMA is used, so every ISA gives the same bits.

static inline float sqrt_(float x) { return sqrtf(x); }
static inline double sqrt_(double x) { return sqrt(x); }

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

// e^x for x up to exp_end_: infinite there, 0 below exp_start_; NaN stays NaN.
template <typename T>
static THINC_INLINE Vec<T> exp_to_end_(Vec<T> x) {
  Vec<T> power, y = expm1_of_rest_(reduce_(x, &power)) + T(1);
  return select_(x < exp_start_<T>(), Vec<T>{}, y * power);
}
static THINC_INLINE Vec<float> exp_(Vec<float> x) { return exp_to_end_<float>(x); }
static THINC_INLINE Vec<double> exp_(Vec<double> x) { return exp_to_end_<double>(x); }

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

// The normal distribution at -a, 0 <= a <= normal_end_, where it becomes 0. e^(-a^2 / 2) has its error from the
// rounding of a^2: in ulp, about a^2 / 2.
template <typename T>
constexpr T normal_end_() {
  return sizeof(T) == 4 ? T(13.27) : T(37.66);
}
static THINC_INLINE Quotient<float> normal_curve_(Vec<float> a) {
  Vec<float> y = a * a * -0.72134752f, sum = y + 12583039.0f, f = y - (sum - 12583039.0f);
  Quotient<float> e = exp_of_rest_(f * 0.69314718f);
  return {e.up * from_bits_<Vec<float>>(bits_(sum) << 23), e.down};
}
static THINC_INLINE Quotient<double> normal_curve_(Vec<double> a) {
  Vec<double> y = a * a * -0.72134752044448170, sum = y + 6755399441056767.0, f = y - (sum - 6755399441056767.0);
  Quotient<double> e = exp_of_rest_(f * 0.69314718055994531);
  return {e.up * from_bits_<Vec<double>>(bits_(sum) << 52), e.down};
}

// Phi(-a) by e^(-a^2 / 2). Fit in f32: 2^-25.7 of Phi = 1, and relative 2^-19.7 as far as normal_end_.
static THINC_INLINE Quotient<float> normal_tail_(Vec<float> a) {
  Vec<float> N = poly_(a, 0.0147663036f, 0.110061539f, 0.345783945f, 0.499999982f);
  Vec<float> D = poly_(a, 0.0370224308f, 0.275562215f, 0.908563482f, 1.48944972f, 1.0f);
  return {N, D};
}

// In f64: 2^-55.5 of 1; beyond 9 there is a relative error of up to 2^-15.
static THINC_INLINE Quotient<double> normal_tail_(Vec<double> a) {
  Vec<double> N = long_poly_(a, 8.0061127274617027e-5, 0.0015902352997199576, 0.014472535947630704,
                             0.077002494897357814, 0.25448820153744884, 0.50229006137422855, 0.50000000000000002);
  Vec<double> D = long_poly_(a, 0.00020067980771637433, 0.0039862810430031798, 0.036474852375268975,
                             0.19704401670969988, 0.67338095826064985, 1.4471351454725254, 1.8024646835513325, 1.0);
  return {N, D};
}

// erf(z) / z for |z| <= 3/4, from u = z^2: degree 5 in f32 (fit 2^-29.4), 11 in f64 (fit 2^-66.7).
static THINC_INLINE Vec<float> erf_by_z_(Vec<float> u) {
  return long_poly_(u, -6.7495138e-4f, 5.1143456e-3f, -2.6834625e-2f, 0.11283377f, -0.37612619f, 1.1283792f);
}
static THINC_INLINE Vec<double> erf_by_z_(Vec<double> u) {
  return long_poly_(u, -9.4959932345776964e-10, 1.4411754347763733e-8, -1.6332944508318296e-7, 1.6460361626057802e-6,
                    -1.4925588367832200e-5, 1.2055331514557536e-4, -8.5483270005384272e-4, 5.2239776252149452e-3,
                    -2.6866170645117932e-2, 1.1283791670955085e-1, -3.7612638903183752e-1, 1.1283791670955126);
}

// erf(x): the series up to 3/4, 1 - 2 Phi(-sqrt(2) |x|) beyond, where the tail is small enough not to cost digits.
template <typename T>
static THINC_INLINE Vec<T> erf_(Vec<T> x) {
  Vec<T> z = at_most_(abs_(x), T(9));
  Vec<T> a = z * T(1.4142135623730951);
  Quotient<T> curve = normal_curve_(a), tail = normal_tail_(a);
  Vec<T> far = T(1) - curve.up * (tail.up + tail.up) / (curve.down * tail.down);
  return select_(z < T(0.75), x * erf_by_z_(x * x), select_(x < T(0), -far, far));
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
