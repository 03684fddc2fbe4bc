# Lists of sequences to one array and back, part of numpy_ops.pyx: bytes are copied whatever their dtype, so there is no
# dtype ladder. What is unusual (members of several dtypes, not in C order, of Python objects) goes to the reference.
from cpython.list cimport PyList_CheckExact, PyList_GET_ITEM, PyList_GET_SIZE
from cpython.long cimport PyLong_CheckExact
from cpython.object cimport PyObject, PyTypeObject
from libcpp.algorithm cimport sort

cdef extern from "Python.h":
    void Py_INCREF(void* obj)

cdef extern from "numpy/arrayobject.h":
    object PyArray_NewFromDescr(PyTypeObject* subtype, np.PyArray_Descr* descr, int nd, np.npy_intp* dims,
                                np.npy_intp* strides, void* data, int flags, PyObject* obj)

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


cdef int _shape(np.npy_intp* dims, np.ndarray like, int first_axis, np.npy_intp d0, np.npy_intp d1) noexcept:
    """(d0, d1, ...), or (d0, ...) for d1 = -1, with the axes of `like` from first_axis on; how many there are."""
    cdef int axis, n = 1 if d1 < 0 else 2
    dims[0], dims[1] = d0, d1
    for axis in range(first_axis, np.PyArray_NDIM(like)):
        dims[n] = dim(like, axis)
        n += 1
    return n


cdef np.ndarray _new(np.ndarray like, int first_axis, np.npy_intp d0, np.npy_intp d1):
    """A new array of that shape with the dtype of `like`."""
    cdef np.npy_intp[65] dims  # NumPy refuses 65, but only when it sees them
    return np.PyArray_EMPTY(_shape(dims, like, first_axis, d0, d1), dims, np.PyArray_TYPE(like), 0)


cdef np.ndarray _view(np.ndarray X, int first_axis, char* data, np.npy_intp n):
    """A view of n rows at `data`, which lies in X and has X's axes from first_axis on."""
    cdef np.npy_intp[64] dims
    cdef int axis, ndim = np.PyArray_NDIM(X) - first_axis
    for axis in range(ndim):
        dims[axis] = dim(X, first_axis + axis)
    dims[0] = n
    Py_INCREF(np.PyArray_DESCR(X))  # which the new array takes
    cdef np.ndarray view = PyArray_NewFromDescr(
        <PyTypeObject*>np.ndarray, np.PyArray_DESCR(X), ndim, dims, np.PyArray_STRIDES(X) + first_axis, data,
        np.PyArray_FLAGS(X) & np.NPY_ARRAY_WRITEABLE, NULL
    )
    np.set_array_base(view, X)
    return view


cdef np.ndarray _sources(list seqs, np.ndarray n_bytes):
    """Where the members of _alike lie; how long each is goes into n_bytes."""
    cdef np.npy_intp n = PyList_GET_SIZE(seqs), i
    cdef np.ndarray sources = empty1(n, np.NPY_INTP)
    for i in range(n):
        (<char**>np.PyArray_DATA(sources))[i] = np.PyArray_BYTES(_member(seqs, i))
        (<size_t*>np.PyArray_DATA(n_bytes))[i] = np.PyArray_NBYTES(_member(seqs, i))
    return sources


cdef np.ndarray _target(out, list seqs, np.npy_intp d0, np.npy_intp d1):
    """What _new makes for the members of _alike, or out; None when out is not like that or has memory of a member."""
    cdef np.ndarray first = _member(seqs, 0)
    cdef np.npy_intp[65] dims
    if out is None:
        return _new(first, 1, d0, d1)
    if not fits(out, _shape(dims, first, 1, d0, d1), dims, np.PyArray_TYPE(first)) or not apart(out, tuple(seqs)):
        return None
    return out


