# Hashes, and tables whose rows are found by an index or a hash, part of numpy_ops.pyx.
cdef np.ndarray _keys(ids):
    """1-d integers as uint64; None when they are not."""
    if not integral(ids) or np.PyArray_NDIM(ids) != 1:
        return None
    return cast(ids, np.NPY_UINT64)


cdef inline bint _hashable(table) noexcept:
    """A table that hashes can be taken modulo: 2-d, with 1 to 2^31 rows."""
    return is_2d(table) and 1 <= dim(table, 0) <= 0x7FFFFFFF


cdef inline uint64_t* u64(np.ndarray X) noexcept:
    return <uint64_t*>np.PyArray_DATA(X)


cdef _hash_embed(np.ndarray Y, size_t start, np.ndarray table, uint64_t* ids, size_t step, uint32_t seed):
    """The rows of one table, into the columns of Y from `start` on. step: from one id to the next."""
    cdef size_t B = dim(Y, 0), V = dim(table, 0), O = dim(table, 1), width = dim(Y, 1)
    state = release(B * O)
    if np.PyArray_TYPE(Y) == np.NPY_FLOAT:
        K.f32.hash_embed(f32(Y) + start, f32(table), ids, seed, B, V, O, step, width)
    else:
        K.f64.hash_embed(f64(Y) + start, f64(table), ids, seed, B, V, O, step, width)
    acquire(state)


cdef _backprop_hash_embed(
    np.ndarray dtable, touched, np.ndarray dY, size_t start, uint64_t* ids, size_t step, uint32_t seed
):
    """The same backwards: the columns of dY from `start` on, added into the rows of one table."""
    cdef uint8_t* marks = lines_of(touched)
    cdef size_t B = dim(dY, 0), V = dim(dtable, 0), O = dim(dtable, 1), width = dim(dY, 1)
    state = release(B * O)
    if np.PyArray_TYPE(dY) == np.NPY_FLOAT:
        K.f32.backprop_hash_embed(f32(dtable), marks, f32(dY) + start, ids, seed, B, V, O, step, width)
    else:
        K.f64.backprop_hash_embed(f64(dtable), marks, f64(dY) + start, ids, seed, B, V, O, step, width)
    acquire(state)


cdef np.npy_intp _width_of_tables(tables, ids, columns, seeds):
    """The widths of tables for hash_embeds, added up; -1 when something about the arguments is wrong or unusual."""
    cdef np.npy_intp width = 0
    for each in (tables, columns, seeds):
        if not isinstance(each, (list, tuple)) or len(each) != len(tables):
            return -1
    if len(tables) == 0 or not integral(ids) or not is_2d(ids):
        return -1
    for table, column, seed in zip(tables, columns, seeds):
        if reals(table, tables[0]) < 0 or not _hashable(table):
            return -1
        if type(column) is not int or type(seed) is not int:
            return -1
        if not 0 <= column < dim(ids, 1) or not 0 <= seed <= 0xFFFFFFFF:
            return -1
        width += dim(table, 1)
    return width


