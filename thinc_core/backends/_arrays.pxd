# What numpy_ops.pyx needs to look at arrays: dtype, layout, new arrays, indices. Nothing here raises: a question that
# has the wrong answer gives -1 or None, and the caller hands its arguments to the reference, which words the error.
cimport numpy as np
from libc.stdint cimport INT32_MAX, int32_t, int64_t, uint64_t

cdef extern from "Python.h":
    bint PyObject_HasAttrString(object X, const char* name) noexcept
    ctypedef struct PyThreadState
    PyThreadState* PyEval_SaveThread() noexcept
    void PyEval_RestoreThread(PyThreadState* state) noexcept

# Elements of work from which letting other threads run is worth its 0.1 us.
cdef enum:
    RELEASE_FROM = 16384


cdef inline PyThreadState* release(size_t work) noexcept:
    """Release the GIL around a kernel, if there is enough work; hand the result to acquire."""
    if work < RELEASE_FROM:
        return NULL
    return PyEval_SaveThread()


cdef inline void acquire(PyThreadState* state) noexcept:
    if state != NULL:
        PyEval_RestoreThread(state)


cdef inline bint ordinary(object X) noexcept:
    """Whether X is an array and no np.matrix or masked array, whose values alone do not say what is meant."""
    return np.PyArray_CheckExact(X) or (
        np.PyArray_Check(X) and not PyObject_HasAttrString(X, "mask") and not PyObject_HasAttrString(X, "A1")
    )


cdef inline int real(object X) noexcept:
    """NPY_FLOAT or NPY_DOUBLE when X is an array of that dtype in native byte order, else -1."""
    cdef int t
    if not ordinary(X):
        return -1
    t = np.PyArray_TYPE(<np.ndarray>X)
    if (t == np.NPY_FLOAT or t == np.NPY_DOUBLE) and np.PyArray_ISNOTSWAPPED(<np.ndarray>X):
        return t
    return -1


cdef inline int reals(object X, object Y) noexcept:
    """The same for two arrays of one dtype."""
    cdef int t = real(X)
    return t if t == real(Y) else -1


cdef inline np.npy_intp dim(object X, int axis) noexcept:
    return np.PyArray_DIM(<np.ndarray>X, axis)


cdef inline bint same_shape(object X, object Y) noexcept:
    return np.PyArray_SAMESHAPE(<np.ndarray>X, <np.ndarray>Y)


cdef inline bint is_2d(object X) noexcept:
    return np.PyArray_NDIM(<np.ndarray>X) == 2


cdef inline bint has_shape1(object X, np.npy_intp d0) noexcept:
    return np.PyArray_NDIM(<np.ndarray>X) == 1 and dim(X, 0) == d0


cdef inline bint has_shape2(object X, np.npy_intp d0, np.npy_intp d1) noexcept:
    return is_2d(X) and dim(X, 0) == d0 and dim(X, 1) == d1


cdef inline void _extent(object X, char** low, char** high) noexcept:
    cdef np.npy_intp axis, step
    low[0] = high[0] = <char*>np.PyArray_DATA(<np.ndarray>X)
    if np.PyArray_SIZE(<np.ndarray>X) == 0:
        return
    high[0] += np.PyArray_ITEMSIZE(<np.ndarray>X)
    for axis in range(np.PyArray_NDIM(<np.ndarray>X)):
        step = (dim(X, axis) - 1) * np.PyArray_STRIDE(<np.ndarray>X, axis)
        if step < 0:
            low[0] += step
        else:
            high[0] += step


cdef inline bint overlap(object X, object Y) noexcept:
    """Whether the memory from the first to the last element of two arrays has a part in common."""
    cdef char* x_low
    cdef char* x_high
    cdef char* y_low
    cdef char* y_high
    _extent(X, &x_low, &x_high)
    _extent(Y, &y_low, &y_high)
    return x_low < y_high and y_low < x_high


