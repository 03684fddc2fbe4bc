# Hashes, and tables whose rows are found by an index or a hash, part of numpy_ops.pyx.
cdef np.ndarray _keys(ids):
    """1-d integers as uint64; None when they are not."""
    if not integral(ids) or np.PyArray_NDIM(ids) != 1:
        return None
    return cast(ids, np.NPY_UINT64)


cdef inline bint _hashable(table) noexcept:
    """A table that hashes can be taken modulo: 2-d, with 1 to 2^31 rows."""
    return is_2d(table) and 1 <= dim(table, 0) <= 0x7FFFFFFF


class NativeGather(Ops):
    """Hashes, lookups and their gradients."""

    def hash(self, ids, seed):
        cdef np.ndarray keys = _keys(ids)
        if keys is None or not 0 <= seed <= 0xFFFFFFFF:
            return Ops.hash(self, ids, seed)
        cdef np.ndarray words = empty2(size(keys), 4, np.NPY_UINT32)
        K.common.hash(<uint32_t*>i32(words), <uint64_t*>np.PyArray_DATA(keys), size(keys), seed)
        return words

    def ngrams(self, n, keys):
        cdef np.ndarray wide = _keys(keys)
        if wide is None or n < 1 or n > <np.npy_intp>size(wide):
            return Ops.ngrams(self, n, keys)
        cdef np.ndarray hashes = empty1(size(wide) - <size_t>n + 1, np.NPY_UINT64)
        K.common.ngrams(<uint64_t*>np.PyArray_DATA(hashes), <uint64_t*>np.PyArray_DATA(wide), size(wide), n)
        return hashes

    def gather_add(self, table, indices):
        cdef int t = real(table)
        if t < 0 or not is_2d(table) or not integral(indices) or not is_2d(indices):
            return Ops.gather_add(self, table, indices)
        cdef np.ndarray rows = _indices(indices, dim(table, 0))
        if rows is None or dim(indices, 1) == 0:
            return Ops.gather_add(self, table, indices)
        cdef np.ndarray source = contig(table), Y = empty2(dim(rows, 0), dim(table, 1), t)
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
        state = release(size(source))
        if t == np.NPY_FLOAT:
            K.f32.scatter_add(f32(table), i32(rows), f32(source), dim(rows, 0), dim(source, 1))
        else:
            K.f64.scatter_add(f64(table), i32(rows), f64(source), dim(rows, 0), dim(source, 1))
        acquire(state)
        return table

    def hash_embed(self, table, ids, seed):
        cdef int t = real(table)
        cdef np.ndarray keys = _keys(ids)
        if t < 0 or keys is None or not _hashable(table) or not 0 <= seed <= 0xFFFFFFFF:
            return Ops.hash_embed(self, table, ids, seed)
        cdef np.ndarray source = contig(table), Y = empty2(size(keys), dim(table, 1), t)
        cdef uint64_t* key = <uint64_t*>np.PyArray_DATA(keys)
        cdef uint32_t start = seed
        state = release(size(Y))
        if t == np.NPY_FLOAT:
            K.f32.hash_embed(f32(Y), f32(source), key, start, size(keys), dim(source, 0), dim(source, 1))
        else:
            K.f64.hash_embed(f64(Y), f64(source), key, start, size(keys), dim(source, 0), dim(source, 1))
        acquire(state)
        return Y

    def backprop_hash_embed(self, dY, ids, seed, dtable):
        cdef int t = reals(dY, dtable)
        cdef np.ndarray keys = _keys(ids)
        if (
            t < 0 or keys is None or not _hashable(dtable) or not plain(dtable) or not 0 <= seed <= 0xFFFFFFFF
            or not has_shape2(dY, dim(keys, 0), dim(dtable, 1))
        ):
            return Ops.backprop_hash_embed(self, dY, ids, seed, dtable)
        cdef np.ndarray dy = contig(dY)
        cdef uint64_t* key = <uint64_t*>np.PyArray_DATA(keys)
        cdef uint32_t start = seed
        state = release(size(dy))
        if t == np.NPY_FLOAT:
            K.f32.backprop_hash_embed(f32(dtable), f32(dy), key, start, size(keys), dim(dtable, 0), dim(dtable, 1))
        else:
            K.f64.backprop_hash_embed(f64(dtable), f64(dy), key, start, size(keys), dim(dtable, 0), dim(dtable, 1))
        acquire(state)
