# Elementwise functions, part of numpy_ops.pyx.
ctypedef void (*map_f32)(float*, const float*, size_t) noexcept nogil
ctypedef void (*map_f64)(double*, const double*, size_t) noexcept nogil
ctypedef void (*grad_f32)(float*, const float*, const float*, size_t) noexcept nogil
ctypedef void (*grad_f64)(double*, const double*, const double*, size_t) noexcept nogil


cdef inline bint _takes(out, bint into, X) noexcept:
    """Whether an elementwise kernel that reads X can write into out."""
    return out is None or (not into and fits_like(out, X) and over(out, X))


cdef object _map(ops, str name, map_f32 kernel32, map_f64 kernel64, X, inplace, out):
    """Y = f(X), elementwise."""
    cdef int t = real(X)
    cdef int into = _flag(inplace)
    if t < 0 or into < 0 or (into and not changeable(X)) or not _takes(out, into, X):
        return getattr(Ops, name)(ops, X, inplace=inplace, out=out)
    cdef np.ndarray x = contig(X)
    cdef np.ndarray y = x if into else target_like(out, x)
    state = release(size(x))
    if t == np.NPY_FLOAT:
        kernel32(f32(y), f32(x), size(x))
    else:
        kernel64(f64(y), f64(x), size(x))
    acquire(state)
    return _settled(y, X) if into else y


cdef object _map_grad(ops, str name, grad_f32 kernel32, grad_f64 kernel64, dY, X, inplace, out):
    """dX = dY * f'(X), elementwise; into dY when inplace."""
    cdef int t = reals(dY, X)
    cdef int into = _flag(inplace)
    if (
        t < 0 or not same_shape(dY, X) or into < 0 or (into and (not changeable(dY) or overlap(dY, X)))
        or not _takes(out, into, dY) or not (out is None or over(out, X))
    ):
        return getattr(Ops, name)(ops, dY, X, inplace=inplace, out=out)
    cdef np.ndarray dy = contig(dY), x = contig(X)
    cdef np.ndarray dx = dy if into else target_like(out, dy)
    state = release(size(x))
    if t == np.NPY_FLOAT:
        kernel32(f32(dx), f32(dy), f32(x), size(x))
    else:
        kernel64(f64(dx), f64(dy), f64(x), size(x))
    acquire(state)
    return _settled(dx, dY) if into else dx


