# What training does besides the layers, part of numpy_ops.pyx.


cdef bint _dropout_key(seed, uint64_t* key) except -1:
    """Whether a seed of dropout is an integer in [0, 2^53); the seed."""
    cdef object value
    try:
        value = operator.index(seed)
    except TypeError:
        return False
    if not 0 <= value < 2 ** 53:
        return False
    key[0] = value
    return True


class NativeOptim(Ops):
    """Dropout masks, optimizer steps, averages."""

    def get_dropout_mask(self, shape, drop, *, rng=None, out=None):
        cdef double share = 0
        if not _number(drop, &share) or not 0 < share < 1 - 2.0 ** -17:  # beyond, all are dropped
            return Ops.get_dropout_mask(self, shape, drop, rng=rng, out=out)
        if not (out is None or (
            real(out) == np.NPY_FLOAT and plain(out) and out.shape == (shape if type(shape) is tuple else (shape,))
        )):
            return Ops.get_dropout_mask(self, shape, drop, rng=rng, out=out)
        source = checks.generator("get_dropout_mask", rng)
        cdef np.ndarray mask = self.alloc(shape, zeros=False) if out is None else out
        cdef uint32_t threshold
        cdef float kept
        threshold, kept = self._dropout_values(share)
        cdef uint64_t seed = self._dropout_seed(source)
        state = release(size(mask))
        K.f32.dropout_mask(f32(mask), size(mask), seed, threshold, kept)
        acquire(state)
        return mask

    def dropout(self, X, drop, seed, *, inplace=False, out=None):
        cdef int t = real(X)
        cdef double share = 0
        cdef int into = _flag(inplace)
        cdef uint64_t key = 0
        if (
            t < 0 or not _number(drop, &share) or not share < 1 - 2.0 ** -17 or not _dropout_key(seed, &key)
            or into < 0 or (into and not changeable(X)) or (out is not None and not _takes(out, into, X))
        ):
            return Ops.dropout(self, X, drop, seed, inplace=inplace, out=out)
        cdef np.ndarray x = contig(X)
        cdef np.ndarray Y = x if into else target_like(out, x)
        cdef uint32_t threshold = 0
        cdef float kept = 1
        if share > 0:
            threshold, kept = self._dropout_values(share)
        state = release(size(x))
        if t == np.NPY_FLOAT:
            K.f32.dropout(f32(Y), f32(x), size(x), key, threshold, kept)
        else:
            K.f64.dropout(f64(Y), f64(x), size(x), key, threshold, kept)
        acquire(state)
        return _settled(Y, X) if into else Y

    def adam(self, weights, gradient, mom1, mom2, beta1, beta2, eps, learn_rate, mod_rate=1.0):
        cdef int t = reals(weights, gradient)
        cdef double b1 = 0, b2 = 0, e = 0, rate = 0, mod = 0
        if not (_number(beta1, &b1) and _number(beta2, &b2) and _number(eps, &e) and _number(learn_rate, &rate)):
            t = -1
        if (
            t < 0 or not _number(mod_rate, &mod) or t != reals(mom1, mom2)
            or not (same_shape(weights, gradient) and same_shape(weights, mom1))
            or not same_shape(weights, mom2) or not (plain(weights) and plain(gradient) and plain(mom1) and plain(mom2))
            or overlap(weights, gradient) or overlap(weights, mom1) or overlap(weights, mom2)
            or overlap(gradient, mom1) or overlap(gradient, mom2) or overlap(mom1, mom2)
        ):
            return Ops.adam(self, weights, gradient, mom1, mom2, beta1, beta2, eps, learn_rate, mod_rate)
        cdef size_t n = size(weights)
        state = release(n)
        if t == np.NPY_FLOAT:
            K.f32.adam(f32(weights), f32(gradient), f32(mom1), f32(mom2), n, b1, b2, <float>e, <float>rate, <float>mod)
        else:
            K.f64.adam(f64(weights), f64(gradient), f64(mom1), f64(mom2), n, b1, b2, e, rate, mod)
        acquire(state)
        return weights, gradient, mom1, mom2

    def clip_gradient(self, gradient, threshold):
        cdef int t = real(gradient)
        cdef double total = 0, norm, limit = 0
        if t < 0 or not _number(threshold, &limit) or not plain(gradient):
            return Ops.clip_gradient(self, gradient, threshold)
        cdef size_t n = size(gradient)
        state = release(n)
        if t == np.NPY_FLOAT:
            K.f32.sum_squares(&total, f32(gradient), n)
        else:
            K.f64.sum_squares(&total, f64(gradient), n)
        norm = sqrt(total)
        if norm >= limit and norm > 0:
            if t == np.NPY_FLOAT:
                K.f32.scal(f32(gradient), <float>(limit / norm), n)
            else:
                K.f64.scal(f64(gradient), limit / norm, n)
        acquire(state)
        return gradient

    def update_averages(self, ema, weights, t, max_decay=0.9999):
        cdef int kind = reals(ema, weights)
        cdef double step = 0, most = 0
        if not _number(t, &step) or not _number(max_decay, &most):
            kind = -1
        if kind < 0 or not same_shape(ema, weights) or not plain(ema) or overlap(ema, weights):
            return Ops.update_averages(self, ema, weights, t, max_decay)
        cdef np.ndarray source = contig(weights)
        step = 1.0 - min((1.0 + step) / (10.0 + step), most)
        state = release(size(source))
        if kind == np.NPY_FLOAT:
            K.f32.update_averages(f32(ema), f32(source), size(source), <float>step)
        else:
            K.f64.update_averages(f64(ema), f64(source), size(source), step)
        acquire(state)
