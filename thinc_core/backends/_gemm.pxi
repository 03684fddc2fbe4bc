# Matrix products and what is fused to them, part of numpy_ops.pyx.
ctypedef void (*affine_f32)(
    float*, const float*, const float*, const float*, size_t, size_t, size_t, size_t
) noexcept nogil
ctypedef void (*affine_f64)(
    double*, const double*, const double*, const double*, size_t, size_t, size_t, size_t
) noexcept nogil


cdef inline size_t _leading(np.ndarray X, int row_axis) noexcept:
    """Elements between rows when the other axis is dense, else 0."""
    cdef np.npy_intp item = np.PyArray_ITEMSIZE(X), rows = dim(X, row_axis), columns = dim(X, 1 - row_axis)
    cdef np.npy_intp step = np.PyArray_STRIDE(X, row_axis)
    if columns > 1 and np.PyArray_STRIDE(X, 1 - row_axis) != item:
        return 0
    if rows <= 1:
        return max(columns, 1)
    if step < columns * item or step % item:
        return 0
    return max(step // item, 1)


cdef np.ndarray _matrix(X, size_t* ld, bint* trans):
    """X or a copy with dense rows or columns; dense columns flip trans."""
    cdef np.ndarray x = <np.ndarray>X
    if np.PyArray_ISALIGNED(x):
        ld[0] = _leading(x, 0)
        if ld[0]:
            return x
        ld[0] = _leading(x, 1)
        if ld[0]:
            trans[0] = not trans[0]
            return x
    ld[0] = max(dim(x, 1), 1)
    return contig(x)


cdef np.ndarray _rows(X, size_t* ldx):
    """X, whose rows may be any distance apart, and may overlap as windows of a sequence do; or a copy in C order."""
    cdef np.ndarray x = <np.ndarray>X
    cdef np.npy_intp item = np.PyArray_ITEMSIZE(x), step = np.PyArray_STRIDE(x, 0)
    if dim(x, 0) > 1 and np.PyArray_ISALIGNED(x) and step > 0 and step % item == 0 and (
        dim(x, 1) < 2 or np.PyArray_STRIDE(x, 1) == item
    ):
        ldx[0] = step // item
        return x
    ldx[0] = dim(x, 1)
    return contig(x)


cdef inline bint _apart(dW, db, dY, X, W) noexcept:
    """Whether the two that are changed share no memory with each other or with what is read."""
    return not (
        overlap(dW, db) or overlap(dW, dY) or overlap(dW, X) or overlap(dW, W)
        or overlap(db, dY) or overlap(db, X) or overlap(db, W)
    )


cdef object _affine(ops, str name, affine_f32 kernel32, affine_f64 kernel64, X, W, b, out):
    """Y = f(X W^T + b)."""
    cdef int t = real(X)
    if not _fits_affine(X, W, b, t) or not fits2(out, dim(X, 0), dim(W, 0), t) or (
        out is not None and not apart(out, (X, W, b))
    ):
        return getattr(Ops, name)(ops, X, W, b, out=out)
    cdef size_t ldx = 0
    cdef np.ndarray x = _rows(X, &ldx), w = contig(W), shift = contig(b)
    cdef size_t B = dim(X, 0), O = dim(W, 0), I = dim(W, 1)
    cdef np.ndarray Y = target2(out, B, O, t)
    state = release(B * O * I)
    if t == np.NPY_FLOAT:
        kernel32(f32(Y), f32(x), f32(w), f32(shift), B, O, I, ldx)
    else:
        kernel64(f64(Y), f64(x), f64(w), f64(shift), B, O, I, ldx)
    acquire(state)
    return Y


cdef bint _activation(str name, map_f32* f32_kernel, map_f64* f64_kernel) noexcept:
    """The kernels of an elementwise op without settings; False when it has none."""
    if name == "gelu":
        f32_kernel[0], f64_kernel[0] = K.f32.gelu, K.f64.gelu
    elif name == "mish":
        f32_kernel[0], f64_kernel[0] = K.f32.mish, K.f64.mish
    elif name == "swish":
        f32_kernel[0], f64_kernel[0] = K.f32.swish, K.f64.swish
    elif name == "relu":
        f32_kernel[0], f64_kernel[0] = K.f32.relu, K.f64.relu
    elif name == "sigmoid":
        f32_kernel[0], f64_kernel[0] = K.f32.sigmoid, K.f64.sigmoid
    elif name == "gelu_approx":
        f32_kernel[0], f64_kernel[0] = K.f32.gelu_approx, K.f64.gelu_approx
    elif name == "dish":
        f32_kernel[0], f64_kernel[0] = K.f32.dish, K.f64.dish
    elif name == "hard_swish":
        f32_kernel[0], f64_kernel[0] = K.f32.hard_swish, K.f64.hard_swish
    elif name == "hard_swish_mobilenet":
        f32_kernel[0], f64_kernel[0] = K.f32.hard_swish_mobilenet, K.f64.hard_swish_mobilenet
    else:
        return False
    return True


cdef bint _fits_affine(X, W, b, int t) noexcept:
    """Whether the arrays, all of type t, are those of affine."""
    return (
        t >= 0 and t == reals(W, b) and is_2d(X) and is_2d(W) and dim(X, 1) == dim(W, 1) and has_shape1(b, dim(W, 0))
    )


cdef bint _fits_affine_maxout(X, W, b, int t) noexcept:
    """The same of affine_maxout."""
    return (
        t >= 0 and t == reals(W, b) and is_2d(X) and np.PyArray_NDIM(W) == 3 and dim(X, 1) == dim(W, 2)
        and has_shape2(b, dim(W, 0), dim(W, 1)) and dim(W, 1) >= 1
    )


cdef bint _only_first(tuple outs):
    """Whether nothing is to be written but the first result."""
    cdef Py_ssize_t i
    for i in range(1, len(outs)):
        if outs[i] is not None:
            return False
    return True


cdef bint _fits_maxout_layernorm(tuple outs, np.npy_intp B, np.npy_intp O, int t):
    """Whether the arrays of outs are like those that affine_maxout_layernorm returns."""
    return (
        fits2(outs[0], B, O, t) and fits2(outs[1], B, O, t) and fits2(outs[2], B, O, np.NPY_INT32)
        and fits1(outs[3], B, t) and fits1(outs[4], B, t)
    )


def _dot(ops, x, y, out, trans1, trans2, accumulate):
    """gemm through numpy.dot, which multiplies integers too."""
    if out is not None or accumulate or not (integral(x) and integral(y)):
        return Ops.gemm(ops, x, y, out, trans1, trans2, accumulate=accumulate)
    return numpy.dot(x.T if trans1 else x, y.T if trans2 else y)


cdef bint _fits_backprop_maxout(dY, which, X, W, dW, db, int t):
    """Whether the arguments of backprop_affine_maxout fit together, but for the values of which and its memory."""
    return (
        t >= 0 and t == reals(dY, X) and t == reals(W, dW) and t == real(db) and is_2d(X) and np.PyArray_NDIM(W) == 3
        and dim(X, 1) == dim(W, 2) and same_shape(W, dW) and has_shape2(db, dim(W, 0), dim(W, 1))
        and has_shape2(dY, dim(X, 0), dim(W, 0)) and plain(dW) and plain(db) and dim(W, 1) >= 1
        and _apart(dW, db, dY, X, W) and integral(which) and same_shape(which, dY)
    )


class NativeGemm(Ops):
    """Matrix products, dense layers, dense layers with maxout."""

    def gemm(self, x, y, out=None, trans1=False, trans2=False, *, accumulate=False):
        cdef int t = reals(x, y)
        cdef bint flip1, flip2, add
        cdef size_t ldx, ldy, M, N, inner
        if not self.use_blis:
            return _dot(self, x, y, out, trans1, trans2, accumulate)
        if _flag(trans1) < 0 or _flag(trans2) < 0 or _flag(accumulate) < 0:
            return Ops.gemm(self, x, y, out, trans1, trans2, accumulate=accumulate)
        flip1, flip2, add = trans1, trans2, accumulate
        if t < 0 or not is_2d(x) or not is_2d(y) or dim(x, not flip1) != dim(y, flip2):
            return Ops.gemm(self, x, y, out, trans1, trans2, accumulate=accumulate)
        M, N, inner = dim(x, flip1), dim(y, not flip2), dim(x, not flip1)
        if (out is None and add) or (out is not None and not (real(out) == t and has_shape2(out, M, N) and plain(out))):
            return Ops.gemm(self, x, y, out, trans1, trans2, accumulate=accumulate)
        if out is not None and (overlap(out, x) or overlap(out, y)):
            return Ops.gemm(self, x, y, out, trans1, trans2, accumulate=accumulate)
        cdef np.ndarray X = _matrix(x, &ldx, &flip1), Y = _matrix(y, &ldy, &flip2)
        cdef np.ndarray Z = empty2(M, N, t) if out is None else out
        state = release(M * N * inner)
        if t == np.NPY_FLOAT:
            K.f32.gemm(f32(Z), f32(X), f32(Y), M, N, inner, ldx, ldy, N, flip1, flip2, add)
        else:
            K.f64.gemm(f64(Z), f64(X), f64(Y), M, N, inner, ldx, ldy, N, flip1, flip2, add)
        acquire(state)
        return Z

    def affine(self, X, W, b, *, out=None):
        return _affine(self, "affine", K.f32.affine, K.f64.affine, X, W, b, out)

    def affine_softmax(self, X, W, b, temperature=1.0, *, out=None):
        cdef int t = real(X)
        cdef double scale = 1
        if (
            not _fits_affine(X, W, b, t) or not _number(temperature, &scale) or not fits2(out, dim(X, 0), dim(W, 0), t)
            or (out is not None and not apart(out, (X, W, b)))
        ):
            return Ops.affine_softmax(self, X, W, b, temperature, out=out)
        return self.softmax(self.affine(X, W, b, out=out), inplace=True, temperature=scale)

    def affine_relu(self, X, W, b, *, out=None):
        return _affine(self, "affine_relu", K.f32.affine_relu, K.f64.affine_relu, X, W, b, out)

    def backprop_affine(self, dY, X, W, dW, db, *, out=None):
        cdef int t = reals(dY, X)
        if (
            t < 0 or t != reals(W, dW) or t != real(db) or not is_2d(X) or not is_2d(W) or not same_shape(W, dW)
            or dim(X, 1) != dim(W, 1) or not has_shape2(dY, dim(X, 0), dim(W, 0)) or not has_shape1(db, dim(W, 0))
            or not (plain(dW) and plain(db)) or not _apart(dW, db, dY, X, W)
            or (out is not None and not (fits_like(out, X) and apart(out, (dY, X, W, dW, db))))
        ):
            return Ops.backprop_affine(self, dY, X, W, dW, db, out=out)
        cdef np.ndarray dy = contig(dY), x = contig(X), w = contig(W), dX = target_like(out, X)
        cdef size_t B = dim(X, 0), I = dim(X, 1), O = dim(W, 0)
        state = release(B * I * O)
        if t == np.NPY_FLOAT:
            K.f32.backprop_affine(f32(dX), f32(dW), f32(db), f32(dy), f32(x), f32(w), B, O, I)
        else:
            K.f64.backprop_affine(f64(dX), f64(dW), f64(db), f64(dy), f64(x), f64(w), B, O, I)
        acquire(state)
        return dX

    def affine_activation(self, X, W, b, activation, keep=True, *, out=None):
        cdef int t = real(X)
        cdef map_f32 kernel32 = NULL
        cdef map_f64 kernel64 = NULL
        cdef tuple outs = _outs(out, 2)
        if (
            not _fits_affine(X, W, b, t) or _flag(keep) < 0 or type(activation) is not str
            or not _activation(activation, &kernel32, &kernel64)
            or outs is None
            or not fits2(outs[0], dim(X, 0), dim(W, 0), t) or not fits2(outs[1], dim(X, 0), dim(W, 0), t)
            or (out is not None and not (all_apart(outs, (X, W, b)) and (keep or _only_first(outs))))
        ):
            return Ops.affine_activation(self, X, W, b, activation, keep, out=out)
        cdef size_t ldx = 0
        cdef np.ndarray x = _rows(X, &ldx), w = contig(W), shift = contig(b)
        cdef size_t B = dim(X, 0), O = dim(W, 0), I = dim(W, 1)
        cdef np.ndarray Y = target2(outs[0], B, O, t), Z = target2(outs[1], B, O, t) if keep else Y
        state = release(B * O * I)
        if t == np.NPY_FLOAT:
            K.f32.affine_map(f32(Y), f32(Z), f32(x), f32(w), f32(shift), B, O, I, ldx, kernel32)
        else:
            K.f64.affine_map(f64(Y), f64(Z), f64(x), f64(w), f64(shift), B, O, I, ldx, kernel64)
        acquire(state)
        return Y, Z if keep else None

    def affine_maxout_layernorm(self, X, W, b, G, shift, eps=1e-8, keep=True, drop=0.0, seed=0, plus=None, *, out=None):
        cdef int t = real(X)
        cdef double least = 0, share = 0
        cdef uint64_t key = 0
        cdef tuple outs = _outs(out, 5)
        if (
            not _number(eps, &least) or _flag(keep) < 0 or not _fits_affine_maxout(X, W, b, t) or reals(G, shift) != t
            or not has_shape1(G, dim(W, 0)) or not has_shape1(shift, dim(W, 0))
            or outs is None or not _fits_maxout_layernorm(outs, dim(X, 0), dim(W, 0), t)
            or not (_number(drop, &share) and _dropout_key(seed, &key) and share < 1)
            or not (plus is None or (real(plus) == t and has_shape2(plus, dim(X, 0), dim(W, 0))))
            or (out is not None and not (
                all_apart(outs, (X, W, b, G, shift, X if plus is None else plus)) and (keep or _only_first(outs))
            ))
        ):
            return Ops.affine_maxout_layernorm(self, X, W, b, G, shift, eps, keep, drop, seed, plus, out=out)
        cdef size_t ldx = 0
        cdef np.ndarray x = _rows(X, &ldx), w = contig(W), bias = contig(b), scale = contig(G), offset = contig(shift)
        cdef size_t B = dim(X, 0), O = dim(W, 0), P = dim(W, 1), I = dim(W, 2)
        cdef np.ndarray Y = target2(outs[0], B, O, t), best = target2(outs[1], B, O, t) if keep else Y
        cdef np.ndarray which = target2(outs[2], B, O, np.NPY_INT32), mu = target1(outs[3], B, t)
        cdef np.ndarray rstd = target1(outs[4], B, t)
        state = release(B * O * P * I)
        if t == np.NPY_FLOAT:
            K.f32.affine_maxout_layernorm(
                f32(Y), f32(best), i32(which), f32(mu), f32(rstd), f32(x), f32(w), f32(bias), f32(scale), f32(offset),
                B, O, P, I, ldx, <float>least
            )
        else:
            K.f64.affine_maxout_layernorm(
                f64(Y), f64(best), i32(which), f64(mu), f64(rstd), f64(x), f64(w), f64(bias), f64(scale), f64(offset),
                B, O, P, I, ldx, least
            )
        acquire(state)
        if share > 0:
            self.dropout(Y, share, seed, inplace=True)
        if plus is not None:
            Y += plus
        return (Y, best, which, mu, rstd) if keep else (Y, None, None, None, None)

    def backprop_affine_maxout_layernorm(
        self, dY, best, which, mu, rstd, X, W, G, dW, db, dG, dshift, drop=0.0, seed=0, *, out=None
    ):
        cdef int t = reals(dY, best)
        cdef double share = 0
        cdef uint64_t key = 0
        if (
            t < 0 or not _fits_backprop_maxout(dY, which, X, W, dW, db, t)
            or not (_number(drop, &share) and _dropout_key(seed, &key) and share < 1) or not same_shape(dY, best)
            or reals(mu, rstd) != t or real(G) != t
            or reals(dG, dshift) != t or not (has_shape1(mu, dim(X, 0)) and has_shape1(rstd, dim(X, 0)))
            or not (has_shape1(G, dim(W, 0)) and has_shape1(dG, dim(W, 0)) and has_shape1(dshift, dim(W, 0)))
            or not (plain(dG) and plain(dshift))
            or not all_apart((dG, dshift, dW, db), (dY, best, which, mu, rstd, X, W, G))
            or (out is not None and not (fits_like(out, X) and apart(out, (
                dY, best, which, mu, rstd, X, W, G, dW, db, dG, dshift
            ))))
        ):
            return Ops.backprop_affine_maxout_layernorm(
                self, dY, best, which, mu, rstd, X, W, G, dW, db, dG, dshift, drop, seed, out=out
            )
        chosen = _indices(which, dim(W, 1))
        if chosen is None:
            return Ops.backprop_affine_maxout_layernorm(
                self, dY, best, which, mu, rstd, X, W, G, dW, db, dG, dshift, drop, seed, out=out
            )
        dy = self.dropout(dY, share, seed) if share > 0 else dY
        d_best = self.backprop_layernorm(dy, best, G, mu, rstd, dG, dshift)
        return self.backprop_affine_maxout(d_best, chosen, X, W, dW, db, out=out)

    def affine_maxout(self, X, W, b, *, out=None):
        cdef int t = real(X)
        cdef tuple outs = _outs(out, 2)
        if (
            not _fits_affine_maxout(X, W, b, t) or outs is None or not fits2(outs[0], dim(X, 0), dim(W, 0), t)
            or not fits2(outs[1], dim(X, 0), dim(W, 0), np.NPY_INT32)
            or (out is not None and not all_apart(outs, (X, W, b)))
        ):
            return Ops.affine_maxout(self, X, W, b, out=out)
        cdef size_t ldx = 0
        cdef np.ndarray x = _rows(X, &ldx), w = contig(W), shift = contig(b)
        cdef size_t B = dim(X, 0), O = dim(W, 0), P = dim(W, 1), I = dim(W, 2)
        cdef np.ndarray best = target2(outs[0], B, O, t), which = target2(outs[1], B, O, np.NPY_INT32)
        state = release(B * O * P * I)
        if t == np.NPY_FLOAT:
            K.f32.affine_maxout(f32(best), i32(which), f32(x), f32(w), f32(shift), B, O, P, I, ldx)
        else:
            K.f64.affine_maxout(f64(best), i32(which), f64(x), f64(w), f64(shift), B, O, P, I, ldx)
        acquire(state)
        return best, which

    def backprop_affine_maxout(self, dY, which, X, W, dW, db, *, out=None):
        cdef int t = real(dY)
        if not _fits_backprop_maxout(dY, which, X, W, dW, db, t):
            return Ops.backprop_affine_maxout(self, dY, which, X, W, dW, db, out=out)
        cdef np.ndarray chosen = _indices(which, dim(W, 1))
        if (
            chosen is None or not same_shape(chosen, dY) or overlap(dW, chosen) or overlap(db, chosen)
            or (out is not None and not (fits_like(out, X) and apart(out, (dY, chosen, X, W, dW, db))))
        ):
            return Ops.backprop_affine_maxout(self, dY, which, X, W, dW, db, out=out)
        cdef size_t B = dim(X, 0), O = dim(W, 0), P = dim(W, 1), I = dim(W, 2), ldx = 0
        cdef np.ndarray dy = contig(dY), x = _rows(X, &ldx), w = contig(W), dX = target2(out, B, I, t)
        state = release(B * O * P * I)
        if t == np.NPY_FLOAT:
            K.f32.backprop_affine_maxout(
                f32(dX), f32(dW), f32(db), f32(dy), i32(chosen), f32(x), f32(w), B, O, P, I, ldx
            )
        else:
            K.f64.backprop_affine_maxout(
                f64(dX), f64(dW), f64(db), f64(dy), i32(chosen), f64(x), f64(w), B, O, P, I, ldx
            )
        acquire(state)
        return dX