class NativeActivations(Ops):
    """Elementwise functions and their gradients."""

    def relu(self, X, inplace=False, *, out=None):
        return _map(self, "relu", K.f32.relu, K.f64.relu, X, inplace, out)

    def backprop_relu(self, dY, Y, inplace=False, *, out=None):
        return _map_grad(self, "backprop_relu", K.f32.backprop_relu, K.f64.backprop_relu, dY, Y, inplace, out)

    def mish(self, X, threshold=20.0, inplace=False, *, out=None):
        cdef double limit = 0
        if not _number(threshold, &limit) or not limit >= 20.0:
            return Ops.mish(self, X, threshold, inplace, out=out)
        return _map(self, "mish", K.f32.mish, K.f64.mish, X, inplace, out)

    def backprop_mish(self, dY, X, threshold=20.0, inplace=False, *, out=None):
        cdef double limit = 0
        if not _number(threshold, &limit) or not limit >= 20.0:
            return Ops.backprop_mish(self, dY, X, threshold, inplace, out=out)
        return _map_grad(self, "backprop_mish", K.f32.backprop_mish, K.f64.backprop_mish, dY, X, inplace, out)

    def gelu(self, X, inplace=False, *, out=None):
        return _map(self, "gelu", K.f32.gelu, K.f64.gelu, X, inplace, out)

    def backprop_gelu(self, dY, X, inplace=False, *, out=None):
        return _map_grad(self, "backprop_gelu", K.f32.backprop_gelu, K.f64.backprop_gelu, dY, X, inplace, out)

    def gelu_approx(self, X, inplace=False, *, out=None):
        return _map(self, "gelu_approx", K.f32.gelu_approx, K.f64.gelu_approx, X, inplace, out)

    def backprop_gelu_approx(self, dY, X, inplace=False, *, out=None):
        return _map_grad(
            self, "backprop_gelu_approx", K.f32.backprop_gelu_approx, K.f64.backprop_gelu_approx, dY, X, inplace, out
        )

    def erf(self, X, *, out=None):
        if real(X) < 0 or not _takes(out, False, X):  # this one has no inplace
            return Ops.erf(self, X, out=out)
        return _map(self, "erf", K.f32.erf, K.f64.erf, X, False, out)

    def sechsq(self, X, *, out=None):
        if real(X) < 0 or not _takes(out, False, X):  # this one has no inplace
            return Ops.sechsq(self, X, out=out)
        return _map(self, "sechsq", K.f32.sechsq, K.f64.sechsq, X, False, out)

    def dsigmoid(self, Y, *, inplace=False, out=None):
        return _map(self, "dsigmoid", K.f32.dsigmoid, K.f64.dsigmoid, Y, inplace, out)

    def dtanh(self, Y, *, inplace=False, out=None):
        return _map(self, "dtanh", K.f32.dtanh, K.f64.dtanh, Y, inplace, out)

    def sigmoid(self, X, *, inplace=False, out=None):
        return _map(self, "sigmoid", K.f32.sigmoid, K.f64.sigmoid, X, inplace, out)

    def backprop_sigmoid(self, dY, Y, *, inplace=False, out=None):
        if _flag(inplace):  # into Y, unlike the others
            return Ops.backprop_sigmoid(self, dY, Y, inplace=inplace, out=out)
        return _map_grad(self, "backprop_sigmoid", K.f32.backprop_sigmoid, K.f64.backprop_sigmoid, dY, Y, False, out)

    def swish(self, X, inplace=False, *, out=None):
        return _map(self, "swish", K.f32.swish, K.f64.swish, X, inplace, out)

    def backprop_swish(self, dY, X, Y, inplace=False, *, out=None):
        cdef int t = reals(dY, X)
        cdef int into = _flag(inplace)
        if (
            t < 0 or t != real(Y) or not same_shape(dY, X) or not same_shape(dY, Y)
            or into < 0 or (into and (not changeable(dY) or overlap(dY, X) or overlap(dY, Y)))
            or not _takes(out, into, dY) or not (out is None or (over(out, X) and over(out, Y)))
        ):
            return Ops.backprop_swish(self, dY, X, Y, inplace, out=out)
        cdef np.ndarray dy = contig(dY), x = contig(X), y = contig(Y)
        cdef np.ndarray dX = dy if into else target_like(out, dy)
        state = release(size(x))
        if t == np.NPY_FLOAT:
            K.f32.backprop_swish(f32(dX), f32(dy), f32(x), f32(y), size(x))
        else:
            K.f64.backprop_swish(f64(dX), f64(dy), f64(x), f64(y), size(x))
        acquire(state)
        return _settled(dX, dY) if into else dX

    def dish(self, X, inplace=False, *, out=None):
        return _map(self, "dish", K.f32.dish, K.f64.dish, X, inplace, out)

    def backprop_dish(self, dY, X, inplace=False, *, out=None):
        return _map_grad(self, "backprop_dish", K.f32.backprop_dish, K.f64.backprop_dish, dY, X, inplace, out)

    def hard_swish(self, X, inplace=False, *, out=None):
        return _map(self, "hard_swish", K.f32.hard_swish, K.f64.hard_swish, X, inplace, out)

    def backprop_hard_swish(self, dY, X, inplace=False, *, out=None):
        return _map_grad(
            self, "backprop_hard_swish", K.f32.backprop_hard_swish, K.f64.backprop_hard_swish, dY, X, inplace, out
        )

    def hard_swish_mobilenet(self, X, inplace=False, *, out=None):
        return _map(
            self, "hard_swish_mobilenet", K.f32.hard_swish_mobilenet, K.f64.hard_swish_mobilenet, X, inplace, out
        )

    def backprop_hard_swish_mobilenet(self, dY, X, inplace=False, *, out=None):
        return _map_grad(
            self, "backprop_hard_swish_mobilenet", K.f32.backprop_hard_swish_mobilenet,
            K.f64.backprop_hard_swish_mobilenet, dY, X, inplace, out
        )

    def clipped_linear(self, X, slope=1.0, offset=0.0, min_val=0.0, max_val=1.0, inplace=False, *, out=None):
        cdef int t = real(X)
        cdef int into = _flag(inplace)
        cdef double a = 0, b = 0, low = 0, high = 0
        if not (_number(slope, &a) and _number(offset, &b) and _number(min_val, &low) and _number(max_val, &high)):
            t = -1
        if t < 0 or low > high or into < 0 or (into and not changeable(X)) or not _takes(out, into, X):
            return Ops.clipped_linear(self, X, slope, offset, min_val, max_val, inplace, out=out)
        cdef np.ndarray x = contig(X), y = x if into else target_like(out, x)
        state = release(size(x))
        if t == np.NPY_FLOAT:
            K.f32.clipped_linear(f32(y), f32(x), size(x), <float>a, <float>b, <float>low, <float>high)
        else:
            K.f64.clipped_linear(f64(y), f64(x), size(x), a, b, low, high)
        acquire(state)
        return _settled(y, X) if into else y

    def backprop_clipped_linear(
        self, dY, X, slope=1.0, offset=0.0, min_val=0.0, max_val=1.0, inplace=False, *, out=None
    ):
        cdef int t = reals(dY, X)
        cdef int into = _flag(inplace)
        cdef double a = 0, b = 0, low = 0, high = 0
        if not (_number(slope, &a) and _number(offset, &b) and _number(min_val, &low) and _number(max_val, &high)):
            t = -1
        if (
            t < 0 or not same_shape(dY, X) or into < 0 or (into and (not changeable(dY) or overlap(dY, X)))
            or not _takes(out, into, dY) or not (out is None or over(out, X))
        ):
            return Ops.backprop_clipped_linear(self, dY, X, slope, offset, min_val, max_val, inplace, out=out)
        cdef np.ndarray dy = contig(dY), x = contig(X), dX = dy if into else target_like(out, dy)
        state = release(size(x))
        if t == np.NPY_FLOAT:
            K.f32.backprop_clipped_linear(
                f32(dX), f32(dy), f32(x), size(x), <float>a, <float>b, <float>low, <float>high
            )
        else:
            K.f64.backprop_clipped_linear(f64(dX), f64(dy), f64(x), size(x), a, b, low, high)
        acquire(state)
        return _settled(dX, dY) if into else dX
