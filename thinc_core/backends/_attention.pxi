# Attention and rotary positions, part of numpy_ops.pyx.
from .reference.attention import rotary_turns, weights_size

# Queries of a head that are taken at a time: their scores stay in cache, and a product of so many rows runs at speed.
cdef enum:
    QUERIES = 64


cdef np.ndarray _heads_of(QKV, lengths, n_heads, mask, int t):
    """The lengths as int32; None when the arguments of either direction do not fit."""
    cdef int64_t total = 0
    if t < 0 or not is_2d(QKV) or type(n_heads) is not int or n_heads < 1 or dim(QKV, 1) % (3 * n_heads):
        return None
    cdef np.ndarray rows = lengths_of(lengths, 0, &total)
    if rows is None or total != dim(QKV, 0) or dim(QKV, 1) == 0:
        return None
    if mask is not None and not (real(mask) == t and has_shape1(mask, weights_size(n_heads, rows))):
        return None
    return rows


cdef object _rotary(ops, str op, X, lengths, n_heads, D, base, inplace, out, bint back):
    cdef int64_t total = 0
    cdef int t = real(X)
    cdef int into = _flag(inplace)
    cdef double slower = 1
    cdef np.ndarray rows = lengths_of(lengths, 0, &total)
    if (
        t < 0 or rows is None or not is_2d(X) or total != dim(X, 0) or not _number(base, &slower)
        or type(n_heads) is not int or type(D) is not int or n_heads < 0 or D < 0 or D % 2
        or max(n_heads, D, n_heads * D) > dim(X, 1) or into < 0 or (into and (not changeable(X) or overlap(X, rows)))
        or (out is not None and not (_takes(out, into, X) and apart(out, (rows,))))
    ):
        return getattr(Ops, op)(ops, X, lengths, n_heads, D, base=base, inplace=inplace, out=out)
    cdef np.ndarray x = contig(X)
    cdef np.ndarray Y = x if into else target_like(out, x)
    # A power of two, so that the next batch finds the turns there.
    steps = 1 << int(rows.max(initial=0)).bit_length()
    cdef np.ndarray turns = rotary_turns(steps, D, slower, x.dtype.str)
    state = release(size(x))
    if t == np.NPY_FLOAT:
        K.f32.rotary(f32(Y), f32(x), f32(turns), i32(rows), size(rows), n_heads, D, dim(x, 1), back)
    else:
        K.f64.rotary(f64(Y), f64(x), f64(turns), i32(rows), size(rows), n_heads, D, dim(x, 1), back)
    acquire(state)
    return _settled(Y, X) if into else Y


class NativeAttention(Ops):
    """What lets the rows of a sequence see each other."""

    def attention(self, QKV, lengths, n_heads, *, causal=False, mask=None, keep=True, out=None):
        cdef int t = real(QKV)
        cdef int causal_ = _flag(causal), keep_ = _flag(keep)
        cdef tuple outs = _outs(out, 2)
        cdef np.ndarray rows = _heads_of(QKV, lengths, n_heads, mask, t)
        if rows is None or causal_ < 0 or keep_ < 0 or outs is None or (outs[1] is not None and not keep_):
            return Ops.attention(self, QKV, lengths, n_heads, causal=causal, mask=mask, keep=keep, out=out)
        cdef np.npy_intp T = dim(QKV, 0), O = dim(QKV, 1) // 3, pairs = weights_size(n_heads, rows) if keep_ else 0
        given = (QKV, rows) if mask is None else (QKV, rows, mask)
        if not fits2(outs[0], T, O, t) or not fits1(outs[1], pairs, t) or (
            out is not None and not all_apart(outs, given)
        ):
            return Ops.attention(self, QKV, lengths, n_heads, causal=causal, mask=mask, keep=keep, out=out)
        cdef np.ndarray x = contig(QKV), Y = target2(outs[0], T, O, t)
        cdef np.ndarray m = x if mask is None else contig(mask)
        cdef np.ndarray weights = target1(outs[1], pairs, t)
        cdef np.ndarray scratch = empty1(T * QUERIES * ((not keep_) + (mask is not None)), t)
        cdef size_t H = n_heads
        state = release(size(x) * 16)
        if t == np.NPY_FLOAT:
            K.f32.attention(
                f32(Y), f32(weights) if keep_ else <float*>NULL, f32(scratch), f32(x),
                <float*>NULL if m is x else f32(m), i32(rows), size(rows), H, O // H, QUERIES, causal_
            )
        else:
            K.f64.attention(
                f64(Y), f64(weights) if keep_ else <double*>NULL, f64(scratch), f64(x),
                <double*>NULL if m is x else f64(m), i32(rows), size(rows), H, O // H, QUERIES, causal_
            )
        acquire(state)
        return Y, weights if keep_ else None

    def backprop_attention(self, dY, QKV, weights, lengths, n_heads, *, causal=False, mask=None, out=None):
        cdef int t = reals(dY, QKV)
        cdef int causal_ = _flag(causal)
        cdef np.ndarray rows = _heads_of(QKV, lengths, n_heads, mask, t)
        if (
            rows is None or causal_ < 0 or real(weights) != t or not has_shape1(weights, weights_size(n_heads, rows))
            or not has_shape2(dY, dim(QKV, 0), dim(QKV, 1) // 3) or not fits_like(out, QKV)
            or not apart(out, (dY, QKV, weights, rows) if mask is None else (dY, QKV, weights, rows, mask))
        ):
            return Ops.backprop_attention(
                self, dY, QKV, weights, lengths, n_heads, causal=causal, mask=mask, out=out
            )
        cdef np.ndarray x = contig(QKV), dy = contig(dY), P = contig(weights), dX = target_like(out, x)
        cdef np.ndarray m = x if mask is None else contig(mask)
        cdef np.ndarray scratch = empty1(dim(x, 0) * QUERIES * (1 + (mask is not None or causal_)), t)
        cdef size_t H = n_heads, D = dim(dy, 1) // n_heads
        state = release(size(x) * 16)
        if t == np.NPY_FLOAT:
            K.f32.backprop_attention(
                f32(dX), f32(scratch), f32(dy), f32(x), f32(P), <float*>NULL if m is x else f32(m), i32(rows),
                size(rows), H, D, QUERIES, causal_
            )
        else:
            K.f64.backprop_attention(
                f64(dX), f64(scratch), f64(dy), f64(x), f64(P), <double*>NULL if m is x else f64(m), i32(rows),
                size(rows), H, D, QUERIES, causal_
            )
        acquire(state)
        return dX

    def rotary(self, X, lengths, n_heads, D, *, base=10000.0, inplace=False, out=None):
        return _rotary(self, "rotary", X, lengths, n_heads, D, base, inplace, out, False)

    def backprop_rotary(self, dY, lengths, n_heads, D, *, base=10000.0, inplace=False, out=None):
        return _rotary(self, "backprop_rotary", dY, lengths, n_heads, D, base, inplace, out, True)