class NativeGather(Ops):
    """Hashes, lookups and their gradients, position codes."""

    def hash(self, ids, seed, *, out=None):
        cdef np.ndarray keys = _keys(ids)
        if (
            keys is None or _word(seed) < 0 or not fits2(out, size(keys), 4, np.NPY_UINT32)
            or (out is not None and not apart(out, (keys,)))
        ):
            return Ops.hash(self, ids, seed, out=out)
        cdef np.ndarray words = target2(out, size(keys), 4, np.NPY_UINT32)
        cdef uint32_t start = seed
        state = release(size(keys))
        K.common.hash(<uint32_t*>i32(words), <uint64_t*>np.PyArray_DATA(keys), size(keys), start)
        acquire(state)
        return words

    def ngrams(self, n, keys, *, out=None):
        cdef np.ndarray wide = _keys(keys)
        if wide is None or _count(n) < 1 or n > <np.npy_intp>size(wide):
            return Ops.ngrams(self, n, keys, out=out)
        cdef np.npy_intp n_runs = size(wide) - <size_t>n + 1
        if not fits1(out, n_runs, np.NPY_UINT64) or (out is not None and not apart(out, (wide,))):
            return Ops.ngrams(self, n, keys, out=out)
        cdef np.ndarray hashes = target1(out, n_runs, np.NPY_UINT64)
        cdef size_t together = n
        state = release(size(wide))
        K.common.ngrams(<uint64_t*>np.PyArray_DATA(hashes), <uint64_t*>np.PyArray_DATA(wide), size(wide), together)
        acquire(state)
        return hashes

    def gather_add(self, table, indices, *, out=None):
        cdef int t = real(table)
        if t < 0 or not is_2d(table) or not integral(indices) or not is_2d(indices):
            return Ops.gather_add(self, table, indices, out=out)
        cdef np.ndarray rows = _indices(indices, dim(table, 0))
        if (
            rows is None or dim(indices, 1) == 0 or not fits2(out, dim(indices, 0), dim(table, 1), t)
            or (out is not None and not apart(out, (table, rows)))
        ):
            return Ops.gather_add(self, table, indices, out=out)
        cdef np.ndarray source = contig(table), Y = target2(out, dim(rows, 0), dim(table, 1), t)
        state = release(size(Y))
        if t == np.NPY_FLOAT:
            K.f32.gather_add(f32(Y), f32(source), i32(rows), dim(rows, 0), dim(source, 1), dim(rows, 1))
        else:
            K.f64.gather_add(f64(Y), f64(source), i32(rows), dim(rows, 0), dim(source, 1), dim(rows, 1))
        acquire(state)
        return Y

    def scatter_add(self, table, indices, values):
        cdef int t = reals(table, values)
        if t < 0 or not is_2d(table) or not plain(table) or not integral(indices) or np.PyArray_NDIM(indices) != 1:
            return Ops.scatter_add(self, table, indices, values)
        cdef np.ndarray rows = _indices(indices, dim(table, 0))
        if rows is None or not has_shape2(values, dim(rows, 0), dim(table, 1)):
            return Ops.scatter_add(self, table, indices, values)
        cdef np.ndarray source = contig(values)
        if overlap(table, source) or overlap(table, rows):
            return Ops.scatter_add(self, table, indices, values)
        state = release(size(source))
        if t == np.NPY_FLOAT:
            K.f32.scatter_add(f32(table), i32(rows), f32(source), dim(rows, 0), dim(source, 1))
        else:
            K.f64.scatter_add(f64(table), i32(rows), f64(source), dim(rows, 0), dim(source, 1))
        acquire(state)
        return table

    def hash_embed(self, table, ids, seed, *, out=None):
        cdef np.ndarray keys = _keys(ids)
        if (
            real(table) < 0 or keys is None or not _hashable(table) or _word(seed) < 0
            or not fits2(out, size(keys), dim(table, 1), real(table))
            or (out is not None and not apart(out, (table, keys)))
        ):
            return Ops.hash_embed(self, table, ids, seed, out=out)
        cdef np.ndarray Y = target2(out, size(keys), dim(table, 1), real(table))
        _hash_embed(Y, 0, contig(table), u64(keys), 1, seed)
        return Y

    def backprop_hash_embed(self, dY, ids, seed, dtable, *, touched=None):
        cdef np.ndarray keys = _keys(ids)
        if (
            reals(dY, dtable) < 0 or keys is None or not _hashable(dtable) or not plain(dtable) or _word(seed) < 0
            or not has_shape2(dY, dim(keys, 0), dim(dtable, 1)) or not fits_lines(touched, dtable)
        ):
            return Ops.backprop_hash_embed(self, dY, ids, seed, dtable, touched=touched)
        cdef np.ndarray dy = contig(dY)
        if overlap(dtable, dy) or overlap(dtable, keys):
            return Ops.backprop_hash_embed(self, dY, ids, seed, dtable, touched=touched)
        _backprop_hash_embed(dtable, touched, dy, 0, u64(keys), 1, seed)

    def hash_embeds(self, tables, ids, columns, seeds, *, out=None):
        cdef np.npy_intp width = _width_of_tables(tables, ids, columns, seeds)
        if width < 0:
            return Ops.hash_embeds(self, tables, ids, columns, seeds, out=out)
        cdef np.ndarray keys = cast(ids, np.NPY_UINT64)
        if not fits2(out, dim(ids, 0), width, real(tables[0])) or (
            out is not None and not apart(out, (keys, *tables))
        ):
            return Ops.hash_embeds(self, tables, ids, columns, seeds, out=out)
        cdef np.ndarray Y = target2(out, dim(ids, 0), width, real(tables[0]))
        cdef size_t start = 0
        for table, column, seed in zip(tables, columns, seeds):
            _hash_embed(Y, start, contig(table), u64(keys) + <size_t>column, dim(keys, 1), seed)
            start += dim(table, 1)
        return Y

    def backprop_hash_embeds(self, dY, ids, columns, seeds, dtables, *, touched=None):
        cdef np.npy_intp width = _width_of_tables(dtables, ids, columns, seeds)
        if (
            width < 0 or reals(dY, dtables[0]) < 0 or not has_shape2(dY, dim(ids, 0), width)
            or not (touched is None or isinstance(touched, (list, tuple)) and len(touched) == len(dtables))
        ):
            return Ops.backprop_hash_embeds(self, dY, ids, columns, seeds, dtables, touched=touched)
        cdef np.ndarray keys = cast(ids, np.NPY_UINT64), dy = contig(dY)
        cdef size_t start = 0
        marks = (None,) * len(dtables) if touched is None else touched
        for dtable, lines in zip(dtables, marks):
            if not plain(dtable) or overlap(dtable, dy) or overlap(dtable, keys) or not fits_lines(lines, dtable):
                return Ops.backprop_hash_embeds(self, dY, ids, columns, seeds, dtables, touched=touched)
        for dtable, lines, column, seed in zip(dtables, marks, columns, seeds):
            _backprop_hash_embed(dtable, lines, dy, start, u64(keys) + <size_t>column, dim(keys, 1), seed)
            start += dim(dtable, 1)

    def position_encode(self, N, D, period=10000, out=None):
        cdef np.npy_intp n = _count(N), d = _count(D)
        cdef double base = 0
        if (
            n < 0 or d < 0 or not _number(period, &base)
            or (out is not None and (real(out) < 0 or not has_shape2(out, n, d) or not plain(out)))
        ):
            return Ops.position_encode(self, N, D, period, out)
        cdef np.ndarray periods = self._periods(d, base)
        # Beyond ten million the angles are not exact enough; a period that is no number is for NumPy to warn of.
        if d and not n <= 1e7 * periods.min() < float("inf"):
            return Ops.position_encode(self, N, D, period, out)
        cdef np.ndarray Y = empty2(n, d, np.NPY_FLOAT) if out is None else out
        state = release(size(Y))
        if np.PyArray_TYPE(Y) == np.NPY_FLOAT:
            K.f32.position_encode(f32(Y), f64(periods), n, d)
        else:
            K.f64.position_encode(f64(Y), f64(periods), n, d)
        acquire(state)
        return Y
