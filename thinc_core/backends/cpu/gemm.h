// Matrix products and what is fused to them. Simple bodies first; the blocked ones replace them.

template <typename T>
static void gemm(T* C, const T* A, const T* B, size_t M, size_t N, size_t K, size_t lda, size_t ldb, size_t ldc,
                 bool trans1, bool trans2, bool accumulate) {
  for (size_t m = 0; m < M; ++m)
    for (size_t n = 0; n < N; ++n) {
      T sum = accumulate ? C[m * ldc + n] : T(0);
      for (size_t k = 0; k < K; ++k)
        sum += (trans1 ? A[k * lda + m] : A[m * lda + k]) * (trans2 ? B[n * ldb + k] : B[k * ldb + n]);
      C[m * ldc + n] = sum;
    }
}

template <typename T>
static void column_sum(T* S, const T* X, size_t B, size_t O, bool accumulate) {
  for (size_t o = 0; o < O; ++o) {
    T sum = accumulate ? S[o] : T(0);
    for (size_t b = 0; b < B; ++b) sum += X[b * O + o];
    S[o] = sum;
  }
}

template <typename T>
static void affine(T* Y, const T* X, const T* W, const T* b, size_t B, size_t O, size_t I, size_t ldx) {
  gemm(Y, X, W, B, O, I, ldx, I, O, false, true, false);
  for (size_t r = 0; r < B; ++r)
    for (size_t o = 0; o < O; ++o) Y[r * O + o] += b[o];
}

template <typename T>
static void affine_relu(T* Y, const T* X, const T* W, const T* b, size_t B, size_t O, size_t I, size_t ldx) {
  affine(Y, X, W, b, B, O, I, ldx);
  for (size_t i = 0; i < B * O; ++i) Y[i] = Y[i] < T(0) ? T(0) : Y[i];
}

template <typename T>
static void affine_maxout(T* Y, int32_t* which, const T* X, const T* W, const T* b, size_t B, size_t O, size_t P,
                          size_t I, size_t ldx) {
  for (size_t r = 0; r < B; ++r)
    for (size_t o = 0; o < O; ++o)
      for (size_t p = 0; p < P; ++p) {
        T z = b[o * P + p], *y = Y + r * O + o;
        for (size_t i = 0; i < I; ++i) z += X[r * ldx + i] * W[(o * P + p) * I + i];
        if (p == 0 || (!(z <= *y) && *y == *y)) *y = z, which[r * O + o] = int32_t(p);
      }
}

template <typename T>
static void backprop_affine(T* dX, T* dW, T* db, const T* dY, const T* X, const T* W, size_t B, size_t O, size_t I) {
  if (dX) gemm(dX, dY, W, B, I, O, O, I, I, false, false, false);
  if (dW) gemm(dW, dY, X, O, I, B, O, I, I, true, false, true);
  if (db) column_sum(db, dY, B, O, true);
}

template <typename T>
static void backprop_affine_maxout(T* dX, T* dW, T* db, const T* dY, const int32_t* which, const T* X, const T* W,
                                   size_t B, size_t O, size_t P, size_t I) {
  for (size_t i = 0; dX && i < B * I; ++i) dX[i] = T(0);
  for (size_t r = 0; r < B; ++r)
    for (size_t o = 0; o < O; ++o) {
      const size_t piece = o * P + size_t(which[r * O + o]);
      const T d = dY[r * O + o];
      if (db) db[piece] += d;
      for (size_t i = 0; i < I; ++i) {
        if (dX) dX[r * I + i] += d * W[piece * I + i];
        if (dW) dW[piece * I + i] += d * X[r * I + i];
      }
    }
}

template <typename T>
static void axpy(T* Y, const T* X, T alpha, size_t n) {
  for (size_t i = 0; i < n; ++i) Y[i] += alpha * X[i];
}

template <typename T>
static void scal(T* X, T alpha, size_t n) {
  for (size_t i = 0; i < n; ++i) X[i] *= alpha;
}