cdef object _flatten(list seqs, np.npy_intp pad, out):
    """Members end to end, pad zero rows around each that has rows; None when there are no rows or out does not fit."""
    cdef np.npy_intp rows = 0, kept = 0, n = PyList_GET_SIZE(seqs), i
    cdef size_t width = _row_bytes(_member(seqs, 0), 1)
    for i in range(n):
        rows += dim(_member(seqs, i), 0)
        kept += dim(_member(seqs, i), 0) > 0
    if rows == 0 or width == 0:
        return None
    cdef np.ndarray Y = _target(out, seqs, rows + pad * (kept + 1), -1), n_bytes = empty1(n, np.NPY_INTP)
    if Y is None:
        return None
    cdef np.ndarray sources = _sources(seqs, n_bytes)
    state = release(np.PyArray_NBYTES(Y) // 4)
    K.common.join_sequences(
        np.PyArray_BYTES(Y), <const char**>np.PyArray_DATA(sources), <size_t*>np.PyArray_DATA(n_bytes), n, pad * width
    )
    acquire(state)
    return Y


cdef object _pad(list seqs, np.npy_intp round_to, out):
    """(len(seqs), longest, ...): each member, then zeros; None when out does not fit."""
    cdef np.npy_intp longest = 0, n = PyList_GET_SIZE(seqs), i
    cdef size_t width = _row_bytes(_member(seqs, 0), 1)
    for i in range(n):
        longest = max(longest, dim(_member(seqs, i), 0))
    longest = (longest + round_to - 1) // round_to * round_to
    cdef np.ndarray Y = _target(out, seqs, n, longest), n_bytes = empty1(n, np.NPY_INTP)
    if Y is None:
        return None
    cdef np.ndarray sources = _sources(seqs, n_bytes)
    state = release(np.PyArray_NBYTES(Y) // 4)
    K.common.pad_sequences(
        np.PyArray_BYTES(Y), <const char**>np.PyArray_DATA(sources), <size_t*>np.PyArray_DATA(n_bytes), n,
        longest * width
    )
    acquire(state)
    return Y


cdef object _list2padded(list seqs):
    """Padded: row t of every sequence longer than t, the longest sequence first, of two equal ones the later."""
    global Padded
    cdef np.npy_intp n = PyList_GET_SIZE(seqs), live = n, j, t
    if Padded is None:
        from ..types import Padded
    cdef np.ndarray lengths = empty1(n, np.NPY_INT32), indices = empty1(n, np.NPY_INT32)
    cdef np.ndarray keys = empty1(n, np.NPY_INT64), sources = empty1(n, np.NPY_INTP)
    cdef int64_t* key = <int64_t*>np.PyArray_DATA(keys)
    for j in range(n):
        key[j] = -(dim(_member(seqs, j), 0) * n + j)
    sort(key, key + n)
    for j in range(n):
        i32(indices)[j] = <int32_t>(-key[j] % n)
        i32(lengths)[j] = <int32_t>(-key[j] // n)
        (<char**>np.PyArray_DATA(sources))[j] = np.PyArray_BYTES(_member(seqs, i32(indices)[j]))
    cdef np.npy_intp steps = i32(lengths)[0]
    cdef np.ndarray size_at_t = empty1(steps, np.NPY_INT32), Y = _new(_member(seqs, 0), 1, steps, n)
    for t in range(steps):
        while i32(lengths)[live - 1] <= t:
            live -= 1
        i32(size_at_t)[t] = <int32_t>live
    state = release(np.PyArray_NBYTES(Y) // 4)
    K.common.interleave_sequences(
        np.PyArray_BYTES(Y), <const char**>np.PyArray_DATA(sources), i32(lengths), n, steps,
        _row_bytes(_member(seqs, 0), 1)
    )
    acquire(state)
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
    cdef np.npy_intp n = dim(data, 1), j
    cdef np.ndarray rows = _new(data, 2, sum_of_lengths, -1)
    cdef char* start = np.PyArray_BYTES(rows)
    cdef list seqs = [None] * n
    state = release(np.PyArray_NBYTES(rows) // 4)
    K.common.split_columns(start, np.PyArray_BYTES(data), i32(lengths), n, width)
    acquire(state)
    for j in range(n):
        seqs[i32(indices)[j]] = _view(rows, 0, start, i32(lengths)[j])
        start += i32(lengths)[j] * width
    return seqs


cdef np.ndarray _host_lengths(values):
    """An array or list of integers >= 0 as int32; None when it is something else."""
    cdef int64_t total = 0
    cdef np.npy_intp i
    cdef np.ndarray lengths
    if not PyList_CheckExact(values):
        return lengths_of(values, 0, &total)
    lengths = empty1(PyList_GET_SIZE(values), np.NPY_INT32)
    for i in range(PyList_GET_SIZE(values)):
        if not PyLong_CheckExact(_item(values, i)) or not 0 <= values[i] <= 0x7FFFFFFF:
            return None
        i32(lengths)[i] = values[i]
    return lengths


cdef list _unflatten(np.ndarray X, np.ndarray lengths, np.npy_intp pad):
    """Views of X, one for each length, which may be short or empty at the end."""
    cdef np.npy_intp i, n, first, end = 0
    cdef list pieces = [None] * dim(lengths, 0)
    for i in range(dim(lengths, 0)):
        n = i32(lengths)[i]
        end += n + pad if n else 0
        first = min(end - n, dim(X, 0))
        n = min(end, dim(X, 0)) - first
        pieces[i] = _view(X, 0, np.PyArray_BYTES(X) + first * np.PyArray_STRIDE(X, 0), n)
    return pieces


class NativeLists(Ops):
    """Lists of sequences to one array and back."""

    def flatten(self, X, dtype=None, pad=0, ndim_if_empty=2, *, out=None):
        cdef np.npy_intp n_zeros = _count(pad)
        if n_zeros >= 0 and _alike(X) and (dtype is None or X[0].dtype == dtype):
            result = _flatten(X, n_zeros, out)
            if result is not None:
                return result
        return Ops.flatten(self, X, dtype, pad, ndim_if_empty, out=out)

    def unflatten(self, X, lengths, pad=0):
        cdef np.npy_intp n_zeros = _count(pad)
        cdef np.ndarray host = _host_lengths(lengths)
        if n_zeros < 0 or host is None or not np.PyArray_CheckExact(X) or np.PyArray_NDIM(X) == 0:
            return Ops.unflatten(self, X, lengths, pad)
        return _unflatten(X, host, n_zeros)

    def unpad(self, padded, lengths):
        cdef np.npy_intp i
        cdef np.ndarray host = _host_lengths(lengths), X
        if host is None or not np.PyArray_CheckExact(padded) or np.PyArray_NDIM(padded) < 2:
            return Ops.unpad(self, padded, lengths)
        X = padded
        if dim(host, 0) > dim(X, 0):
            return Ops.unpad(self, padded, lengths)
        return [
            _view(X, 1, np.PyArray_BYTES(X) + i * np.PyArray_STRIDE(X, 0), min(i32(host)[i], dim(X, 1)))
            for i in range(dim(host, 0))
        ]

    def pad(self, seqs, round_to=1, *, out=None):
        cdef np.npy_intp multiple = _count(round_to)
        result = _pad(seqs, multiple, out) if multiple >= 1 and _alike(seqs) else None
        return Ops.pad(self, seqs, round_to, out=out) if result is None else result

    def list2padded(self, seqs):
        return _list2padded(seqs) if _alike(seqs) and len(seqs) > 1 else Ops.list2padded(self, seqs)

    def padded2list(self, padded):
        data = padded.data if hasattr(padded, "lengths") and hasattr(padded, "indices") else None
        result = None
        if np.PyArray_CheckExact(data) and np.PyArray_NDIM(data) >= 2 and _alike([data]):
            result = _padded2list(data, padded.lengths, padded.indices)
        return Ops.padded2list(self, padded) if result is None else result
