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
static void affine_maxout(T* Y, int32_t* which, const T* X, const T* W, const T* b, size_t B, size_t O, size_t P,
                          size_t I, size_t ldx) {
  for (size_t i = 0; i < B * O; ++i)
    for (size_t p = 0; p < P; ++p) {
      const size_t piece = i % O * P + p;
      T z = b[piece];
      for (size_t k = 0; k < I; ++k) z += X[i / O * ldx + k] * W[piece * I + k];
      if (p == 0 || (!(z <= Y[i]) && Y[i] == Y[i])) Y[i] = z, which[i] = int32_t(p);
    }
}

template <typename T>
static void backprop_affine_maxout(T* dX, T* dW, T* db, const T* dY, const int32_t* which, const T* X, const T* W,
                                   size_t B, size_t O, size_t P, size_t I) {
  for (size_t i = 0; dX && i < B * I; ++i) dX[i] = T(0);
  for (size_t i = 0; i < B * O; ++i) {
    const size_t b = i / O, piece = i % O * P + size_t(which[i]);
    if (db) db[piece] += dY[i];
    for (size_t k = 0; dX && k < I; ++k) dX[b * I + k] += dY[i] * W[piece * I + k];
    for (size_t k = 0; dW && k < I; ++k) dW[piece * I + k] += dY[i] * X[b * I + k];
  }
}

}  // namespace plain
