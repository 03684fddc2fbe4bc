"""Every function of thinc_core.backends.cblas, called from outside without the GIL; arrays are NumPy's."""
from thinc_core.backends.cblas cimport (
    CBlas, daxpy, daxpy_ptr, dgemm, dgemm_ptr, dscal, dscal_ptr, saxpy, saxpy_ptr, set_daxpy, set_dgemm, set_dscal,
    set_saxpy, set_sgemm, set_sscal, sgemm, sgemm_ptr, sscal, sscal_ptr,
)

ctypedef fused real:
    float
    double


def gemm(CBlas cblas, bint tA, bint tB, int K, double alpha, real[:, ::1] A, real[:, ::1] B, double beta,
         real[:, ::1] C):
    """C = alpha op(A) op(B) + beta C; K: what the sums run over."""
    cdef sgemm_ptr single = sgemm(cblas)
    cdef dgemm_ptr double_ = dgemm(cblas)
    cdef int M = <int>C.shape[0], N = <int>C.shape[1]
    with nogil:
        if real is float:
            single(tA, tB, M, N, K, alpha, &A[0, 0], <int>A.shape[1], &B[0, 0], <int>B.shape[1], beta, &C[0, 0], N)
        else:
            double_(tA, tB, M, N, K, alpha, &A[0, 0], <int>A.shape[1], &B[0, 0], <int>B.shape[1], beta, &C[0, 0], N)


def axpy(CBlas cblas, int n, double alpha, real[::1] x, int incx, real[::1] y, int incy):
    """y += alpha x"""
    cdef saxpy_ptr single = saxpy(cblas)
    cdef daxpy_ptr double_ = daxpy(cblas)
    with nogil:
        if real is float:
            single(n, alpha, &x[0], incx, &y[0], incy)
        else:
            double_(n, alpha, &x[0], incx, &y[0], incy)


def scal(CBlas cblas, int n, double alpha, real[::1] x, int incx):
    """x *= alpha"""
    cdef sscal_ptr single = sscal(cblas)
    cdef dscal_ptr double_ = dscal(cblas)
    with nogil:
        if real is float:
            single(n, alpha, &x[0], incx)
        else:
            double_(n, alpha, &x[0], incx)


# What the functions are replaced by: each writes a number of its own.

cdef void own_sgemm(bint tA, bint tB, int M, int N, int K, float alpha, const float* A, int lda, const float* B, int ldb,
                    float beta, float* C, int ldc) noexcept nogil:
    C[0] = 1

cdef void own_dgemm(bint tA, bint tB, int M, int N, int K, double alpha, const double* A, int lda, const double* B,
                    int ldb, double beta, double* C, int ldc) noexcept nogil:
    C[0] = 2

cdef void own_saxpy(int N, float alpha, const float* X, int incX, float* Y, int incY) noexcept nogil:
    Y[0] = 3

cdef void own_daxpy(int N, double alpha, const double* X, int incX, double* Y, int incY) noexcept nogil:
    Y[0] = 4

cdef void own_sscal(int N, float alpha, float* X, int incX) noexcept nogil:
    X[0] = 5

cdef void own_dscal(int N, double alpha, double* X, int incX) noexcept nogil:
    X[0] = 6


def replace(CBlas cblas, str name):
    cdef int which = ["sgemm", "dgemm", "saxpy", "daxpy", "sscal", "dscal"].index(name)
    with nogil:
        if which == 0:
            set_sgemm(cblas, own_sgemm)
        elif which == 1:
            set_dgemm(cblas, own_dgemm)
        elif which == 2:
            set_saxpy(cblas, own_saxpy)
        elif which == 3:
            set_daxpy(cblas, own_daxpy)
        elif which == 4:
            set_sscal(cblas, own_sscal)
        else:
            set_dscal(cblas, own_dscal)
