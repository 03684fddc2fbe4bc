# Softmax, layer norm and RMS norm, part of numpy_ops.pyx.
cdef inline bint _any_axis(X, axis) except -1:
    cdef int ndim = np.PyArray_NDIM(X)
    return type(axis) is int and -ndim <= axis < ndim  # True == 1, but is no axis


cdef inline bint _last_axis(X, axis) except -1:
    return axis == -1 or axis == np.PyArray_NDIM(X) - 1


cdef object _on_last_axis(X, int axis):
    """The same values with `axis` last, in C order: what the kernels work along."""
    return numpy.ascontiguousarray(numpy.moveaxis(X, axis, -1))


cdef object _back_from_last_axis(Y, int axis):
    return numpy.ascontiguousarray(numpy.moveaxis(Y, -1, axis))


cdef np.ndarray _label_flags(labels, negated, missing, np.npy_intp O):
    """For each label 1 if it is missing, 2 if it is negated, else 0; None when another is not in [0, O)."""
    cdef np.ndarray flags = numpy.zeros(len(labels), dtype="uint8")
    cdef object found
    if negated is not None:
        flags[numpy.not_equal(negated, 0)] = 2
    if missing is not None:
        found = labels == missing
        flags[found] = 1
        labels = labels[~found]
    if len(labels) and (labels.min() < 0 or labels.max() >= O):
        return None
    return flags


