# The kernel tables of include/thinc_core/kernels.h as Cython sees them: one field per line of kernels.def.
cdef extern from "thinc_core/kernels.h" namespace "thinc" nogil:
    cdef cppclass Kernels[T]:
        void (*relu)(T* Y, const T* X, size_t n) noexcept nogil

    cdef cppclass KernelTable:
        const char* isa
        Kernels[float] f32
        Kernels[double] f64

    size_t supported_tables(const KernelTable** tables, size_t capacity) noexcept
