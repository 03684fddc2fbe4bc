# Maxout, part of numpy_ops.pyx.
class NativeMaxout(Ops):
    """The largest of P pieces, and its gradient."""

    def maxout(self, X):
        cdef int t = real(X)
        if t < 0 or np.PyArray_NDIM(X) != 3 or dim(X, 2) < 1:
            return Ops.maxout(self, X)
        cdef np.ndarray x = contig(X)
        cdef np.ndarray best = empty2(dim(x, 0), dim(x, 1), t), which = empty2(dim(x, 0), dim(x, 1), np.NPY_INT32)
        state = release(size(x))
        if t == np.NPY_FLOAT:
            K.f32.maxout(f32(best), i32(which), f32(x), size(best), dim(x, 2))
        else:
            K.f64.maxout(f64(best), i32(which), f64(x), size(best), dim(x, 2))
        acquire(state)
        return best, which

    def backprop_maxout(self, dY, which, P):
        cdef int t = real(dY)
        cdef np.npy_intp pieces = _count(P)
        cdef np.ndarray chosen = _indices(which, pieces) if pieces >= 1 else None
        if t < 0 or chosen is None or not is_2d(dY) or not same_shape(dY, which):
            return Ops.backprop_maxout(self, dY, which, P)
        cdef np.ndarray dy = contig(dY), dX = empty3(dim(dY, 0), dim(dY, 1), pieces, t)
        state = release(size(dX))
        if t == np.NPY_FLOAT:
            K.f32.backprop_maxout(f32(dX), f32(dy), i32(chosen), size(dy), pieces)
        else:
            K.f64.backprop_maxout(f64(dX), f64(dy), i32(chosen), size(dy), pieces)
        acquire(state)
        return dX
