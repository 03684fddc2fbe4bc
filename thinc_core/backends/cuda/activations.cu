// Elementwise activations and their gradients. Formulas and what they promise: reference/activations.py.
// The output may be exactly one of the inputs, so no pointer is __restrict__.

// The kernels of Y = f(X) and of dX = f(dY, X): for f = relu_, relu_f32(Y, X, n) and so on.
#define MAP_OF(suffix, T, f)                              \
  KERNEL(f##suffix, (T * Y, const T* X, i64 n)) {         \
    map_elements(Y, n, [](acc<T> x) { return f(x); }, X); \
  }
#define MAP(f) FOR_FLOATS(MAP_OF, f)
#define GRADIENT_OF(suffix, T, f)                                              \
  KERNEL(f##suffix, (T * dX, const T* dY, const T* X, i64 n)) {                \
    map_elements(dX, n, [](acc<T> dy, acc<T> x) { return dy * f(x); }, dY, X); \
  }
#define GRADIENT(f) FOR_FLOATS(GRADIENT_OF, f)

template <typename A>
DEVICE A relu_(A x) {
  return x < A(0) ? A(0) : x;
}
MAP(relu_)

// NaN in Y lets dY through.
#define BACKPROP_RELU(suffix, T, ...)                                                                \
  KERNEL(backprop_relu_##suffix, (T * dX, const T* dY, const T* Y, i64 n)) {                         \
    map_elements(dX, n, [](acc<T> dy, acc<T> y) { return y <= acc<T>(0) ? acc<T>(0) : dy; }, dY, Y); \
  }
FOR_FLOATS(BACKPROP_RELU)

// x tanh(log(1 + e^x)) = x m / (m + 2) with m = e^x (e^x + 2). From 20 on the factor rounds to 1.
template <typename A>
DEVICE A mish_(A x, A threshold) {
  A e = exp_(at_most_(x, A(20))), m = e * (e + A(2));
  return x >= threshold ? x : floor_(x) * (m / (m + A(2)));
}
// With q = m + 2: m / q + 4 x e (e + 1) / q^2.
template <typename A>
DEVICE A backprop_mish_(A x, A threshold) {
  A c = at_most_(floor_(x), A(20)), e = exp_(c), m = e * (e + A(2)), q = m + A(2);
  A slope = m / q + c * (A(4) * e * (e + A(1)) / (q * q));
  return x >= threshold ? A(1) : slope;
}
#define MISH(suffix, T, ...)                                                                            \
  KERNEL(mish_##suffix, (T * Y, const T* X, i64 n, acc<T> threshold)) {                                 \
    map_elements(Y, n, [=](acc<T> x) { return mish_(x, threshold); }, X);                               \
  }                                                                                                     \
  KERNEL(backprop_mish_##suffix, (T * dX, const T* dY, const T* X, i64 n, acc<T> threshold)) {          \
    map_elements(dX, n, [=](acc<T> dy, acc<T> x) { return dy * backprop_mish_(x, threshold); }, dY, X); \
  }
FOR_FLOATS(MISH)

// The normal distribution function: erfc does not cancel in the left tail.
template <typename A>
DEVICE A normal_(A x) {
  return A(0.5) * erfc_(x * A(-0.70710678118654752));
}
template <typename A>
DEVICE A gelu_(A x) {
  return floor_(x) * normal_(x);
}
MAP(gelu_)

// The density at 40 is 0, and 0 * 40 is not 0 * inf.
template <typename A>
DEVICE A backprop_gelu_(A x) {
  A c = at_most_(at_least_(x, A(-40)), A(40));
  return normal_(x) + c * (A(0.39894228040143268) * exp_(A(-0.5) * c * c));
}
GRADIENT(backprop_gelu_)

// 1 / (1 + e^-x), from e^-|x|, which cannot overflow.
template <typename A>
DEVICE A sigmoid_(A x) {
  A e = exp_(-abs_(x));
  return (x >= A(0) ? A(1) : e) / (A(1) + e);
}
MAP(sigmoid_)

