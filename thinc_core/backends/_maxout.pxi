# Maxout, part of numpy_ops.pyx.
class NativeMaxout(Ops):
    """The largest of P pieces, and its gradient."""

    def maxout(self, X, *, out=None):
        cdef int t = real(X)
        cdef tuple outs = _outs(out, 2)
        if (
            t < 0 or np.PyArray_NDIM(X) != 3 or dim(X, 2) < 1 or outs is None
            or not fits2(outs[0], dim(X, 0), dim(X, 1), t) or not fits2(outs[1], dim(X, 0), dim(X, 1), np.NPY_INT32)
            or (out is not None and not all_apart(outs, (X,)))
        ):
            return Ops.maxout(self, X, out=out)
        cdef np.ndarray x = contig(X), best = target2(outs[0], dim(x, 0), dim(x, 1), t)
        cdef np.ndarray which = target2(outs[1], dim(x, 0), dim(x, 1), np.NPY_INT32)
        state = release(size(x))
        if t == np.NPY_FLOAT:
            K.f32.maxout(f32(best), i32(which), f32(x), size(best), dim(x, 2))
        else:
            K.f64.maxout(f64(best), i32(which), f64(x), size(best), dim(x, 2))
        acquire(state)
        return best, which

    def backprop_maxout(self, dY, which, P, *, out=None):
        cdef int t = real(dY)
        cdef np.npy_intp pieces = _count(P)
        cdef np.ndarray chosen = _indices(which, pieces) if pieces >= 1 else None
        if (
            t < 0 or chosen is None or not is_2d(dY) or not same_shape(dY, which)
            or not fits3(out, dim(dY, 0), dim(dY, 1), pieces, t) or (out is not None and not apart(out, (dY, chosen)))
        ):
            return Ops.backprop_maxout(self, dY, which, P, out=out)
        cdef np.ndarray dy = contig(dY), dX = target3(out, dim(dY, 0), dim(dY, 1), pieces, t)
        state = release(size(dX))
        if t == np.NPY_FLOAT:
            K.f32.backprop_maxout(f32(dX), f32(dy), i32(chosen), size(dy), pieces)
        else:
            K.f64.backprop_maxout(f64(dX), f64(dy), i32(chosen), size(dy), pieces)
        acquire(state)
        return dX
