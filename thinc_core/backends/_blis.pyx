# cython: language_level=3
"""The functions of the blis package, compiled against its .pxd. Imported only when that provider is asked for."""
cimport blis.cy as blis_cy

from .cblas cimport CBlas, set_daxpy, set_dgemm, set_dscal, set_saxpy, set_sgemm, set_sscal


cdef void sscal(int N, float alpha, float* X, int incX) noexcept nogil:
    if N > 0 and incX > 0:
        blis_cy.scalv(blis_cy.NO_CONJUGATE, N, alpha, X, incX)


cdef void dscal(int N, double alpha, double* X, int incX) noexcept nogil:
    if N > 0 and incX > 0:
        blis_cy.scalv(blis_cy.NO_CONJUGATE, N, alpha, X, incX)


def fill(CBlas cblas):
    """Put the functions of BLIS into cblas, and return it."""
    set_saxpy(cblas, blis_cy.saxpy)
    set_daxpy(cblas, blis_cy.daxpy)
    set_sgemm(cblas, blis_cy.sgemm)
    set_dgemm(cblas, blis_cy.dgemm)
    set_sscal(cblas, sscal)
    set_dscal(cblas, dscal)
    return cblas
