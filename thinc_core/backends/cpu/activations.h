// Elementwise activations: scalar-looking, branch-free, vectorised by the compiler.

template <typename T>
static void relu(T* Y, const T* X, size_t n) {
  fill_(Y, n, [=](size_t i) { return X[i] < T(0) ? T(0) : X[i]; });
}

// NaN in Y lets dY through.
template <typename T>
static void backprop_relu(T* dX, const T* dY, const T* Y, size_t n) {
  fill_(dX, n, [=](size_t i) { return Y[i] <= T(0) ? T(0) : dY[i]; });
}

// x tanh(log(1 + e^x)) = x m / (m + 2) with m = e^x (e^x + 2). From 20 on the factor rounds to 1.
template <typename T>
static void mish(T* Y, const T* X, size_t n) {
  map_(Y, X, n, [](Vec<T> x) THINC_INLINE_LAMBDA {
    Vec<T> c = at_least_(at_most_(x, T(20)), T(-1000));  // -inf would make 0 * inf
    Vec<T> e = exp_(c), m = e * (e + T(2));
    return select_(x > T(20), x, c * (m / (m + T(2))));
  });
}

// With s = m / (m + 2): y' = s + x s', s' = 4 (e + 1) e / (m + 2)^2.
template <typename T>
static void backprop_mish(T* dX, const T* dY, const T* X, size_t n) {
  map_(dX, dY, X, n, [](Vec<T> dy, Vec<T> x) THINC_INLINE_LAMBDA {
    Vec<T> c = at_least_(at_most_(x, T(20)), T(-1000));
    Vec<T> e = exp_(c), m = e * (e + T(2)), r = T(1) / (m + T(2));
    Vec<T> slope = m * r + c * ((e + T(1)) * T(4) * (e * (r * r)));
    return dy * select_(x > T(20), Vec<T>{} + T(1), slope);
  });
}

// x Phi(x) = max(x, 0) - |x| Phi(-|x|); NaN passes through the first term.
template <typename T>
static void gelu(T* Y, const T* X, size_t n) {
  map_(Y, X, n, [](Vec<T> x) THINC_INLINE_LAMBDA {
    Vec<T> a = abs_to_(x, normal_end_<T>());
    Vec<T> bump = select_(a == normal_end_<T>(), Vec<T>{}, a * normal_tail_(a));
    return select_(x < T(0), Vec<T>{}, x) - bump;
  });
}

// Phi(x) + x phi(x), which is d for x < 0 and 1 - d for x > 0, with d = Phi(-|x|) - |x| phi(x).
template <typename T>
static void backprop_gelu(T* dX, const T* dY, const T* X, size_t n) {
  map_(dX, dY, X, n, [](Vec<T> dy, Vec<T> x) THINC_INLINE_LAMBDA {
    Vec<T> a = at_most_(abs_(x), normal_end_<T>());
    Vec<T> density = a * exp2_(a * a * T(-0.72134752044448170)) * T(0.39894228040143268);
    Vec<T> d = select_(a == normal_end_<T>(), Vec<T>{}, normal_tail_(a) - density);
    return dy * select_(x < T(0), d, T(1) - d);
  });
}