#define BACKPROP_SIGMOID(suffix, T, ...)                                                      \
  KERNEL(backprop_sigmoid_##suffix, (T * dX, const T* dY, const T* Y, i64 n)) {               \
    map_elements(dX, n, [](acc<T> dy, acc<T> y) { return dy * y * (acc<T>(1) - y); }, dY, Y); \
  }
FOR_FLOATS(BACKPROP_SIGMOID)

// The slopes of sigmoid and tanh from their outputs.
template <typename A>
DEVICE A dsigmoid_(A y) {
  return y * (A(1) - y);
}
MAP(dsigmoid_)
template <typename A>
DEVICE A dtanh_(A y) {
  return A(1) - y * y;
}
MAP(dtanh_)

// 2 u = sqrt(8 / pi) (x + 0.044715 x^3). Where x is cut off the sigmoid is 0 or 1; its cube must not overflow.
template <typename A>
DEVICE A twice_u_(A x) {
  return A(1.5957691216057308) * x * (A(1) + A(0.044715) * x * x);
}
template <typename A>
DEVICE A cut_off_(A x) {
  return at_most_(at_least_(x, A(-1000)), A(1000));
}
template <typename A>
DEVICE A gelu_approx_(A x) {
  return floor_(x) * sigmoid_(twice_u_(cut_off_(x)));
}
MAP(gelu_approx_)

// s + x s (1 - s) 2 u'.
template <typename A>
DEVICE A backprop_gelu_approx_(A x) {
  A t = cut_off_(x), u = twice_u_(t), s = sigmoid_(u);
  return s + t * s * sigmoid_(-u) * (A(1.5957691216057308) + A(0.21406444881780073) * t * t);
}
GRADIENT(backprop_gelu_approx_)

// erf_ of common.cuh
MAP(erf_)

// 1 / cosh(x)^2 = 4 e / (1 + e)^2 with e = e^-2|x|, |x| <= 20.
template <typename A>
DEVICE A sechsq_(A x) {
  A a = at_most_(abs_(x), A(20)), e = exp_(A(-2) * a), r = A(2) / (A(1) + e);
  return e * (r * r);
}
MAP(sechsq_)

template <typename A>
DEVICE A swish_(A x) {
  return floor_(x) * sigmoid_(x);
}
MAP(swish_)

// sigmoid(x) + y sigmoid(-x), in which y, when infinite, meets a zero.
template <typename A>
DEVICE A backprop_swish_(A x, A y) {
  return sigmoid_(x) + at_most_(floor_(y), largest_(y)) * sigmoid_(-x);
}
#define BACKPROP_SWISH(suffix, T, ...)                                                                       \
  KERNEL(backprop_swish_##suffix, (T * dX, const T* dY, const T* X, const T* Y, i64 n)) {                    \
    map_elements(dX, n, [](acc<T> dy, acc<T> x, acc<T> y) { return dy * backprop_swish_(x, y); }, dY, X, Y); \
  }
FOR_FLOATS(BACKPROP_SWISH)

// 1 + x / h with h = sqrt(1 + x^2), on the left 1 / (h (h + |x|)), where that sum would cancel. Beyond the limit
// x / h is 1 or -1; x^2 must be finite.
template <typename A>
DEVICE A dish_limit_() {
  return sizeof(A) == 4 ? A(1e18f) : A(1e150);
}
template <typename A>
DEVICE A dish_sum_(A x) {
  A c = at_most_(at_least_(x, -dish_limit_<A>()), dish_limit_<A>());
  A h = sqrt_(A(1) + c * c), sum = h + abs_(c);
  return (c < A(0) ? A(1) : sum) / (c < A(0) ? h * sum : h);
}
template <typename A>
DEVICE A dish_(A x) {
  A y = A(0.5) * at_least_(x, -dish_limit_<A>()) * dish_sum_(x);
  return x < -dish_limit_<A>() ? A(0) : y;
}
MAP(dish_)

// s (1 + r - r^2) / 2 with r = x / sqrt(1 + x^2), s = 1 + r.
template <typename A>
DEVICE A backprop_dish_(A x) {
  A s = dish_sum_(x), r = s - A(1);
  return A(0.5) * s * (A(1) + r * (A(1) - r));
}
GRADIENT(backprop_dish_)

