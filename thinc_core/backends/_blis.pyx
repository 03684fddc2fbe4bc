# cython: language_level=3
"""The functions of the blis package, compiled against its .pxd. Imported only when that provider is asked for."""
cimport blis.cy as blis_cy

from .cblas cimport CBlas, set_daxpy, set_dgemm, set_dscal, set_saxpy, set_sgemm, set_sscal


# BLIS starts at the pointer whatever the sign of the step; BLAS starts a walk backwards at the end.
cdef void saxpy(int N, float alpha, const float* X, int incX, float* Y, int incY) noexcept nogil:
    if N > 0:
        blis_cy.saxpy(N, alpha, X + _start(N, incX), incX, Y + _start(N, incY), incY)


cdef void daxpy(int N, double alpha, const double* X, int incX, double* Y, int incY) noexcept nogil:
    if N > 0:
        blis_cy.daxpy(N, alpha, X + _start(N, incX), incX, Y + _start(N, incY), incY)


cdef inline ptrdiff_t _start(ptrdiff_t N, ptrdiff_t step) noexcept nogil:
    return (1 - N) * step if step < 0 else 0


cdef void sscal(int N, float alpha, float* X, int incX) noexcept nogil:
    if N > 0 and incX > 0:
        blis_cy.scalv(blis_cy.NO_CONJUGATE, N, alpha, X, incX)


cdef void dscal(int N, double alpha, double* X, int incX) noexcept nogil:
    if N > 0 and incX > 0:
        blis_cy.scalv(blis_cy.NO_CONJUGATE, N, alpha, X, incX)


# The dgemm kernels of BLIS 1.3 for Haswell, which newer Intel processors get too, write the last column of C to a wrong
# place when B is transposed and N is 5 more than a multiple of 6 (github.com/flame/blis/issues/899).
cdef void dgemm(
    bint TransA, bint TransB, int M, int N, int K, double alpha, const double* A, int lda, const double* B, int ldb,
    double beta, double* C, int ldc
) noexcept nogil:
    cdef int last = 1 if N > 5 and N % 6 == 5 else 0
    blis_cy.dgemm(TransA, TransB, M, N - last, K, alpha, A, lda, B, ldb, beta, C, ldc)
    if last:
        B += (N - 1) * (<ptrdiff_t>ldb if TransB else 1)
        blis_cy.dgemm(TransA, TransB, M, 1, K, alpha, A, lda, B, ldb, beta, C + N - 1, ldc)


def fill(CBlas cblas):
    """Put the functions of BLIS into cblas, and return it."""
    set_saxpy(cblas, saxpy)
    set_daxpy(cblas, daxpy)
    set_sgemm(cblas, blis_cy.sgemm)
    set_dgemm(cblas, dgemm)
    set_sscal(cblas, sscal)
    set_dscal(cblas, dscal)
    return cblas