cdef inline bint changeable(object X) noexcept:
    """Writable, and each axis lies within a step of the next: no element shares its place with another."""
    cdef np.ndarray x = <np.ndarray>X
    cdef np.npy_intp extent = np.PyArray_ITEMSIZE(x), step = 0
    cdef uint64_t done = 0
    cdef int axis, next_axis, n = np.PyArray_NDIM(x)
    if not np.PyArray_ISWRITEABLE(x):
        return False
    if np.PyArray_IS_C_CONTIGUOUS(x):
        return True
    for _ in range(n):
        next_axis = -1
        for axis in range(n):
            if not (done >> axis) & 1 and (next_axis < 0 or abs(np.PyArray_STRIDE(x, axis)) < step):
                next_axis, step = axis, abs(np.PyArray_STRIDE(x, axis))
        done |= <uint64_t>1 << next_axis
        if dim(x, next_axis) > 1:
            if step < extent:
                return False
            extent += step * (dim(x, next_axis) - 1)
    return True


cdef inline bint plain(object X) noexcept:
    """C order, aligned and writable: a kernel may change it in place."""
    return np.PyArray_ISCARRAY(<np.ndarray>X)


cdef inline np.ndarray contig(object X):
    """X, or a copy of it in C order."""
    if np.PyArray_ISCARRAY_RO(<np.ndarray>X):
        return <np.ndarray>X
    cdef int flags = np.NPY_ARRAY_CARRAY_RO | np.NPY_ARRAY_ENSUREARRAY
    return np.PyArray_FROMANY(X, np.PyArray_TYPE(<np.ndarray>X), 0, 0, flags)


cdef inline np.ndarray empty_like(object X):
    """A new array of X's shape and dtype, in C order."""
    return np.PyArray_EMPTY(np.PyArray_NDIM(<np.ndarray>X), np.PyArray_DIMS(<np.ndarray>X),
                            np.PyArray_TYPE(<np.ndarray>X), 0)


cdef inline np.ndarray empty1(np.npy_intp d0, int t):
    return np.PyArray_EMPTY(1, &d0, t, 0)


cdef inline np.ndarray empty2(np.npy_intp d0, np.npy_intp d1, int t):
    cdef np.npy_intp[2] dims
    dims[0], dims[1] = d0, d1
    return np.PyArray_EMPTY(2, dims, t, 0)


cdef inline np.ndarray empty3(np.npy_intp d0, np.npy_intp d1, np.npy_intp d2, int t):
    cdef np.npy_intp[3] dims
    dims[0], dims[1], dims[2] = d0, d1, d2
    return np.PyArray_EMPTY(3, dims, t, 0)


# out, the array of the caller's that a result is to be written into; None stands for a new array. Before an op lets a
# kernel write into it, it asks two questions: is out just like a new array, and is it apart from what the kernel reads?
# Otherwise it hands out to the reference, which copies.
cdef inline bint fits(object out, int ndim, np.npy_intp* dims, int t) noexcept:
    """Whether out is None or an array of type t and this shape that kernels can write to."""
    cdef int axis
    if out is None:
        return True
    if not ordinary(out) or np.PyArray_TYPE(<np.ndarray>out) != t or np.PyArray_NDIM(<np.ndarray>out) != ndim:
        return False
    for axis in range(ndim):
        if dim(out, axis) != dims[axis]:
            return False
    return plain(out)


cdef inline bint fits_like(object out, object X) noexcept:
    return fits(out, np.PyArray_NDIM(<np.ndarray>X), np.PyArray_DIMS(<np.ndarray>X), np.PyArray_TYPE(<np.ndarray>X))


cdef inline bint fits1(object out, np.npy_intp d0, int t) noexcept:
    return fits(out, 1, &d0, t)


cdef inline bint fits2(object out, np.npy_intp d0, np.npy_intp d1, int t) noexcept:
    cdef np.npy_intp[2] dims
    dims[0], dims[1] = d0, d1
    return fits(out, 2, dims, t)


cdef inline bint fits3(object out, np.npy_intp d0, np.npy_intp d1, np.npy_intp d2, int t) noexcept:
    cdef np.npy_intp[3] dims
    dims[0], dims[1], dims[2] = d0, d1, d2
    return fits(out, 3, dims, t)


cdef inline bint over(object out, object X) noexcept:
    """Whether the array out, which is like X, shares no memory with it or lies exactly over it.

    That is enough for elementwise kernels, which read an element before they write it.
    """
    return not overlap(out, X) or (
        np.PyArray_DATA(<np.ndarray>out) == np.PyArray_DATA(<np.ndarray>X) and np.PyArray_ISCARRAY_RO(<np.ndarray>X)
    )


