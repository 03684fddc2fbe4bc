# Lists of sequences to one array and back, part of numpy_ops.pyx: bytes are copied whatever their dtype, so there is no
# kernel and no dtype ladder. What is unusual (members of several dtypes, not in C order, of Python objects) goes to the
# reference.
from cpython.list cimport PyList_CheckExact, PyList_GET_ITEM, PyList_GET_SIZE
from libc.string cimport memcpy, memset

Padded = None  # of thinc_core.types, which is imported when it is first needed


cdef inline object _item(list seqs, Py_ssize_t i):
    return <object>PyList_GET_ITEM(seqs, i)


cdef np.ndarray _member(list seqs, Py_ssize_t i):
    """seqs[i], which _alike has found to be an array."""
    return <np.ndarray>PyList_GET_ITEM(seqs, i)


cdef bint _alike(seqs) noexcept:
    """Whether seqs is a list, with members, of plain arrays in C order that differ in their first dimension only."""
    cdef np.ndarray first, x
    cdef int axis
    if not PyList_CheckExact(seqs) or PyList_GET_SIZE(seqs) == 0 or not np.PyArray_CheckExact(_item(seqs, 0)):
        return False
    first = _member(seqs, 0)
    if np.PyArray_NDIM(first) == 0:
        return False
    for i in range(PyList_GET_SIZE(seqs)):
        if not np.PyArray_CheckExact(_item(seqs, i)):
            return False
        x = _member(seqs, i)
        if not np.PyArray_IS_C_CONTIGUOUS(x) or np.PyArray_NDIM(x) != np.PyArray_NDIM(first):
            return False
        if np.PyArray_TYPE(x) != np.PyArray_TYPE(first) or not np.PyTypeNum_ISNUMBER(np.PyArray_TYPE(x)):
            return False
        if not np.PyArray_ISNOTSWAPPED(x):
            return False
        for axis in range(1, np.PyArray_NDIM(first)):
            if dim(x, axis) != dim(first, axis):
                return False
    return True


cdef size_t _row_bytes(np.ndarray X, int first_axis) noexcept:
    """Bytes of one row, whose axes are those from first_axis on."""
    cdef size_t size = np.PyArray_ITEMSIZE(X)
    cdef int axis
    for axis in range(first_axis, np.PyArray_NDIM(X)):
        size *= dim(X, axis)
    return size


cdef np.ndarray _new(np.ndarray like, int first_axis, np.npy_intp d0, np.npy_intp d1):
    """A new array (d0, d1, ...), or (d0, ...) for d1 = -1, with the dtype of `like` and its axes from first_axis on."""
    cdef np.npy_intp[65] dims  # NumPy refuses 65, but only when it sees them
    cdef int axis, n = 1 if d1 < 0 else 2
    dims[0], dims[1] = d0, d1
    for axis in range(first_axis, np.PyArray_NDIM(like)):
        dims[n] = dim(like, axis)
        n += 1
    return np.PyArray_EMPTY(n, dims, np.PyArray_TYPE(like), 0)


cdef object _flatten(list seqs, np.npy_intp pad):
    """Members end to end, pad zero rows around each that has rows; None when there are no rows at all."""
    cdef np.npy_intp rows = 0, kept = 0
    cdef size_t width = _row_bytes(_member(seqs, 0), 1), n_bytes
    cdef char* target
    cdef np.ndarray Y
    for i in range(PyList_GET_SIZE(seqs)):
        rows += dim(_member(seqs, i), 0)
        kept += dim(_member(seqs, i), 0) > 0
    if rows == 0 or width == 0:
        return None
    Y = _new(_member(seqs, 0), 1, rows + pad * (kept + 1), -1)
    target = np.PyArray_BYTES(Y)
    for i in range(PyList_GET_SIZE(seqs)):
        n_bytes = dim(_member(seqs, i), 0) * width
        if n_bytes:
            memset(target, 0, pad * width)
            memcpy(target + pad * width, np.PyArray_BYTES(_member(seqs, i)), n_bytes)
            target += pad * width + n_bytes
    memset(target, 0, pad * width)
    return Y