// The line is rounded without an FMA: where it meets low or high must not depend on the compiler.
template <typename A>
DEVICE A line_(A x, A slope, A offset) {
  return add_(multiply_(x, slope), offset);
}
template <typename A>
DEVICE A backprop_clipped_linear_(A dy, A line, A slope, A low, A high) {
  return line > low && line < high ? dy * slope : A(0);
}
#define CLIPPED_LINEAR(suffix, T, ...)                                                                                \
  KERNEL(clipped_linear_##suffix, (T * Y, const T* X, i64 n, acc<T> slope, acc<T> offset, acc<T> low, acc<T> high)) { \
    map_elements(Y, n, [=](acc<T> x) { return at_most_(at_least_(line_(x, slope, offset), low), high); }, X);         \
  }                                                                                                                   \
  KERNEL(backprop_clipped_linear_##suffix,                                                                            \
         (T * dX, const T* dY, const T* X, i64 n, acc<T> slope, acc<T> offset, acc<T> low, acc<T> high)) {            \
    auto f = [=](acc<T> dy, acc<T> x) {                                                                               \
      return backprop_clipped_linear_(dy, line_(x, slope, offset), slope, low, high);                                 \
    };                                                                                                                \
    map_elements(dX, n, f, dY, X);                                                                                    \
  }
FOR_FLOATS(CLIPPED_LINEAR)

template <typename A>
DEVICE A hard_swish_(A x) {
  return floor_(x) * at_most_(at_least_(x * A(0.2) + A(0.5), A(0)), A(1));
}
MAP(hard_swish_)

template <typename A>
DEVICE A backprop_hard_swish_(A x) {
  return x > A(2.5) ? A(1) : x < A(-2.5) ? A(0) : x * A(0.4) + A(0.5);
}
GRADIENT(backprop_hard_swish_)

template <typename A>
DEVICE A hard_swish_mobilenet_(A x) {
  return floor_(x) * (at_most_(at_least_(x + A(3), A(0)), A(6)) * A(1.0 / 6));
}
MAP(hard_swish_mobilenet_)

template <typename A>
DEVICE A backprop_hard_swish_mobilenet_(A x) {
  return x > A(3) ? A(1) : x < A(-3) ? A(0) : x * A(1.0 / 3) + A(0.5);
}
GRADIENT(backprop_hard_swish_mobilenet_)

// After a matrix product Z: Y = f(Z + b), for affine_activation with the activations' default settings.
#define BIASED_OF(suffix, T, f)                                                              \
  KERNEL(biased_##f##suffix, (T * Y, T * kept, const acc<T>* Z, const T* b, i64 n, i64 O)) { \
    map_biased(Y, kept, Z, b, n, O, [](acc<T> x) { return f(x); });                          \
  }
#define BIASED(f) FOR_FLOATS(BIASED_OF, f)
BIASED(relu_)
BIASED(gelu_)
BIASED(gelu_approx_)
BIASED(sigmoid_)
BIASED(swish_)
BIASED(dish_)
BIASED(hard_swish_)
BIASED(hard_swish_mobilenet_)
#define BIASED_MORE(suffix, T, ...)                                                                                 \
  KERNEL(biased_mish_##suffix, (T * Y, T * kept, const acc<T>* Z, const T* b, i64 n, i64 O)) {                      \
    map_biased(Y, kept, Z, b, n, O, [](acc<T> x) { return mish_(x, acc<T>(20)); });                                 \
  }                                                                                                                 \
  KERNEL(biased_clipped_linear_##suffix, (T * Y, T * kept, const acc<T>* Z, const T* b, i64 n, i64 O, acc<T> slope, \
                                          acc<T> offset, acc<T> low, acc<T> high)) {                                \
    map_biased(Y, kept, Z, b, n, O,                                                                                 \
               [=](acc<T> x) { return at_most_(at_least_(line_(x, slope, offset), low), high); });                  \
  }
FOR_FLOATS(BIASED_MORE)
