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

// x tanh(log(1 + e^x)) = x m / (m + 2) with m = e^x (e^x + 2). From 20 on the factor rounds to 1; below the range of
// exp it is 0.
template <typename T>
static void mish(T* Y, const T* X, size_t n) {
  fill_(Y, n, [=](size_t i) {
    T x = X[i], c = clip_(x, exp_lowest_<T>(), T(20));
    T e = exp_in_range_(c), m = e * (e + T(2));
    T y = c * (m / (m + T(2)));
    return x >= T(20) ? x : y;
  });
}

// With s = m / (m + 2): y' = s + x s', s' = 4 (e + 1) e / (m + 2)^2.
template <typename T>
static void backprop_mish(T* dX, const T* dY, const T* X, size_t n) {
  fill_(dX, n, [=](size_t i) {
    T x = X[i], c = clip_(x, exp_lowest_<T>(), T(20));
    T e = exp_in_range_(c), m = e * (e + T(2)), r = T(1) / (m + T(2));
    T slope = m * r + c * (T(4) * (e + T(1)) * (e * (r * r)));
    return dY[i] * (x >= T(20) ? T(1) : slope);
  });
}

// Beyond 40 the normal distribution function is 0 or 1 and its density 0, in f64 too.
template <typename T>
static void gelu(T* Y, const T* X, size_t n) {
  fill_(Y, n, [=](size_t i) {
    T x = X[i], c = clip_(x, T(-40), T(40)), density;
    return (x < c ? c : x) * normal_cdf_(c, &density);
  });
}

template <typename T>
static void backprop_gelu(T* dX, const T* dY, const T* X, size_t n) {
  fill_(dX, n, [=](size_t i) {
    T c = clip_(X[i], T(-40), T(40)), density;
    T cdf = normal_cdf_(c, &density);
    return dY[i] * (cdf + c * density * T(0.39894228040143268));
  });
}
