// The kernels as plain loops: for compilers without vector extensions (MSVC), for a few rows, and for when there is
// no memory to pack into.
namespace plain {

template <typename T>
static void gemm(T* C, const T* A, const T* B, size_t M, size_t N, size_t K, size_t lda, size_t ldb, size_t ldc,
                 bool trans1, bool trans2, bool accumulate) {
  for (size_t m = 0; m < M; ++m) {
    T* row = C + m * ldc;
    for (size_t n = 0; !accumulate && n < N; ++n) row[n] = T(0);
    for (size_t k = 0; k < K; ++k) {
      const T a = trans1 ? A[k * lda + m] : A[m * lda + k];
      for (size_t n = 0; n < N; ++n) row[n] += a * (trans2 ? B[n * ldb + k] : B[k * ldb + n]);
    }
  }
}

template <typename T>
static void affine(T* Y, const T* X, const T* W, const T* b, size_t B, size_t O, size_t I, size_t ldx) {
  for (size_t i = 0; i < B * O; ++i) Y[i] = b[i % O];
  gemm(Y, X, W, B, O, I, ldx, I, O, false, true, true);
}

template <typename T>
static void affine_relu(T* Y, const T* X, const T* W, const T* b, size_t B, size_t O, size_t I, size_t ldx) {
  affine(Y, X, W, b, B, O, I, ldx);
  for (size_t i = 0; i < B * O; ++i) Y[i] = Y[i] < T(0) ? T(0) : Y[i];
}

template <typename T>
static void strided_maxout(T* Y, int32_t* which, size_t ldy, const T* X, const T* W, const T* b, size_t B, size_t O,
                           size_t P, size_t I, size_t ldx) {
  for (size_t i = 0; i < B * O; ++i)
    for (size_t p = 0; p < P; ++p) {
      const size_t piece = i % O * P + p;
      T& y = Y[i / O * ldy + i % O];
      T z = b[piece];
      for (size_t k = 0; k < I; ++k) z += X[i / O * ldx + k] * W[piece * I + k];
      if (p == 0 || (!(z <= y) && y == y)) y = z, which[i / O * ldy + i % O] = int32_t(p);
    }
}

template <typename T>
static void affine_maxout(T* Y, int32_t* which, const T* X, const T* W, const T* b, size_t B, size_t O, size_t P,
                          size_t I, size_t ldx) {
  strided_maxout(Y, which, O, X, W, b, B, O, P, I, ldx);
}

template <typename T>
static void affine_maxout_layernorm(T* Y, T* best, int32_t* which, T* mu, T* rstd, const T* X, const T* W, const T* b,
                                    const T* G, const T* shift, size_t B, size_t O, size_t P, size_t I, size_t ldx,
                                    T eps) {
  affine_maxout(best, which, X, W, b, B, O, P, I, ldx);
  layernorm(Y, mu, rstd, best, G, shift, B, O, eps);
}

template <typename T>
static void affine_map(T* Y, T* Z, const T* X, const T* W, const T* b, size_t B, size_t O, size_t I, size_t ldx,
                       void (*f)(T* Y, const T* X, size_t n)) {
  affine(Z, X, W, b, B, O, I, ldx);
  f(Y, Z, B * O);
}

template <typename T>
static void strided_backprop_maxout(T* dX, T* dW, T* db, const T* dY, const int32_t* which, size_t ldy, const T* X,
                                    size_t ldx, const T* W, size_t B, size_t O, size_t P, size_t I) {
  for (size_t i = 0; dX && i < B * I; ++i) dX[i] = T(0);
  for (size_t i = 0; i < B * O; ++i) {
    const size_t b = i / O, o = i % O, piece = o * P + size_t(which[b * ldy + o]);
    const T d = dY[b * ldy + o];
    if (db) db[piece] += d;
    for (size_t k = 0; dX && k < I; ++k) dX[b * I + k] += d * W[piece * I + k];
    for (size_t k = 0; dW && k < I; ++k) dW[piece * I + k] += d * X[b * ldx + k];
  }
}

template <typename T>
static void backprop_affine_maxout(T* dX, T* dW, T* db, const T* dY, const int32_t* which, const T* X, const T* W,
                                   size_t B, size_t O, size_t P, size_t I, size_t ldx) {
  strided_backprop_maxout(dX, dW, db, dY, which, O, X, ldx, W, B, O, P, I);
}

}  // namespace plain
