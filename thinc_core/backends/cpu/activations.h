// Elementwise activations: scalar-looking, branch-free, vectorised by the compiler, cut into parts for the threads.
// Measured, one thread of an AVX-512 EPYC, f32, 4000 x 96, us (a copy of the same bytes; PyTorch):
// relu 32 (32; 34), gelu 158 (35; 190), mish 144 (; 1,504), gelu_approx 155 (; 646), swish 119 (; 162), sigmoid 126
// (; 161), dish 107, hard_swish 41 (; 59), clipped 34 (; 40), erf 236 (; 507); backward: relu 57 (52; 143), gelu 183
// (; 329), mish 197 (; 1,759), gelu_approx 212 (; 732), swish 161 (; 201), dish 127, hard_swish 52 (; 108).
// f64 takes 2.2 to 2.5 times as long. gelu, erf (3.0) and backprop_gelu (2.8) need fits of twice the terms; dish (3.1,
// backward 2.7) is as slow as the root and the division are: 24 cycles for 8 values, 16 for 16 of f32.

constexpr size_t CHEAP = 1;  // as quick as a copy

template <typename T>
static void relu(T* Y, const T* X, size_t n) {
  map_parts_<CHEAP>(Y, n, [](Vec<T> x) THINC_INLINE_LAMBDA { return select_(x < T(0), Vec<T>{}, x); }, X);
}

// NaN in Y lets dY through.
template <typename T>
static void backprop_relu(T* dX, const T* dY, const T* Y, size_t n) {
  map_parts_<CHEAP>(
      dX, n, [](Vec<T> dy, Vec<T> y) THINC_INLINE_LAMBDA { return select_(y <= T(0), Vec<T>{}, dy); }, dY, Y);
}

// x tanh(log(1 + e^x)) = x m / (m + 2) with m = e^x (e^x + 2). From 20 on the factor rounds to 1.
template <typename T>
static void mish(T* Y, const T* X, size_t n) {
  map_parts_(
      Y, n,
      [](Vec<T> x) THINC_INLINE_LAMBDA {
        Vec<T> c = at_least_(x, exp_start_<T>());  // -inf would make 0 * inf
        Quotient<T> e = exp_quotient_<T>(capped_(c, T(20)));
        Vec<T> m = e.up * (e.up + (e.down + e.down)), square = e.down * e.down;
        return c * (m / (m + (square + square)));
      },
      X);
}

// With q = m + 2: (m q + 4 x e (e + 1)) / q^2.
template <typename T>
static void backprop_mish(T* dX, const T* dY, const T* X, size_t n) {
  map_parts_(
      dX, n,
      [](Vec<T> dy, Vec<T> x) THINC_INLINE_LAMBDA {
        Vec<T> c = clip_(x, exp_start_<T>(), T(20));
        Quotient<T> e = exp_quotient_<T>(c);
        Vec<T> sum = e.up + e.down, square = e.down * e.down;
        Vec<T> m = e.up * (sum + e.down), q = m + (square + square);
        return dy * ((m * q + c * T(4) * square * (e.up * sum)) / (q * q));
      },
      dY, X);
}

// x Phi(x) = max(x, 0) - |x| Phi(-|x|); NaN passes through the first term.
template <typename T>
static void gelu(T* Y, const T* X, size_t n) {
  map_parts_(
      Y, n,
      [](Vec<T> x) THINC_INLINE_LAMBDA {
        Vec<T> a = capped_(abs_(x), normal_end_<T>());
        Quotient<T> curve = normal_curve_(a), tail = normal_tail_(a);
        return select_(x < T(0), Vec<T>{}, x) - a * (curve.up * tail.up / (curve.down * tail.down));
      },
      X);
}

// Phi(x) + x phi(x), which is d for x < 0 and 1 - d for x > 0, with d = Phi(-|x|) - |x| phi(x).
template <typename T>
static void backprop_gelu(T* dX, const T* dY, const T* X, size_t n) {
  map_parts_(
      dX, n,
      [](Vec<T> dy, Vec<T> x) THINC_INLINE_LAMBDA {
        Vec<T> a = at_most_(abs_(x), normal_end_<T>());
        Quotient<T> curve = normal_curve_(a), tail = normal_tail_(a);
        Vec<T> less_density = tail.up - a * T(0.39894228040143268) * tail.down;
        Vec<T> d = curve.up * less_density / (curve.down * tail.down);
        return dy * select_(x < T(0), d, T(1) - d);
      },
      dY, X);
}

