// What cblas.pyx is made of: BLAS functions built on our kernels, kernels built on a foreign BLAS, and the functions of
// a library found at run time. Not part of the kernels' translation unit: no instruction set is chosen here.
#pragma once
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "thinc_core/kernels.h"

namespace thinc {

// C = alpha op(A) op(B) + beta C, row-major, as in cblas_sgemm without its first argument.
template <typename T>
using Gemm = void (*)(int transA, int transB, int M, int N, int K, T alpha, const T* A, int lda, const T* B, int ldb,
                      T beta, T* C, int ldc);
template <typename T>
using Axpy = void (*)(int N, T alpha, const T* X, int incX, T* Y, int incY);
template <typename T>
using Scal = void (*)(int N, T alpha, T* X, int incX);

// What a CBlas holds.
struct BlasFuncs {
  Axpy<float> saxpy;
  Axpy<double> daxpy;
  Gemm<float> sgemm;
  Gemm<double> dgemm;
  Scal<float> sscal;
  Scal<double> dscal;
};

namespace {

// native_kernels: those of the instruction set in use. kernels: the same, except that what needs a matrix product asks
// the chosen provider. NumpyOps calls `kernels`, whose address never changes.
KernelTable native_kernels, kernels;
Gemm<float> gemm32 = nullptr;
Gemm<double> gemm64 = nullptr;

template <typename T>
const Kernels<T>& native() {
  if constexpr (sizeof(T) == 4)
    return native_kernels.f32;
  else
    return native_kernels.f64;
}

template <typename T>
Gemm<T> foreign() {
  if constexpr (sizeof(T) == 4)
    return gemm32;
  else
    return gemm64;
}

// BLAS on our kernels.

template <typename T>
void scaled_gemm(T* C, const T* A, const T* B, size_t M, size_t N, size_t K, size_t lda, size_t ldb, size_t ldc,
                 bool trans1, bool trans2, bool accumulate, T alpha) {
  constexpr size_t SIDE = 48;  // of a block of the product that is scaled on its way to C
  T block[SIDE * SIDE];
  for (size_t m = 0; m < M; m += SIDE)
    for (size_t n = 0; n < N; n += SIDE) {
      const size_t rows = M - m < SIDE ? M - m : SIDE, cols = N - n < SIDE ? N - n : SIDE;
      native<T>().gemm(block, A + m * (trans1 ? 1 : lda), B + n * (trans2 ? ldb : 1), rows, cols, K, lda, ldb, SIDE,
                       trans1, trans2, false);
      for (size_t i = 0; i < rows * cols; ++i) {
        T& c = C[(m + i / cols) * ldc + n + i % cols];
        c = alpha * block[i / cols * SIDE + i % cols] + (accumulate ? c : T(0));
      }
    }
}

template <typename T>
void native_gemm(int transA, int transB, int M, int N, int K, T alpha, const T* A, int lda, const T* B, int ldb, T beta,
                 T* C, int ldc) {
  if (M <= 0 || N <= 0) return;
  if (beta != T(0) && beta != T(1))
    for (int m = 0; m < M; ++m) native<T>().scal(C + size_t(m) * ldc, beta, N);
  const size_t k = K > 0 && alpha != T(0) ? K : 0;
  if (alpha == T(1) || k == 0)
    native<T>().gemm(C, A, B, M, N, k, lda, ldb, ldc, transA, transB, beta != T(0));
  else
    scaled_gemm<T>(C, A, B, M, N, k, lda, ldb, ldc, transA, transB, beta != T(0), alpha);
}

// Y += alpha X. A negative step walks backwards from the end, as BLAS has it.
template <typename T>
void native_axpy(int N, T alpha, const T* X, int incX, T* Y, int incY) {
  if (N <= 0) return;
  if (incX == 1 && incY == 1) return native<T>().axpy(Y, X, alpha, N);
  if (incX < 0) X += ptrdiff_t(1 - N) * incX;
  if (incY < 0) Y += ptrdiff_t(1 - N) * incY;
  for (ptrdiff_t i = 0; i < N; ++i) Y[i * incY] += alpha * X[i * incX];
}

template <typename T>
void native_scal(int N, T alpha, T* X, int incX) {
  if (N <= 0 || incX <= 0) return;
  if (incX == 1) return native<T>().scal(X, alpha, N);
  for (ptrdiff_t i = 0; i < N; ++i) X[i * incX] *= alpha;
}

const BlasFuncs native_functions = {&native_axpy<float>,  &native_axpy<double>, &native_gemm<float>,
                                    &native_gemm<double>, &native_scal<float>,  &native_scal<double>};

// Kernels on a foreign BLAS. What it cannot do (sizes beyond int, rows that overlap) our own kernel does.

template <typename T>
void foreign_gemm(T* C, const T* A, const T* B, size_t M, size_t N, size_t K, size_t lda, size_t ldb, size_t ldc,
                  bool trans1, bool trans2, bool accumulate) {
  const size_t most = INT_MAX;
  if (M == 0 || N == 0) return;
  if (K == 0 || M > most || N > most || K > most || lda > most || ldb > most || ldc > most)
    return native<T>().gemm(C, A, B, M, N, K, lda, ldb, ldc, trans1, trans2, accumulate);
  foreign<T>()(trans1, trans2, int(M), int(N), int(K), T(1), A, int(lda), B, int(ldb), T(accumulate), C, int(ldc));
}

template <typename T>
void foreign_affine(T* Y, const T* X, const T* W, const T* b, size_t B, size_t O, size_t I, size_t ldx) {
  if (ldx < I || ldx == 0) return native<T>().affine(Y, X, W, b, B, O, I, ldx);
  for (size_t r = 0; r < B; ++r)
    for (size_t o = 0; o < O; ++o) Y[r * O + o] = b[o];
  foreign_gemm(Y, X, W, B, O, I, ldx, I, O, false, true, true);
}

template <typename T>
void foreign_affine_relu(T* Y, const T* X, const T* W, const T* b, size_t B, size_t O, size_t I, size_t ldx) {
  foreign_affine(Y, X, W, b, B, O, I, ldx);
  native<T>().relu(Y, Y, B * O);
}

template <typename T>
void foreign_affine_map(T* Y, T* Z, const T* X, const T* W, const T* b, size_t B, size_t O, size_t I, size_t ldx,
                        void (*f)(T* Y, const T* X, size_t n)) {
  foreign_affine(Z, X, W, b, B, O, I, ldx);
  f(Y, Z, B * O);
}

// Rows at a time whose width * rows values fill 256 kB, and memory for them; null when there is none.
template <typename T>
std::unique_ptr<T, void (*)(void*)> scratch(size_t width, size_t* rows) {
  const size_t fit = width ? 262144 / sizeof(T) / width : 0;
  *rows = fit ? fit : 1;
  return {static_cast<T*>(std::malloc((*rows * width + 1) * sizeof(T))), std::free};
}

template <typename T>
void foreign_affine_maxout(T* Y, int32_t* which, const T* X, const T* W, const T* b, size_t B, size_t O, size_t P,
                           size_t I, size_t ldx) {
  size_t step;
  const auto Z = scratch<T>(O * P, &step);
  if (!Z) return native<T>().affine_maxout(Y, which, X, W, b, B, O, P, I, ldx);
  for (size_t r = 0; r < B; r += step) {
    const size_t rows = B - r < step ? B - r : step;
    foreign_affine(Z.get(), X + r * ldx, W, b, rows, O * P, I, ldx);
    native<T>().maxout(Y + r * O, which + r * O, Z.get(), rows * O, P);
  }
}

template <typename T>
void foreign_affine_maxout_layernorm(T* Y, T* best, int32_t* which, T* mu, T* rstd, const T* X, const T* W, const T* b,
                                     const T* G, const T* shift, size_t B, size_t O, size_t P, size_t I, size_t ldx,
                                     T eps) {
  foreign_affine_maxout(best, which, X, W, b, B, O, P, I, ldx);
  native<T>().layernorm(Y, mu, rstd, best, G, shift, B, O, eps);
}

template <typename T>
void foreign_backprop_affine(T* dX, T* dW, T* db, const T* dY, const T* X, const T* W, size_t B, size_t O, size_t I) {
  if (dX) foreign_gemm(dX, dY, W, B, I, O, O, I, I, false, false, false);
  if (dW) foreign_gemm(dW, dY, X, O, I, B, O, I, I, true, false, true);
  if (db) native<T>().column_sum(db, dY, B, O, true);
}

template <typename T>
void foreign_backprop_affine_maxout(T* dX, T* dW, T* db, const T* dY, const int32_t* which, const T* X, const T* W,
                                    size_t B, size_t O, size_t P, size_t I, size_t ldx) {
  size_t step;
  const auto dZ = scratch<T>(O * P, &step);
  if (!dZ || ldx != I) return native<T>().backprop_affine_maxout(dX, dW, db, dY, which, X, W, B, O, P, I, ldx);
  for (size_t r = 0; r < B; r += step) {
    const size_t rows = B - r < step ? B - r : step;
    native<T>().backprop_maxout(dZ.get(), dY + r * O, which + r * O, rows * O, P);
    foreign_backprop_affine(dX ? dX + r * I : nullptr, dW, db, dZ.get(), X + r * I, W, rows, O * P, I);
  }
}

template <typename T>
void ask_foreign(Kernels<T>* k) {
  k->gemm = &foreign_gemm<T>;
  k->affine = &foreign_affine<T>;
  k->affine_relu = &foreign_affine_relu<T>;
  k->affine_map = &foreign_affine_map<T>;
  k->affine_maxout = &foreign_affine_maxout<T>;
  k->affine_maxout_layernorm = &foreign_affine_maxout_layernorm<T>;
  k->backprop_affine = &foreign_backprop_affine<T>;
  k->backprop_affine_maxout = &foreign_backprop_affine_maxout<T>;
}

// Null: our own products.
void use_gemm(Gemm<float> f32, Gemm<double> f64) {
  gemm32 = f32, gemm64 = f64;
  kernels = native_kernels;
  if (f32 && f64) {
    ask_foreign(&kernels.f32);
    ask_foreign(&kernels.f64);
  }
}

const KernelTable* set_kernels(const KernelTable* table) {
  native_kernels = *table;
  use_gemm(gemm32, gemm64);
  return &kernels;
}

// The functions of a library found at run time, which has the C interface of BLAS. Int: its integers.
template <int LIBRARY, typename Int>
struct Library {
  static inline void* address[6];  // in the order of BlasFuncs

