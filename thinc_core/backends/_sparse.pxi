# Scores of bags of hashed keys, part of numpy_ops.pyx.
cdef inline np.npy_intp _weights_each(W, b) noexcept:
    """How many weights each output has; -1 when they have not equally many, or more than hashes can be taken modulo."""
    cdef np.npy_intp O, L
    if np.PyArray_NDIM(<np.ndarray>W) != 1 or np.PyArray_NDIM(<np.ndarray>b) != 1 or dim(b, 0) < 1:
        return -1
    O = dim(b, 0)
    L = dim(W, 0) // O
    return L if 1 <= L <= 0x7FFFFFFF and L * O == dim(W, 0) else -1


cdef np.ndarray _slots(np.ndarray keys, np.npy_intp L, bint masked):
    """The places of the two weights of each key."""
    cdef np.ndarray slots = empty2(size(keys), 2, np.NPY_UINT32)
    K.common.sparse_slots(<uint32_t*>i32(slots), u64(keys), size(keys), <uint32_t>L, masked)
    return slots


class NativeSparse(Ops):
    """The op and its gradient."""

    def sparse_affine(self, keys, values, lengths, W, b, v1_indexing=False, *, out=None):
        cdef int64_t total = 0
        cdef int t = reals(W, b)
        cdef np.ndarray ids = _keys(keys), rows = lengths_of(lengths, 0, &total)
        cdef np.npy_intp L = _weights_each(W, b) if t >= 0 else -1
        if (
            L < 0 or ids is None or rows is None or t != real(values) or total != dim(ids, 0)
            or not has_shape1(values, dim(ids, 0)) or _flag(v1_indexing) < 0
            or not fits2(out, size(rows), dim(b, 0), t)
            or (out is not None and not apart(out, (ids, values, rows, W, b)))
        ):
            return Ops.sparse_affine(self, keys, values, lengths, W, b, v1_indexing, out=out)
        cdef np.ndarray x = contig(values), w = contig(W), shift = contig(b), slots = _slots(ids, L, v1_indexing)
        cdef size_t n = size(ids), B = size(rows), O = size(shift), step = 1 if v1_indexing else L
        cdef uint32_t* places = <uint32_t*>i32(slots)
        cdef np.ndarray Y = target2(out, B, O, t)
        state = release(n * O)
        if t == np.NPY_FLOAT:
            K.f32.sparse_affine(f32(Y), places, f32(x), i32(rows), f32(w), f32(shift), n, B, O, step)
        else:
            K.f64.sparse_affine(f64(Y), places, f64(x), i32(rows), f64(w), f64(shift), n, B, O, step)
        acquire(state)
        return Y

    def backprop_sparse_affine(
        self, dY, keys, values, lengths, W, dW, db, v1_indexing=False, *, touched=None, out=None
    ):
        cdef int64_t total = 0
        cdef int t = reals(W, dW)
        cdef np.ndarray ids = _keys(keys), rows = lengths_of(lengths, 0, &total)
        cdef np.npy_intp L = _weights_each(W, db) if t >= 0 and t == real(db) else -1
        if (
            L < 0 or ids is None or rows is None or t != reals(values, dY) or total != dim(ids, 0)
            or not has_shape1(values, dim(ids, 0)) or not has_shape2(dY, size(rows), dim(db, 0))
            or not same_shape(W, dW) or _flag(v1_indexing) < 0 or not (plain(dW) and plain(db))
            or not all_apart((dW, db), (dY, keys, values, lengths, W))
            or not fits1(out, dim(ids, 0), t) or not all_apart((out,), (dY, ids, values, rows, W, dW, db))
            or not fits_lines(touched, dW)
        ):
            return Ops.backprop_sparse_affine(
                self, dY, keys, values, lengths, W, dW, db, v1_indexing, touched=touched, out=out
            )
        cdef np.ndarray dy = contig(dY), x = contig(values), w = contig(W), slots = _slots(ids, L, v1_indexing)
        cdef size_t n = size(ids), B = size(rows), O = size(db), step = 1 if v1_indexing else L
        cdef uint32_t* places = <uint32_t*>i32(slots)
        cdef np.ndarray dx = target1(out, n, t)
        state = release(n * O)
        if t == np.NPY_FLOAT:
            K.f32.backprop_sparse_weights(f32(dW), lines_of(touched), f32(dy), places, f32(x), i32(rows), n, B, O, step)
            K.f32.backprop_sparse_values(f32(dx), f32(dy), places, i32(rows), f32(w), n, B, O, step)
            K.f32.column_sum(f32(db), f32(dy), B, O, True)
        else:
            K.f64.backprop_sparse_weights(f64(dW), lines_of(touched), f64(dy), places, f64(x), i32(rows), n, B, O, step)
            K.f64.backprop_sparse_values(f64(dx), f64(dy), places, i32(rows), f64(w), n, B, O, step)
            K.f64.column_sum(f64(db), f64(dy), B, O, True)
        acquire(state)
        return dx