// 1 / (1 + e^-x), on the left e^x / (1 + e^x).
template <typename T>
static void sigmoid(T* Y, const T* X, size_t n) {
  map_parts_(
      Y, n,
      [](Vec<T> x) THINC_INLINE_LAMBDA {
        Quotient<T> e = exp_quotient_<T>(at_least_(-abs_(x), exp_start_<T>()));
        return select_(x < T(0), e.up, e.down) / (e.up + e.down);
      },
      X);
}

// The slopes of sigmoid and tanh from their outputs.
template <typename T>
static void dsigmoid(T* dX, const T* Y, size_t n) {
  map_parts_<CHEAP>(dX, n, [](Vec<T> y) THINC_INLINE_LAMBDA { return y * (T(1) - y); }, Y);
}
template <typename T>
static void dtanh(T* dX, const T* Y, size_t n) {
  map_parts_<CHEAP>(dX, n, [](Vec<T> y) THINC_INLINE_LAMBDA { return T(1) - y * y; }, Y);
}

// 1 / cosh(x)^2 = 4 e / (1 + e)^2 with e = e^-2|x|, |x| <= 20.
template <typename T>
static void sechsq(T* Y, const T* X, size_t n) {
  map_parts_(
      Y, n,
      [](Vec<T> x) THINC_INLINE_LAMBDA {
        Vec<T> a = at_most_(abs_(x), T(20));
        Quotient<T> e = exp_quotient_<T>(-(a + a));
        Vec<T> r = T(2) / (e.up + e.down);
        return e.up * e.down * (r * r);
      },
      X);
}

template <typename T>
static void backprop_sigmoid(T* dX, const T* dY, const T* Y, size_t n) {
  map_parts_<CHEAP>(dX, n, [](Vec<T> dy, Vec<T> y) THINC_INLINE_LAMBDA { return dy * y * (T(1) - y); }, dY, Y);
}

// x / (1 + e^-x). At -exp_end_ it is 0 already.
template <typename T>
static void swish(T* Y, const T* X, size_t n) {
  map_parts_(
      Y, n,
      [](Vec<T> x) THINC_INLINE_LAMBDA {
        Vec<T> c = at_least_(x, -exp_end_<T>());
        Quotient<T> e = exp_quotient_<T>(-capped_(c, -exp_start_<T>()));
        return c * (e.down / (e.up + e.down));
      },
      X);
}

// sigmoid(x) + y sigmoid(-x), in which y, when infinite, meets a zero.
template <typename T>
static void backprop_swish(T* dX, const T* dY, const T* X, const T* Y, size_t n) {
  map_parts_(
      dX, n,
      [](Vec<T> dy, Vec<T> x, Vec<T> y) THINC_INLINE_LAMBDA {
        Quotient<T> e = exp_quotient_<T>(clip_(-x, exp_start_<T>(), exp_large_<T>()));
        Vec<T> r = T(1) / (e.up + e.down);
        return dy * (e.down * r + clip_(y, T(-1e30), T(1e30)) * (e.up * r));
      },
      dY, X, Y);
}

// 2 u = sqrt(8 / pi) (x + 0.044715 x^3) of gelu_approx.
template <typename V, typename T>
static THINC_INLINE V approx_u2_(V x, T) {
  return x * T(1.5957691216057308) * (x * x * T(0.044715) + T(1));
}
// e^-2u is infinite here, and 0 beside 1 from 9 on.
template <typename T>
constexpr T approx_start_() {
  return sizeof(T) == 4 ? T(-10.05) : T(-21.16);
}

// x / (1 + e^-2u), 2 u = sqrt(8 / pi) (x + 0.044715 x^3).
template <typename T>
static void gelu_approx(T* Y, const T* X, size_t n) {
  map_parts_(
      Y, n,
      [](Vec<T> x) THINC_INLINE_LAMBDA {
        Vec<T> c = at_least_(x, approx_start_<T>());
        Quotient<T> e = exp_quotient_<T>(-approx_u2_(capped_(c, T(9)), T(0)));
        return c * (e.down / (e.up + e.down));
      },
      X);
}

// s (1 + x (1 - s) 2 u') with s = 1 / (1 + e) and 1 - s = e / (1 + e).
template <typename T>
static void backprop_gelu_approx(T* dX, const T* dY, const T* X, size_t n) {
  map_parts_(
      dX, n,
      [](Vec<T> dy, Vec<T> x) THINC_INLINE_LAMBDA {
        Vec<T> c = clip_(x, approx_start_<T>() + T(0.2), T(9));
        Quotient<T> e = exp_quotient_<T>(-approx_u2_(c, T(0)));
        Vec<T> r = T(1) / (e.up + e.down), u2_slope = c * c * T(0.21406444881780073) + T(1.5957691216057308);
        return dy * (e.down * r * (c * u2_slope * (e.up * r) + T(1)));
      },
      dY, X);
}

