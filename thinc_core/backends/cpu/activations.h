// Elementwise activations: scalar-looking, branch-free, vectorised by the compiler.

template <typename T>
static void relu(T* Y, const T* X, size_t n) {
  for (size_t i = 0; i < n; ++i) Y[i] = X[i] < T(0) ? T(0) : X[i];
}