class NativeSoftmax(Ops):
    """What normalises rows, or the columns of sequences."""

    def softmax(self, x, *, inplace=False, axis=-1, temperature=1.0, out=None):
        cdef int t = real(x)
        cdef int into = _flag(inplace)
        cdef double scale = 1
        if t >= 0 and not (_number(temperature, &scale) and _any_axis(x, axis)):
            t = -1
        if (
            t < 0 or into < 0 or (into and not changeable(x))
            or (out is not None and not (_takes(out, into, x) and _last_axis(x, axis)))
        ):
            return Ops.softmax(self, x, inplace=inplace, axis=axis, temperature=temperature, out=out)
        if not _last_axis(x, axis):
            result = _back_from_last_axis(self.softmax(_on_last_axis(x, axis), temperature=temperature), axis)
            return _settled(result, x) if into else result
        cdef np.ndarray X = contig(x)
        cdef np.ndarray Y = X if into else target_like(out, X)
        cdef size_t O = dim(X, np.PyArray_NDIM(X) - 1), B = size(X) // O if O else 0
        state = release(size(X))
        if B == 0:
            pass
        elif t == np.NPY_FLOAT:
            K.f32.softmax(f32(Y), f32(X), B, O, <float>scale)
        else:
            K.f64.softmax(f64(Y), f64(X), B, O, scale)
        acquire(state)
        return _settled(Y, x) if into else Y

    def backprop_softmax(self, Y, dY, *, axis=-1, temperature=1.0, out=None):
        cdef int t = reals(Y, dY)
        cdef double scale = 1
        if (
            t < 0 or not _number(temperature, &scale) or not same_shape(Y, dY) or not _any_axis(Y, axis)
            or (out is not None and not (fits_like(out, Y) and apart(out, (Y, dY)) and _last_axis(Y, axis)))
        ):
            return Ops.backprop_softmax(self, Y, dY, axis=axis, temperature=temperature, out=out)
        if not _last_axis(Y, axis):
            dX = self.backprop_softmax(_on_last_axis(Y, axis), _on_last_axis(dY, axis), temperature=temperature)
            return _back_from_last_axis(dX, axis)
        cdef np.ndarray y = contig(Y), dy = contig(dY), dx = target_like(out, Y)
        cdef size_t O = dim(y, np.PyArray_NDIM(y) - 1), B = size(y) // O if O else 0
        state = release(size(y))
        if t == np.NPY_FLOAT:
            K.f32.backprop_softmax(f32(dx), f32(dy), f32(y), B, O, <float>scale)
        else:
            K.f64.backprop_softmax(f64(dx), f64(dy), f64(y), B, O, scale)
        acquire(state)
        return dx

    def crossentropy_gradient(
        self, guesses, labels, *, negated=None, missing=None, smoothing=0.0, divisor=1.0, out=None
    ):
        cdef int t = real(guesses)
        cdef double shared = 0, over_rows = 1
        cdef np.ndarray flags = None
        cdef size_t wrong = 0
        if (
            t >= 0 and is_2d(guesses) and integral(labels) and has_shape1(labels, dim(guesses, 0))
            and (negated is None or (integral(negated) and has_shape1(negated, dim(guesses, 0))))
            and (missing is None or type(missing) is int)
            and _number(smoothing, &shared) and _number(divisor, &over_rows)
            and (out is None or (fits_like(out, guesses) and apart(out, (guesses, labels))))
        ):
            flags = _label_flags(labels, negated, missing, dim(guesses, 1))
        if flags is None:
            return Ops.crossentropy_gradient(
                self, guesses, labels, negated=negated, missing=missing, smoothing=smoothing, divisor=divisor, out=out
            )
        cdef np.ndarray Y = contig(guesses), chosen = cast(labels, np.NPY_INT32), dY = target_like(out, Y)
        cdef size_t B = dim(Y, 0), O = dim(Y, 1)
        cdef double off = shared / (O - 1) if O > 1 else shared
        state = release(size(Y))
        if t == np.NPY_FLOAT:
            K.f32.crossentropy_gradient(
                f32(dY), &wrong, f32(Y), i32(chosen), <uint8_t*>np.PyArray_DATA(flags), B, O, <float>(1 - shared),
                <float>off, <float>over_rows
            )
        else:
            K.f64.crossentropy_gradient(
                f64(dY), &wrong, f64(Y), i32(chosen), <uint8_t*>np.PyArray_DATA(flags), B, O, 1 - shared, off, over_rows
            )
        acquire(state)
        if wrong:
            return Ops.crossentropy_gradient(self, guesses, labels, negated=negated, missing=missing)  # which says so
        return dY

    def softmax_sequences(self, Xs, lengths, *, inplace=False, axis=-1, out=None):
        cdef int64_t total = 0
        cdef int t = real(Xs)
        cdef int into = _flag(inplace)
        cdef np.ndarray rows = lengths_of(lengths, 0, &total)
        if (
            t < 0 or rows is None or not is_2d(Xs) or total != dim(Xs, 0)
            or into < 0 or (into and (not changeable(Xs) or overlap(Xs, rows)))
            or (out is not None and not (_takes(out, into, Xs) and apart(out, (rows,))))
        ):
            return Ops.softmax_sequences(self, Xs, lengths, inplace=inplace, axis=axis, out=out)
        cdef np.ndarray X = contig(Xs)
        cdef np.ndarray Y = X if into else target_like(out, X)
        state = release(size(X))
        if t == np.NPY_FLOAT:
            K.f32.softmax_sequences(f32(Y), f32(X), i32(rows), size(rows), dim(X, 1))
        else:
            K.f64.softmax_sequences(f64(Y), f64(X), i32(rows), size(rows), dim(X, 1))
        acquire(state)
        return _settled(Y, Xs) if into else Y

    def backprop_softmax_sequences(self, dY, Y, lengths, *, out=None):
        cdef int64_t total = 0
        cdef int t = reals(dY, Y)
        cdef np.ndarray rows = lengths_of(lengths, 0, &total)
        if (
            t < 0 or rows is None or not is_2d(dY) or not same_shape(dY, Y) or total != dim(dY, 0)
            or (out is not None and not (fits_like(out, dY) and apart(out, (dY, Y, rows))))
        ):
            return Ops.backprop_softmax_sequences(self, dY, Y, lengths, out=out)
        cdef np.ndarray dy = contig(dY), y = contig(Y), dX = target_like(out, dY)
        state = release(size(dy))
        if t == np.NPY_FLOAT:
            K.f32.backprop_softmax_sequences(f32(dX), f32(dy), f32(y), i32(rows), size(rows), dim(dy, 1))
        else:
            K.f64.backprop_softmax_sequences(f64(dX), f64(dy), f64(y), i32(rows), size(rows), dim(dy, 1))
        acquire(state)
        return dX

    def layernorm(self, X, G, b, eps=1e-8, *, out=None):
        cdef int t = real(X)
        cdef double added = 0
        cdef tuple outs = _outs(out, 3)
        if (
            t < 0 or not _number(eps, &added) or t != reals(G, b) or not is_2d(X)
            or not (has_shape1(G, dim(X, 1)) and has_shape1(b, dim(X, 1))) or outs is None
            or not (fits_like(outs[0], X) and fits1(outs[1], dim(X, 0), t) and fits1(outs[2], dim(X, 0), t))
            or (out is not None and not all_apart(outs, (X, G, b)))
        ):
            return Ops.layernorm(self, X, G, b, eps, out=out)
        cdef np.ndarray x = contig(X), g = contig(G), shift = contig(b)
        cdef np.ndarray Y = target_like(outs[0], X)
        cdef np.ndarray mu = target1(outs[1], dim(X, 0), t), rstd = target1(outs[2], dim(X, 0), t)
        cdef size_t B = dim(X, 0), O = dim(X, 1)
        state = release(size(x))
        if t == np.NPY_FLOAT:
            K.f32.layernorm(f32(Y), f32(mu), f32(rstd), f32(x), f32(g), f32(shift), B, O, <float>added)
        else:
            K.f64.layernorm(f64(Y), f64(mu), f64(rstd), f64(x), f64(g), f64(shift), B, O, added)
        acquire(state)
        return Y, mu, rstd

    def backprop_layernorm(self, dY, X, G, mu, rstd, dG, db, *, out=None):
        cdef int t = reals(dY, X)
        if (
            t < 0 or t != reals(mu, rstd) or t != real(G) or t != reals(dG, db) or not is_2d(X)
            or not same_shape(dY, X) or not (has_shape1(mu, dim(X, 0)) and has_shape1(rstd, dim(X, 0)))
            or not (has_shape1(G, dim(X, 1)) and has_shape1(dG, dim(X, 1)) and has_shape1(db, dim(X, 1)))
            or not (plain(dG) and plain(db)) or overlap(dG, db) or overlap(dG, dY) or overlap(dG, X) or overlap(dG, G)
            or overlap(dG, mu) or overlap(dG, rstd) or overlap(db, dY) or overlap(db, X) or overlap(db, G)
            or overlap(db, mu) or overlap(db, rstd)
            or (out is not None and not (fits_like(out, X) and apart(out, (dY, X, G, mu, rstd, dG, db))))
        ):
            return Ops.backprop_layernorm(self, dY, X, G, mu, rstd, dG, db, out=out)
        cdef np.ndarray dy = contig(dY), x = contig(X), g = contig(G), m = contig(mu), r = contig(rstd)
        cdef np.ndarray dX = target_like(out, X)
        cdef size_t B = dim(X, 0), O = dim(X, 1)
        state = release(size(x))
        if t == np.NPY_FLOAT:
            K.f32.backprop_layernorm(f32(dX), f32(dG), f32(db), f32(dy), f32(x), f32(g), f32(m), f32(r), B, O)
        else:
            K.f64.backprop_layernorm(f64(dX), f64(dG), f64(db), f64(dy), f64(x), f64(g), f64(m), f64(r), B, O)
        acquire(state)
        return dX

    def rmsnorm(self, X, G, eps=1e-6, *, out=None):
        cdef int t = reals(X, G)
        cdef double added = 0
        cdef tuple outs = _outs(out, 2)
        if (
            t < 0 or not _number(eps, &added) or not is_2d(X) or not has_shape1(G, dim(X, 1)) or outs is None
            or not (fits_like(outs[0], X) and fits1(outs[1], dim(X, 0), t))
            or (out is not None and not all_apart(outs, (X, G)))
        ):
            return Ops.rmsnorm(self, X, G, eps, out=out)
        cdef np.ndarray x = contig(X), g = contig(G), Y = target_like(outs[0], X), rstd = target1(outs[1], dim(X, 0), t)
        state = release(size(x))
        if t == np.NPY_FLOAT:
            K.f32.rmsnorm(f32(Y), f32(rstd), f32(x), f32(g), dim(x, 0), dim(x, 1), <float>added)
        else:
            K.f64.rmsnorm(f64(Y), f64(rstd), f64(x), f64(g), dim(x, 0), dim(x, 1), added)
        acquire(state)
        return Y, rstd

    def backprop_rmsnorm(self, dY, X, G, rstd, dG, *, out=None):
        cdef int t = reals(dY, X)
        if (
            t < 0 or t != reals(G, dG) or t != real(rstd) or not is_2d(X) or not same_shape(dY, X)
            or not (has_shape1(rstd, dim(X, 0)) and has_shape1(G, dim(X, 1)) and has_shape1(dG, dim(X, 1)))
            or not plain(dG) or not apart(dG, (dY, X, G, rstd))
            or (out is not None and not (fits_like(out, X) and apart(out, (dY, X, G, rstd, dG))))
        ):
            return Ops.backprop_rmsnorm(self, dY, X, G, rstd, dG, out=out)
        cdef np.ndarray dy = contig(dY), x = contig(X), g = contig(G), r = contig(rstd), dX = target_like(out, X)
        state = release(size(x))
        if t == np.NPY_FLOAT:
            K.f32.backprop_rmsnorm(f32(dX), f32(dG), f32(dy), f32(x), f32(g), f32(r), dim(x, 0), dim(x, 1))
        else:
            K.f64.backprop_rmsnorm(f64(dX), f64(dG), f64(dy), f64(x), f64(g), f64(r), dim(x, 0), dim(x, 1))
        acquire(state)
        return dX