template <typename T>
static void erf(T* Y, const T* X, size_t n) {
  map_parts_(Y, n, [](Vec<T> x) THINC_INLINE_LAMBDA { return erf_<T>(x); }, X);
}

// The root of 1 + x^2 needs x^2 to be finite: beyond this, x / sqrt(1 + x^2) is 1 or -1.
template <typename T>
constexpr T dish_limit_() {
  return sizeof(T) == 4 ? T(1e18) : T(1e150);
}

// 1 + x / h with h = sqrt(1 + x^2): (h + x) / h, and on the left 1 / (h (h + |x|)), where that sum would cancel.
// |x| <= dish_limit_.
template <typename T>
static THINC_INLINE Vec<T> dish_sum_(Vec<T> x) {
  Vec<T> h = root_<T>(x * x + T(1)), sum = h + abs_(x), one = Vec<T>{} + T(1);
  return select_(x < T(0), one, sum) / (h * select_(x < T(0), sum, one));
}

// Its time is that of the root and the division: 16 of 16.4 cycles for a vector of f32, 24 of 25 of f64.
template <typename T>
static void dish(T* Y, const T* X, size_t n) {
  map_parts_(
      Y, n,
      [](Vec<T> x) THINC_INLINE_LAMBDA {
        Vec<T> c = at_least_(x, -dish_limit_<T>());
        Vec<T> y = c * T(0.5) * dish_sum_<T>(at_most_(c, dish_limit_<T>()));
        return select_(x < -dish_limit_<T>(), Vec<T>{}, y);
      },
      X);
}

// s (1 + r - r^2) / 2 with r = x / sqrt(1 + x^2), s = 1 + r.
template <typename T>
static void backprop_dish(T* dX, const T* dY, const T* X, size_t n) {
  map_parts_(
      dX, n,
      [](Vec<T> dy, Vec<T> x) THINC_INLINE_LAMBDA {
        Vec<T> s = dish_sum_<T>(clip_(x, -dish_limit_<T>(), dish_limit_<T>())), r = s - T(1);
        return dy * (s * T(0.5) * (r * (T(1) - r) + T(1)));
      },
      dY, X);
}

template <typename T>
static void clipped_linear(T* Y, const T* X, size_t n, T slope, T offset, T low, T high) {
  map_parts_<CHEAP>(Y, n, [=](Vec<T> x) THINC_INLINE_LAMBDA { return clip_(x * slope + offset, low, high); }, X);
}

template <typename T>
static void backprop_clipped_linear(T* dX, const T* dY, const T* X, size_t n, T slope, T offset, T low, T high) {
  map_parts_<CHEAP>(
      dX, n,
      [=](Vec<T> dy, Vec<T> x) THINC_INLINE_LAMBDA {
        Vec<T> line = x * slope + offset;
        return select_((line > low) & (line < high), dy * slope, Vec<T>{});
      },
      dY, X);
}

template <typename T>
static void hard_swish(T* Y, const T* X, size_t n) {
  map_parts_<CHEAP>(
      Y, n,
      [](Vec<T> x) THINC_INLINE_LAMBDA { return at_least_(x, T(-1000)) * clip_(x * T(0.2) + T(0.5), T(0), T(1)); }, X);
}

template <typename T>
static void backprop_hard_swish(T* dX, const T* dY, const T* X, size_t n) {
  map_parts_<CHEAP>(
      dX, n,
      [](Vec<T> dy, Vec<T> x) THINC_INLINE_LAMBDA {
        Vec<T> slope = select_(x > T(2.5), Vec<T>{} + T(1), x * T(0.4) + T(0.5));
        return dy * select_(x < T(-2.5), Vec<T>{}, slope);
      },
      dY, X);
}

template <typename T>
static void hard_swish_mobilenet(T* Y, const T* X, size_t n) {
  map_parts_<CHEAP>(
      Y, n,
      [](Vec<T> x) THINC_INLINE_LAMBDA { return at_least_(x, T(-1000)) * (clip_(x + T(3), T(0), T(6)) * T(1.0 / 6)); },
      X);
}

template <typename T>
static void backprop_hard_swish_mobilenet(T* dX, const T* dY, const T* X, size_t n) {
  map_parts_<CHEAP>(
      dX, n,
      [](Vec<T> dy, Vec<T> x) THINC_INLINE_LAMBDA {
        Vec<T> slope = select_(x > T(3), Vec<T>{} + T(1), x * T(1.0 / 3) + T(0.5));
        return dy * select_(x < T(-3), Vec<T>{}, slope);
      },
      dY, X);
}
