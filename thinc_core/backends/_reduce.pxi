# Windows and reductions over the rows of sequences, part of numpy_ops.pyx.
ctypedef void (*ragged_f32)(float*, const float*, const int32_t*, size_t, size_t) noexcept nogil
ctypedef void (*ragged_f64)(double*, const double*, const int32_t*, size_t, size_t) noexcept nogil

ctypedef void (*at_rows_f32)(float*, const float*, const int32_t*, size_t, size_t, size_t) noexcept nogil
ctypedef void (*at_rows_f64)(double*, const double*, const int32_t*, size_t, size_t, size_t) noexcept nogil


cdef object _reduce(ops, str name, ragged_f32 kernel32, ragged_f64 kernel64, X, lengths, out):
    """One row for each sequence of rows."""
    cdef int64_t total
    cdef int t = real(X)
    cdef np.ndarray rows = lengths_of(lengths, 0, &total)
    if (
        t < 0 or rows is None or not is_2d(X) or total != dim(X, 0)
        or not fits2(out, size(rows), dim(X, 1), t) or (out is not None and not apart(out, (X, rows)))
    ):
        return getattr(Ops, name)(ops, X, lengths, out=out)
    cdef np.ndarray x = contig(X), y = target2(out, size(rows), dim(X, 1), t)
    state = release(size(x))
    if t == np.NPY_FLOAT:
        kernel32(f32(y), f32(x), i32(rows), size(rows), dim(x, 1))
    else:
        kernel64(f64(y), f64(x), i32(rows), size(rows), dim(x, 1))
    acquire(state)
    return y


cdef object _spread(ops, str name, ragged_f32 kernel32, ragged_f64 kernel64, dY, lengths, out):
    """The rows of each sequence from one row: backward of _reduce."""
    cdef int64_t total
    cdef int t = real(dY)
    cdef np.ndarray rows = lengths_of(lengths, 0, &total)
    if (
        t < 0 or rows is None or not is_2d(dY) or <np.npy_intp>size(rows) != dim(dY, 0)
        or not fits2(out, total, dim(dY, 1), t) or (out is not None and not apart(out, (dY, rows)))
    ):
        return getattr(Ops, name)(ops, dY, lengths, out=out)
    cdef np.ndarray dy = contig(dY), dx = target2(out, total, dim(dY, 1), t)
    state = release(size(dx))
    if t == np.NPY_FLOAT:
        kernel32(f32(dx), f32(dy), i32(rows), size(rows), dim(dy, 1))
    else:
        kernel64(f64(dx), f64(dy), i32(rows), size(rows), dim(dy, 1))
    acquire(state)
    return dx


cdef np.ndarray _one_length(np.npy_intp T):
    """Lengths that say: one sequence of T rows; None when T is no int32."""
    if T > 0x7FFFFFFF:
        return None
    cdef np.ndarray rows = empty1(1, np.NPY_INT32)
    i32(rows)[0] = <int32_t>T
    return rows


cdef bint _within(np.ndarray which, np.ndarray lengths) noexcept:
    """0 <= which[b, o] < lengths[b] everywhere."""
    cdef np.npy_intp b, O = dim(which, 1)
    cdef uint32_t largest = 0
    for b in range(dim(which, 0)):
        K.common.largest_index(&largest, <uint32_t*>i32(which) + b * O, O)
        if O > 0 and largest >= <uint32_t>i32(lengths)[b]:
            return False
    return True


cdef object _at_rows(ops, str name, at_rows_f32 kernel32, at_rows_f64 kernel64, dY, bounds, bint with_end, out):
    """Zeros with the rows of dY at those that bounds names; its last entry is their end, or the last row."""
    cdef int t = real(dY)
    if t < 0 or not is_2d(dY) or not integral(bounds) or np.PyArray_NDIM(<np.ndarray>bounds) != 1:
        return getattr(Ops, name)(ops, dY, bounds, out=out)
    cdef np.ndarray rows = narrow(bounds)
    cdef size_t n = size(rows)
    if n < <size_t>1 + with_end or dim(dY, 0) != <np.npy_intp>(n - with_end) or not _increases(rows):
        return getattr(Ops, name)(ops, dY, bounds, out=out)
    cdef np.npy_intp T = <np.npy_intp>i32(rows)[n - 1] + (not with_end)
    if not fits2(out, T, dim(dY, 1), t) or (out is not None and not apart(out, (dY, rows))):
        return getattr(Ops, name)(ops, dY, bounds, out=out)
    cdef np.ndarray dy = contig(dY), dx = target2(out, T, dim(dY, 1), t)
    state = release(size(dx))
    if t == np.NPY_FLOAT:
        kernel32(f32(dx), f32(dy), i32(rows), n - with_end, T, dim(dy, 1))
    else:
        kernel64(f64(dx), f64(dy), i32(rows), n - with_end, T, dim(dy, 1))
    acquire(state)
    return dx


