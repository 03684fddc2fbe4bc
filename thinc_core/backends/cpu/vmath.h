// Branch-free exp_ and erfcx-based normal tail for f32 and f64, written so that compilers vectorise loops that call them.
// Polynomials are minimax fits (Remez, relative error) of our own; the comment beside each gives the error of the fit.
// No FMA is used, so every ISA gives the same bits.

// The bits of x as an integer and back: a plain copy, which compilers turn into nothing.
static inline int32_t bits_(float x) { int32_t i; memcpy(&i, &x, sizeof i); return i; }
static inline int64_t bits_(double x) { int64_t i; memcpy(&i, &x, sizeof i); return i; }
static inline float from_bits_(int32_t i) { float x; memcpy(&x, &i, sizeof x); return x; }
static inline double from_bits_(int64_t i) { double x; memcpy(&x, &i, sizeof x); return x; }
static inline float sqrt_(float x) { return sqrtf(x); }
static inline double sqrt_(double x) { return sqrt(x); }

// Horner's rule, coefficients from the highest power down.
template <typename T>
static inline T poly_(T, T c) { return c; }
template <typename T, typename... C>
static inline T poly_(T x, T c0, T c1, C... rest) { return poly_<T>(x, c0 * x + c1, rest...); }

// x between low and high; NaN stays NaN.
template <typename T>
static inline T clip_(T x, T low, T high) {
  x = x > high ? high : x;
  return x < low ? low : x;
}

// Below the lowest e^x rounds to 0, above the highest it overflows.
template <typename T>
constexpr T exp_lowest_() { return sizeof(T) == 4 ? T(-104) : T(-746); }
template <typename T>
constexpr T exp_highest_() { return sizeof(T) == 4 ? T(89) : T(710); }

// e^x for x in that range. x = n ln2 + r with |r| <= ln2 / 2; e^r = 1 + r + r^2 p(r), p of degree 4 (fit 2^-28.3); 2^n in two factors, so
// that subnormal results are right. Adding 1.5 * 2^23 leaves round(x / ln2) in the low bits of the sum.
static inline float exp_in_range_(float x) {
  float magic = x * 1.44269504f + 12582912.0f;
  float n = magic - 12582912.0f;
  float r = (x - n * 0.693145751953125f) - n * 1.42860677e-6f;  // ln2 in two parts: n * 0.693145... is exact
  float p = poly_<float>(r, 0.0013814650f, 0.0083687027f, 0.041668386f, 0.16666521f, 0.49999993f);
  float e = (p * (r * r) + r) + 1.0f;
  int32_t k = bits_(magic) - 0x4B400000;  // n as an integer
  int32_t half = k >> 1;
  return (e * from_bits_((half + 127) << 23)) * from_bits_((k - half + 127) << 23);
}

// The same in f64: p of degree 9 (fit 2^-57.9), 1.5 * 2^52.
static inline double exp_in_range_(double x) {
  double magic = x * 1.4426950408889634 + 6755399441055744.0;
  double n = magic - 6755399441055744.0;
  double r = (x - n * 0.6931471803691238) - n * 1.9082149292705877e-10;
  double p = poly_<double>(r, 2.4999970373041514e-8, 2.7630196407874353e-7, 2.7557586450845102e-6,
                           2.4801493251435885e-5, 1.9841269506778380e-4, 1.3888888943473573e-3, 8.3333333334942015e-3,
                           4.1666666666530808e-2, 1.6666666666666413e-1, 5.0000000000000105e-1);
  double e = (p * (r * r) + r) + 1.0;
  // Shifting right before the bias is taken off keeps the shift logical: SSE2 and AVX2 have no arithmetic 64-bit one.
  uint64_t k = (uint64_t)bits_(magic) - 0x4338000000000000ull + 4096;
  uint64_t half = (k >> 1) - 2048, rest = k - 4096 - half;
  return (e * from_bits_((int64_t)((half + 1023) << 52))) * from_bits_((int64_t)((rest + 1023) << 52));
}

template <typename T>
static inline T exp_(T x) { return exp_in_range_(clip_(x, exp_lowest_<T>(), exp_highest_<T>())); }

// erfc(z) / exp(-z^2) for z >= 0, as t Q(t) with t = 1 / (1 + z / 2): degree 8 (fit 2^-24.5 on [0, 10.5]).
static inline float erfcx_(float z) {
  float t = 2.0f / (2.0f + z);
  return t * poly_<float>(t, -0.059193309f, 0.28518273f, -0.48846068f, 0.27951239f, -0.027623305f, 0.20310987f,
                          0.24299662f, 0.28239007f, 0.28208557f);
}

// The same with t = 1 / (1 + z / 4), Q a polynomial in 2t - 1 of degree 22 (fit 2^-58.1 on [0, 27.5]).
static inline double erfcx_(double z) {
  double t = 4.0 / (4.0 + z), s = t + t - 1.0;
  return t * poly_<double>(s, 2.5595514920531627e-10, 9.1200686787723257e-11, -3.8488056225115613e-9,
                           -6.4117759343499125e-10, 3.0980145000538630e-8, 1.9482921465652793e-8,
                           -2.1149393603765673e-7, -3.5651704461372467e-7, 1.1735767566447454e-6,
                           4.7154443959470684e-6, -9.0878485240366635e-7, -4.4203271420703728e-5,
                           -1.1376317286021696e-4, 7.0239728961437408e-5, 1.5280139142925629e-3,
                           6.5925133336520474e-3, 1.9095378727278488e-2, 4.3502734310072797e-2,
                           8.2712896969506242e-2, 1.3521345782830623e-1, 1.9330217556630920e-1,
                           2.4413718227022052e-1, 2.7399891525012278e-1);
}

// The normal distribution function of x in [-40, 40], and its density times sqrt(2 pi), which costs nothing more.
// From erfc of |x|, so the left tail keeps its relative accuracy, which 1 + erf(x) would lose.
template <typename T>
static inline T normal_cdf_(T x, T* density) {
  T z = (x < T(0) ? -x : x) * T(0.70710678118654752);
  *density = exp_(-z * z);
  T tail = T(0.5) * *density * erfcx_(z);
  return x < T(0) ? tail : T(1) - tail;
}
