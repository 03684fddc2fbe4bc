// Branch-free exp_ and the normal distribution function for f32 and f64, on vectors of vector.h.
// Polynomials are minimax fits (Remez) of our own; the comment beside each gives the error of the fit. Measured errors
// are the largest found by tests/backends/test_isa.py. No FMA is used, so every ISA gives the same bits.

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

// x = n ln2 + r with |r| <= ln2 / 2: e^r - 1 = r + r^2 p(r), p of degree 4 (fit 2^-28.3). Adding 1.5 * 2^23 leaves
// n = round(x / ln2) in the low bits of the sum, which is given back for 2^n.
static THINC_INLINE Vec<float> exp_rest_(Vec<float> x, Vec<float>* sum) {
  *sum = x * 1.44269504f + 12582912.0f;
  Vec<float> n = *sum - 12582912.0f;
  Vec<float> r = (x - n * 0.693145751953125f) - n * 1.42860677e-6f;  // ln2 in two parts: the first product is exact
  Vec<float> p = poly_(r, 0.0013814650f, 0.0083687027f, 0.041668386f, 0.16666521f, 0.49999993f);
  return p * (r * r) + r;
}

// The same with p of degree 9 (fit 2^-57.9).
static THINC_INLINE Vec<double> exp_rest_(Vec<double> x, Vec<double>* sum) {
  *sum = x * 1.4426950408889634 + 6755399441055744.0;
  Vec<double> n = *sum - 6755399441055744.0;
  Vec<double> r = (x - n * 0.6931471803691238) - n * 1.9082149292705877e-10;
  Vec<double> p = long_poly_(r, 2.4999970373041514e-8, 2.7630196407874353e-7, 2.7557586450845102e-6,
                             2.4801493251435885e-5, 1.9841269506778380e-4, 1.3888888943473573e-3, 8.3333333334942015e-3,
                             4.1666666666530808e-2, 1.6666666666666413e-1, 5.0000000000000105e-1);
  return p * (r * r) + r;
}

// e^x for x <= 88; NaN stays NaN; below -86.9 the result is 0 instead of a tiny number. Measured through sigmoid, which
// adds a sum and a quotient: 2.3 ulp. 2^(n - 1) is built from the bits of n and 2 e^r makes up for the 1, because 2^128
// has no float.
static THINC_INLINE Vec<float> exp_(Vec<float> x) {
  Vec<float> sum, e = exp_rest_(x, &sum) + 1.0f;
  Vec<float> y = (e + e) * from_bits_<Vec<float>>((bits_(sum) << 23) + (126 << 23));
  return select_(x < -86.9f, Vec<float>{}, y);
}

// The same for x <= 709; 0 below -708.
static THINC_INLINE Vec<double> exp_(Vec<double> x) {
  Vec<double> sum, e = exp_rest_(x, &sum) + 1.0;
  Vec<double> y = (e + e) * from_bits_<Vec<double>>((bits_(sum) << 52) + (int64_t(1022) << 52));
  return select_(x < -708.0, Vec<double>{}, y);
}

// e^x - 1 = 2^n (e^r - 1) + (2^n - 1) for |x| <= 80, with a small relative error also near 0.
static THINC_INLINE Vec<float> expm1_(Vec<float> x) {
  Vec<float> sum, rest = exp_rest_(x, &sum);
  Vec<float> scale = from_bits_<Vec<float>>((bits_(sum) << 23) + (127 << 23));
  return scale * rest + (scale - 1.0f);
}
static THINC_INLINE Vec<double> expm1_(Vec<double> x) {
  Vec<double> sum, rest = exp_rest_(x, &sum);
  Vec<double> scale = from_bits_<Vec<double>>((bits_(sum) << 52) + (int64_t(1023) << 52));
  return scale * rest + (scale - 1.0);
}

// 2^x for -100 < x <= 0, without the care for the last bits of a large x: e^(-a^2 / 2) has lost them in a^2 anyway.
// 2^f, |f| <= 1/2, of degree 6 (fit 2^-29) and 11 (fit 2^-58.2).
static THINC_INLINE Vec<float> exp2_(Vec<float> x) {
  Vec<float> magic = x + 12582912.0f;
  Vec<float> p = poly_(x - (magic - 12582912.0f), 1.5345812e-4f, 1.3399931e-3f, 9.6184890e-3f, 5.5503288e-2f,
                       0.24022647f, 0.69314721f, 1.0f);
  return from_bits_<Vec<float>>(bits_(p) + (bits_(magic) << 23));
}
static THINC_INLINE Vec<double> exp2_(Vec<double> x) {
  Vec<double> magic = x + 6755399441055744.0;
  Vec<double> p =
      long_poly_(x - (magic - 6755399441055744.0), 4.4352807904575454e-10, 7.0741056308612428e-9, 1.0178198034320914e-7,
                 1.3215433089567199e-6, 1.5252733489958518e-5, 1.5403530462514668e-4, 1.3333558146789953e-3,
                 9.6181291075883350e-3, 5.5504108664819921e-2, 2.4022650695910156e-1, 6.9314718055994533e-1, 1.0);
  return from_bits_<Vec<double>>(bits_(p) + (bits_(magic) << 52));
}