cdef bint _increases(np.ndarray rows) noexcept:
    """Whether int32 rows are >= 0 and each is larger than the one before it."""
    cdef size_t i
    cdef int32_t last = -1
    for i in range(size(rows)):
        if i32(rows)[i] <= last:
            return False
        last = i32(rows)[i]
    return True


class NativeReduce(Ops):
    """Windows and reductions over the rows of sequences."""

    def seq2col(self, seq, nW, *, lengths=None, out=None):
        cdef int64_t total = 0
        cdef int t = real(seq)
        cdef np.npy_intp window = _count(nW)
        if t < 0 or not is_2d(seq) or window < 0:
            return Ops.seq2col(self, seq, nW, lengths=lengths, out=out)
        cdef np.ndarray rows = _one_length(dim(seq, 0)) if lengths is None else lengths_of(lengths, 0, &total)
        if (
            rows is None or (lengths is not None and total != dim(seq, 0))
            or not fits2(out, dim(seq, 0), (2 * window + 1) * dim(seq, 1), t)
            or (out is not None and not apart(out, (seq, rows)))
        ):
            return Ops.seq2col(self, seq, nW, lengths=lengths, out=out)
        cdef np.ndarray x = contig(seq), Y = target2(out, dim(seq, 0), (2 * window + 1) * dim(seq, 1), t)
        state = release(size(Y))
        if t == np.NPY_FLOAT:
            K.f32.seq2col(f32(Y), f32(x), i32(rows), size(rows), dim(x, 1), window)
        else:
            K.f64.seq2col(f64(Y), f64(x), i32(rows), size(rows), dim(x, 1), window)
        acquire(state)
        return Y

    def backprop_seq2col(self, dY, nW, *, lengths=None, plus=None, out=None):
        cdef int64_t total = 0
        cdef int t = real(dY)
        cdef np.npy_intp window = _count(nW)
        if t < 0 or not is_2d(dY) or window < 0 or dim(dY, 1) % (2 * window + 1):
            return Ops.backprop_seq2col(self, dY, nW, lengths=lengths, plus=plus, out=out)
        cdef np.ndarray rows = _one_length(dim(dY, 0)) if lengths is None else lengths_of(lengths, 0, &total)
        if (
            rows is None or (lengths is not None and total != dim(dY, 0))
            or not fits2(out, dim(dY, 0), dim(dY, 1) // (2 * window + 1), t)
            or not (plus is None or (
                real(plus) == t and has_shape2(plus, dim(dY, 0), dim(dY, 1) // (2 * window + 1))
            ))
            or (out is not None and not apart(out, (dY, rows, dY if plus is None else plus)))
        ):
            return Ops.backprop_seq2col(self, dY, nW, lengths=lengths, plus=plus, out=out)
        cdef np.ndarray dy = contig(dY), dX = target2(out, dim(dY, 0), dim(dY, 1) // (2 * window + 1), t)
        state = release(size(dy))
        if t == np.NPY_FLOAT:
            K.f32.backprop_seq2col(f32(dX), f32(dy), i32(rows), size(rows), dim(dX, 1), window)
        else:
            K.f64.backprop_seq2col(f64(dX), f64(dy), i32(rows), size(rows), dim(dX, 1), window)
        acquire(state)
        if plus is not None:
            dX += plus
        return dX

    def reduce_sum(self, X, lengths, *, out=None):
        return _reduce(self, "reduce_sum", K.f32.reduce_sum, K.f64.reduce_sum, X, lengths, out)

    def backprop_reduce_sum(self, d_sums, lengths, *, out=None):
        return _spread(
            self, "backprop_reduce_sum", K.f32.backprop_reduce_sum, K.f64.backprop_reduce_sum, d_sums, lengths, out
        )

    def reduce_mean(self, X, lengths, *, out=None):
        return _reduce(self, "reduce_mean", K.f32.reduce_mean, K.f64.reduce_mean, X, lengths, out)

    def backprop_reduce_mean(self, d_means, lengths, *, out=None):
        return _spread(
            self, "backprop_reduce_mean", K.f32.backprop_reduce_mean, K.f64.backprop_reduce_mean, d_means, lengths, out
        )

    def reduce_max(self, X, lengths, *, out=None):
        cdef int64_t total = 0
        cdef int t = real(X)
        cdef np.ndarray rows = lengths_of(lengths, 1, &total)
        cdef tuple outs = _outs(out, 2)
        if (
            t < 0 or rows is None or not is_2d(X) or total != dim(X, 0) or outs is None
            or not fits2(outs[0], size(rows), dim(X, 1), t) or not fits2(outs[1], size(rows), dim(X, 1), np.NPY_INT32)
            or (out is not None and not all_apart(outs, (X, rows)))
        ):
            return Ops.reduce_max(self, X, lengths, out=out)
        cdef np.ndarray x = contig(X), best = target2(outs[0], size(rows), dim(X, 1), t)
        cdef np.ndarray which = target2(outs[1], size(rows), dim(X, 1), np.NPY_INT32)
        state = release(size(x))
        if t == np.NPY_FLOAT:
            K.f32.reduce_max(f32(best), i32(which), f32(x), i32(rows), size(rows), dim(x, 1))
        else:
            K.f64.reduce_max(f64(best), i32(which), f64(x), i32(rows), size(rows), dim(x, 1))
        acquire(state)
        return best, which

    def backprop_reduce_max(self, d_maxes, which, lengths, *, out=None):
        cdef int64_t total = 0
        cdef int t = real(d_maxes)
        cdef np.ndarray rows = lengths_of(lengths, 1, &total)
        if t < 0 or rows is None or not is_2d(d_maxes) or not integral(which) or not same_shape(d_maxes, which):
            return Ops.backprop_reduce_max(self, d_maxes, which, lengths, out=out)
        cdef np.ndarray chosen = narrow(which)
        if (
            <np.npy_intp>size(rows) != dim(d_maxes, 0) or not _within(chosen, rows)
            or not fits2(out, total, dim(d_maxes, 1), t)
            or (out is not None and not apart(out, (d_maxes, chosen, rows)))
        ):
            return Ops.backprop_reduce_max(self, d_maxes, which, lengths, out=out)
        cdef np.ndarray dy = contig(d_maxes), dX = target2(out, total, dim(d_maxes, 1), t)
        state = release(size(dX))
        if t == np.NPY_FLOAT:
            K.f32.backprop_reduce_max(f32(dX), f32(dy), i32(chosen), i32(rows), size(rows), dim(dy, 1))
        else:
            K.f64.backprop_reduce_max(f64(dX), f64(dy), i32(chosen), i32(rows), size(rows), dim(dy, 1))
        acquire(state)
        return dX

    def reduce_first(self, X, lengths, *, out=None):
        cdef int64_t total = 0
        cdef int t = real(X)
        cdef np.ndarray rows = lengths_of(lengths, 1, &total)
        cdef tuple outs = _outs(out, 2)
        if (
            t < 0 or rows is None or not is_2d(X) or total != dim(X, 0) or total > 0x7FFFFFFF or size(rows) == 0
            or outs is None or not fits2(outs[0], size(rows), dim(X, 1), t)
            or not fits1(outs[1], size(rows) + 1, np.NPY_INT32)
            or (out is not None and not all_apart(outs, (X, rows)))
        ):
            return Ops.reduce_first(self, X, lengths, out=out)
        cdef np.ndarray x = contig(X), Y = target2(outs[0], size(rows), dim(X, 1), t)
        cdef np.ndarray starts_ends = target1(outs[1], size(rows) + 1, np.NPY_INT32)
        state = release(size(Y))
        if t == np.NPY_FLOAT:
            K.f32.reduce_first(f32(Y), i32(starts_ends), f32(x), i32(rows), size(rows), dim(x, 1))
        else:
            K.f64.reduce_first(f64(Y), i32(starts_ends), f64(x), i32(rows), size(rows), dim(x, 1))
        acquire(state)
        return Y, starts_ends

    def backprop_reduce_first(self, d_firsts, starts_ends, *, out=None):
        return _at_rows(
            self, "backprop_reduce_first", K.f32.backprop_reduce_first, K.f64.backprop_reduce_first,
            d_firsts, starts_ends, True, out
        )

    def reduce_last(self, X, lengths, *, out=None):
        cdef int64_t total = 0
        cdef int t = real(X)
        cdef np.ndarray rows = lengths_of(lengths, 1, &total)
        cdef tuple outs = _outs(out, 2)
        if (
            t < 0 or rows is None or not is_2d(X) or total != dim(X, 0) or size(rows) == 0 or outs is None
            or not fits2(outs[0], size(rows), dim(X, 1), t) or not fits1(outs[1], size(rows), np.NPY_INT64)
            or (out is not None and not all_apart(outs, (X, rows)))
        ):
            return Ops.reduce_last(self, X, lengths, out=out)
        cdef np.ndarray x = contig(X), Y = target2(outs[0], size(rows), dim(X, 1), t)
        cdef np.ndarray lasts = target1(outs[1], size(rows), np.NPY_INT64)
        state = release(size(Y))
        if t == np.NPY_FLOAT:
            K.f32.reduce_last(f32(Y), <int64_t*>np.PyArray_DATA(lasts), f32(x), i32(rows), size(rows), dim(x, 1))
        else:
            K.f64.reduce_last(f64(Y), <int64_t*>np.PyArray_DATA(lasts), f64(x), i32(rows), size(rows), dim(x, 1))
        acquire(state)
        return Y, lasts

    def backprop_reduce_last(self, d_lasts, lasts, *, out=None):
        return _at_rows(
            self, "backprop_reduce_last", K.f32.backprop_reduce_last, K.f64.backprop_reduce_last,
            d_lasts, lasts, False, out
        )