cdef object _pad(list seqs, np.npy_intp round_to):
    """(len(seqs), longest, ...): each member, then zeros."""
    cdef np.npy_intp longest = 0, n = PyList_GET_SIZE(seqs)
    cdef size_t width = _row_bytes(_member(seqs, 0), 1), n_bytes
    cdef char* target
    for i in range(n):
        longest = max(longest, dim(_member(seqs, i), 0))
    longest = (longest + round_to - 1) // round_to * round_to
    cdef np.ndarray Y = _new(_member(seqs, 0), 1, n, longest)
    target = np.PyArray_BYTES(Y)
    for i in range(n):
        n_bytes = dim(_member(seqs, i), 0) * width
        memcpy(target, np.PyArray_BYTES(_member(seqs, i)), n_bytes)
        memset(target + n_bytes, 0, longest * width - n_bytes)
        target += longest * width
    return Y


cdef object _list2padded(list seqs):
    """Padded: row t of every sequence longer than t, the longest sequence first, of two equal ones the later."""
    global Padded
    cdef Py_ssize_t n = PyList_GET_SIZE(seqs), j
    cdef np.npy_intp t, live = n
    cdef size_t width = _row_bytes(_member(seqs, 0), 1)
    if Padded is None:
        from ..types import Padded
    cdef np.ndarray lengths = empty1(n, np.NPY_INT32), indices = empty1(n, np.NPY_INT32)
    cdef np.ndarray keys = empty1(n, np.NPY_INT64)
    cdef int64_t* key = <int64_t*>np.PyArray_DATA(keys)
    for j in range(n):
        key[j] = -(dim(_member(seqs, j), 0) * n + j)
    keys.sort()
    for j in range(n):
        i32(indices)[j] = <int32_t>(-key[j] % n)
        i32(lengths)[j] = <int32_t>(-key[j] // n)
    cdef np.npy_intp steps = i32(lengths)[0]
    cdef np.ndarray size_at_t = empty1(steps, np.NPY_INT32), Y = _new(_member(seqs, 0), 1, steps, n)
    cdef char* target = np.PyArray_BYTES(Y)
    for t in range(steps):
        while i32(lengths)[live - 1] <= t:
            live -= 1
        i32(size_at_t)[t] = <int32_t>live
        for j in range(live):
            memcpy(target + j * width, np.PyArray_BYTES(_member(seqs, i32(indices)[j])) + t * width, width)
        memset(target + live * width, 0, (n - live) * width)
        target += n * width
    return Padded(Y, size_at_t, lengths, indices)


cdef object _padded2list(np.ndarray data, lengths_b, indices_b):
    """The sequences in their original order, views of one copy; None when lengths or indices do not fit the data."""
    cdef int64_t sum_of_lengths = 0
    cdef np.ndarray lengths = lengths_of(lengths_b, 0, &sum_of_lengths), indices = _indices(indices_b, dim(data, 1))
    if lengths is None or indices is None or not has_shape1(indices, dim(data, 1)) or not same_shape(lengths, indices):
        return None
    if _indices(lengths, dim(data, 0) + 1) is None:
        return None
    cdef size_t width = _row_bytes(data, 2)
    cdef np.npy_intp n = dim(data, 1), start = 0, t, j
    cdef char* target
    cdef np.ndarray rows = _new(data, 2, sum_of_lengths, -1)
    cdef list seqs = [None] * n
    target = np.PyArray_BYTES(rows)
    for j in range(n):
        for t in range(i32(lengths)[j]):
            memcpy(target, np.PyArray_BYTES(data) + (t * n + j) * width, width)
            target += width
        seqs[i32(indices)[j]] = rows[start:start + i32(lengths)[j]]
        start += i32(lengths)[j]
    return seqs


class NativeLists(Ops):
    """Lists of sequences to one array and back."""

    def flatten(self, X, dtype=None, pad=0, ndim_if_empty=2):
        cdef np.npy_intp n_zeros = _count(pad)
        if n_zeros >= 0 and _alike(X) and (dtype is None or X[0].dtype == dtype):
            result = _flatten(X, n_zeros)
            if result is not None:
                return result
        return Ops.flatten(self, X, dtype, pad, ndim_if_empty)

    def pad(self, seqs, round_to=1):
        cdef np.npy_intp multiple = _count(round_to)
        return _pad(seqs, multiple) if multiple >= 1 and _alike(seqs) else Ops.pad(self, seqs, round_to)

    def list2padded(self, seqs):
        return _list2padded(seqs) if _alike(seqs) and len(seqs) > 1 else Ops.list2padded(self, seqs)

    def padded2list(self, padded):
        data = padded.data
        result = None
        if np.PyArray_CheckExact(data) and np.PyArray_NDIM(data) >= 2 and _alike([data]):
            result = _padded2list(data, padded.lengths, padded.indices)
        return Ops.padded2list(self, padded) if result is None else result
