# cython: language_level=3
"""Small vector functions for other packages' Cython code; everything is inline in linalg.pxd."""


cdef class Matrix:
    """Memory of nr_row rows of nr_col floats; it holds no behaviour."""


cdef class Vec:
    """Functions of one vector."""


cdef class VecVec:
    """Functions of two vectors."""


cdef class Mat:
    """Functions of the columns of a matrix."""
