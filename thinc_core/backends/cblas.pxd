# BLAS functions for other packages' Cython code: ask ops.cblas() for a CBlas, then call sgemm(cblas)(...).
from libcpp.memory cimport shared_ptr

# Row-major. C (M, N) = alpha op(A) op(B) + beta C; lda, ldb, ldc: elements between stored rows.
ctypedef void (*sgemm_ptr)(bint transA, bint transB, int M, int N, int K, float alpha, const float* A, int lda,
                           const float* B, int ldb, float beta, float* C, int ldc) noexcept nogil
ctypedef void (*dgemm_ptr)(bint transA, bint transB, int M, int N, int K, double alpha, const double* A, int lda,
                           const double* B, int ldb, double beta, double* C, int ldc) noexcept nogil
# Y += alpha X
ctypedef void (*saxpy_ptr)(int N, float alpha, const float* X, int incX, float* Y, int incY) noexcept nogil
ctypedef void (*daxpy_ptr)(int N, double alpha, const double* X, int incX, double* Y, int incY) noexcept nogil
# X *= alpha
ctypedef void (*sscal_ptr)(int N, float alpha, float* X, int incX) noexcept nogil
ctypedef void (*dscal_ptr)(int N, double alpha, double* X, int incX) noexcept nogil

# Opaque to other packages: they see a forward declaration, so that functions can be added without breaking them.
cdef extern from *:
    """
    namespace thinc { struct BlasFuncs; }
    """
    cdef cppclass BlasFuncs "thinc::BlasFuncs":
        saxpy_ptr saxpy
        daxpy_ptr daxpy
        sgemm_ptr sgemm
        dgemm_ptr dgemm
        sscal_ptr sscal
        dscal_ptr dscal


cdef class CBlas:
    cdef shared_ptr[BlasFuncs] ptr


# Functions, not methods: a new one does not change the layout that compiled dependants rely on.
cdef saxpy_ptr saxpy(CBlas cblas) noexcept nogil
cdef daxpy_ptr daxpy(CBlas cblas) noexcept nogil
cdef sgemm_ptr sgemm(CBlas cblas) noexcept nogil
cdef dgemm_ptr dgemm(CBlas cblas) noexcept nogil
cdef sscal_ptr sscal(CBlas cblas) noexcept nogil
cdef dscal_ptr dscal(CBlas cblas) noexcept nogil
cdef void set_saxpy(CBlas cblas, saxpy_ptr function) noexcept nogil
cdef void set_daxpy(CBlas cblas, daxpy_ptr function) noexcept nogil
cdef void set_sgemm(CBlas cblas, sgemm_ptr function) noexcept nogil
cdef void set_dgemm(CBlas cblas, dgemm_ptr function) noexcept nogil
cdef void set_sscal(CBlas cblas, sscal_ptr function) noexcept nogil
cdef void set_dscal(CBlas cblas, dscal_ptr function) noexcept nogil

# For numpy_ops: from now on compute with the kernels of this instruction set. Returns the table to call, always the
# same one: its matrix products are the chosen provider's. Both are KernelTable*; not named so here, for other packages
# compile against this file without our headers.
cdef const void* use_kernels(const void* table) noexcept