  template <typename T>
  static void axpy(int N, T alpha, const T* X, int incX, T* Y, int incY) {
    typedef void (*F)(Int, T, const T*, Int, T*, Int);
    reinterpret_cast<F>(address[sizeof(T) == 4 ? 0 : 1])(N, alpha, X, incX, Y, incY);
  }
  template <typename T>
  static void gemm(int transA, int transB, int M, int N, int K, T alpha, const T* A, int lda, const T* B, int ldb,
                   T beta, T* C, int ldc) {
    constexpr int ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112;
    typedef void (*F)(int, int, int, Int, Int, Int, T, const T*, Int, const T*, Int, T, T*, Int);
    reinterpret_cast<F>(address[sizeof(T) == 4 ? 2 : 3])(
        ROW_MAJOR, transA ? TRANS : NO_TRANS, transB ? TRANS : NO_TRANS, M, N, K, alpha, A, lda, B, ldb, beta, C, ldc);
  }
  template <typename T>
  static void scal(int N, T alpha, T* X, int incX) {
    typedef void (*F)(Int, T, T*, Int);
    reinterpret_cast<F>(address[sizeof(T) == 4 ? 4 : 5])(N, alpha, X, incX);
  }
  static BlasFuncs functions(void* const* addresses) {
    for (int i = 0; i < 6; ++i) address[i] = addresses[i];
    return {&axpy<float>, &axpy<double>, &gemm<float>, &gemm<double>, &scal<float>, &scal<double>};
  }
};

// LIBRARY: a number of its own for each library in use. wide: whether its integers have 64 bits.
template <int LIBRARY>
BlasFuncs library_functions(void* const* addresses, bool wide) {
  return wide ? Library<LIBRARY, int64_t>::functions(addresses) : Library<LIBRARY, int>::functions(addresses);
}

}  // namespace
}  // namespace thinc