// From here on the tail of the normal distribution is 0 for us: 1e-9 in f32, 5e-17 in f64.
template <typename T>
constexpr T normal_end_() {
  return sizeof(T) == 4 ? T(6) : T(8.3);
}

// The tail of the normal distribution, Phi(-a), for 0 <= a <= normal_end_. No exp and no division: its eighth root is
// almost a straight line, so a polynomial fits it well, and three squarings undo the root. They multiply the rounding
// error too: measured 18 ulp for a < 1, 123 at the end. f64: the sixteenth root, 15 and 51 times 2^-52.
// Degree 10 in f32 (fit: 2^-26 of 1) and 30 in f64 (fit: 2^-57).
static THINC_INLINE Vec<float> normal_tail_(Vec<float> a) {
  Vec<float> p =
      long_poly_(a * (1.0f / 3.0f) - 1.0f, 1.1075037e-4f, 2.1299299e-4f, -2.0618838e-3f, 2.8501812e-4f, 1.5834355e-2f,
                 -2.0436701e-2f, -5.8676583e-2f, 0.13788574f, 0.10291487f, -0.53901759f, 0.43781199f);
  p *= p;
  p *= p;
  return p * p;
}
static THINC_INLINE Vec<double> normal_tail_(Vec<double> a) {
  Vec<double> p =
      long_poly_(a * (1.0 / 4.15) - 1.0, 1.5841918791902187e-08, -1.9806982423160922e-08, -1.0055913113737665e-07,
                 1.3814700374798675e-07, 2.4126580763940164e-07, -3.2727758423619e-07, -3.9978324993956174e-07,
                 4.4471207145212693e-07, 6.358853341840158e-07, -7.897925369769761e-07, -5.6781774339893145e-08,
                 6.5730136546795325e-09, 4.465532102203381e-07, 3.899490880035784e-07, -2.53876420240612e-06,
                 5.4729130055369895e-06, -1.002644547822091e-05, 2.1857669080822428e-05, -4.070828455062646e-05,
                 -1.010626250162375e-05, 0.00022860572130997084, 6.578043032951399e-06, -0.0018911175003431403,
                 0.0006963506058185169, 0.016348350581482856, -0.026874443869496337, -0.05463486914781185,
                 0.16497477184665557, 0.0641194447748107, -0.5696210758613011, 0.5026846049296085);
  p *= p;
  p *= p;
  p *= p;
  return p * p;
}

// erfc(z) e^(z^2) for z >= 0, as t Q(t): f32 t = 1 / (1 + z / 2.5), Q in 2t - 1 of degree 7 (fit 2^-25 of 1);
// f64 t = 1 / (1 + z / 4), degree 22 (fit 2^-58).
static THINC_INLINE Vec<float> erfcx_(Vec<float> z) {
  Vec<float> t = 2.0f / (z * 0.4f + 1.0f);
  return t * long_poly_(t - 1.0f, 2.3546771e-4f, -9.1828700e-4f, -1.7893412e-3f, 5.6821796e-3f, 3.4275406e-2f,
                        9.0779488e-2f, 0.16092863f, 0.21080643f);
}
static THINC_INLINE Vec<double> erfcx_(Vec<double> z) {
  Vec<double> t = 2.0 / (z * 0.25 + 1.0);
  Vec<double> q =
      long_poly_(t - 1.0, 2.5595514920531627e-10, 9.1200686787723257e-11, -3.8488056225115613e-9,
                 -6.4117759343499125e-10, 3.0980145000538630e-8, 1.9482921465652793e-8, -2.1149393603765673e-7,
                 -3.5651704461372467e-7, 1.1735767566447454e-6, 4.7154443959470684e-6, -9.0878485240366635e-7,
                 -4.4203271420703728e-5, -1.1376317286021696e-4, 7.0239728961437408e-5, 1.5280139142925629e-3,
                 6.5925133336520474e-3, 1.9095378727278488e-2, 4.3502734310072797e-2, 8.2712896969506242e-2,
                 1.3521345782830623e-1, 1.9330217556630920e-1, 2.4413718227022052e-1, 2.7399891525012278e-1);
  return t * 0.5 * q;
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

// erf(x), measured: 3.1 ulp in f32. The series up to 3/4, 1 - erfc beyond, where erfc is small enough not to cost
// digits. From 6 on it is 1.
template <typename T>
static THINC_INLINE Vec<T> erf_(Vec<T> x) {
  Vec<T> z = at_most_(abs_(x), T(6));
  Vec<T> far = T(1) - exp_(-z * z) * erfcx_(z);
  return select_(z < T(0.75), x * erf_by_z_(x * x), select_(x < T(0), -far, far));
}

// sin(x) and cos(x) for 0 <= x < 1.3e7: 2^-52 of 1. x = n pi/2 + r with |r| <= pi/4; pi/2 in three parts, of which n times
// the first two is exact. Adding 1.5 * 2^52 leaves n in the low bits of the sum. sin(r) = r + r^3 p(r^2), degree 5 (fit
// 2^-58); cos(r) = 1 - r^2/2 + r^4 p(r^2), degree 5 (fit 2^-64). An odd n swaps the two, bit 1 of n and of n + 1 are
// their signs.
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