cdef inline bint apart(object out, tuple arrays):
    """Whether out, an array or None, shares no memory with any of the arrays."""
    if out is not None:
        for each in arrays:
            if overlap(out, each):
                return False
    return True


cdef inline bint all_apart(tuple outs, tuple arrays):
    """Whether the arrays among outs share no memory with each other or with any of the arrays."""
    cdef Py_ssize_t i
    for i in range(len(outs)):
        if not apart(outs[i], arrays):
            return False
        arrays += () if outs[i] is None else (outs[i],)
    return True


cdef inline np.ndarray target_like(object out, object X):
    """out, or a new array of X's shape and dtype for None."""
    return empty_like(X) if out is None else <np.ndarray>out


cdef inline np.ndarray target1(object out, np.npy_intp d0, int t):
    return empty1(d0, t) if out is None else <np.ndarray>out


cdef inline np.ndarray target2(object out, np.npy_intp d0, np.npy_intp d1, int t):
    return empty2(d0, d1, t) if out is None else <np.ndarray>out


cdef inline np.ndarray target3(object out, np.npy_intp d0, np.npy_intp d1, np.npy_intp d2, int t):
    return empty3(d0, d1, d2, t) if out is None else <np.ndarray>out


cdef inline float* f32(object X) noexcept:
    return <float*>np.PyArray_DATA(<np.ndarray>X)


cdef inline double* f64(object X) noexcept:
    return <double*>np.PyArray_DATA(<np.ndarray>X)


cdef inline int32_t* i32(object X) noexcept:
    return <int32_t*>np.PyArray_DATA(<np.ndarray>X)


cdef inline size_t size(object X) noexcept:
    return <size_t>np.PyArray_SIZE(<np.ndarray>X)


cdef inline bint integral(object X) noexcept:
    """Whether X is an array of integers (not bool)."""
    return ordinary(X) and np.PyTypeNum_ISINTEGER(np.PyArray_TYPE(<np.ndarray>X))


cdef inline np.ndarray cast(object X, int t):
    """X in C order as integers of type t; what does not fit wraps."""
    return np.PyArray_FROMANY(X, t, 0, 0, np.NPY_ARRAY_CARRAY_RO | np.NPY_ARRAY_FORCECAST | np.NPY_ARRAY_ENSUREARRAY)


cdef inline np.ndarray narrow(object X):
    """Integers of any width and layout as int32 in C order: X itself where possible. What does not fit becomes -1."""
    cdef np.ndarray wide, small
    cdef uint64_t* source
    cdef int32_t* target
    cdef uint64_t bits = 0
    cdef size_t i, n
    if np.PyArray_ITEMSIZE(<np.ndarray>X) == 4 and np.PyArray_ISCARRAY_RO(<np.ndarray>X):
        return <np.ndarray>X  # uint32 is read as int32: beyond its range it looks negative
    if np.PyArray_ITEMSIZE(<np.ndarray>X) <= 4:
        return cast(X, np.NPY_INT32)
    wide = <np.ndarray>X if np.PyArray_ISCARRAY_RO(<np.ndarray>X) else cast(X, np.NPY_INT64)
    small = np.PyArray_EMPTY(np.PyArray_NDIM(wide), np.PyArray_DIMS(wide), np.NPY_INT32, 0)
    source, target, n = <uint64_t*>np.PyArray_DATA(wide), i32(small), size(wide)
    for i in range(n):
        target[i] = <int32_t>source[i]
        bits |= source[i]
    if bits > <uint64_t>INT32_MAX:
        for i in range(n):
            target[i] = <int32_t>source[i] if source[i] <= <uint64_t>INT32_MAX else -1
    return small


cdef inline np.ndarray lengths_of(object values, int32_t minimum, int64_t* total):
    """Lengths of sequences as int32, and their sum; None when one is below minimum or they are no 1-d integers."""
    cdef np.ndarray lengths
    cdef size_t i
    if not integral(values) or np.PyArray_NDIM(<np.ndarray>values) != 1:
        return None
    lengths = narrow(values)
    total[0] = 0
    for i in range(size(lengths)):
        if i32(lengths)[i] < minimum:
            return None
        total[0] += i32(lengths)[i]
    return lengths
