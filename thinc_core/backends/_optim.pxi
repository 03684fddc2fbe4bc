# What training does besides the layers, part of numpy_ops.pyx.
from libc.stdlib cimport qsort

from .reference.optim import StepRates, average_rate

cdef enum:
    ARRAYS = 5  # of a parameter: weights, gradient, mom1, mom2, average
    MARKS = 2  # reached, touched
    RATES = 11

ctypedef struct Range:
    size_t low, high


cdef int _by_low(const void* x, const void* y) noexcept nogil:
    cdef size_t a = (<const Range*>x).low, b = (<const Range*>y).low
    return (a > b) - (a < b)


cdef class _StepTable:
    """The parameters of apply_gradients as the kernel wants them."""
    cdef readonly np.ndarray pointers, marks, starts, rates, squares
    cdef np.ndarray ranges
    cdef readonly int dtype
    cdef size_t taken

    def __init__(self, size_t n):
        self.dtype, self.taken = -1, 0
        self.pointers, self.starts = empty2(n, ARRAYS, np.NPY_INTP), empty1(n + 1, np.NPY_INTP)
        self.marks = empty2(n, MARKS, np.NPY_INTP)
        self.rates, self.squares = empty2(n, RATES, np.NPY_DOUBLE), empty1(n, np.NPY_DOUBLE)
        self.ranges = empty2(ARRAYS * n, 2, np.NPY_INTP)
        (<size_t*>np.PyArray_DATA(self.starts))[0] = 0

    cdef bint put(self, size_t i, weights, gradient, mom1, mom2, average) except -1:
        """Whether the arrays of parameter i fit: of one dtype for all, in C order; what is None is left out."""
        cdef size_t* starts = <size_t*>np.PyArray_DATA(self.starts)
        cdef void** pointers = <void**>np.PyArray_DATA(self.pointers) + i * ARRAYS
        if self.dtype < 0:
            self.dtype = real(weights)
        if self.dtype < 0 or real(weights) != self.dtype or gradient is None or (mom1 is None and mom2 is not None):
            return False
        starts[i + 1] = starts[i] + size(weights)
        return (
            self.take(&pointers[0], weights, weights, False) and self.take(&pointers[1], gradient, weights, False)
            and self.take(&pointers[2], mom1, weights, True) and self.take(&pointers[3], mom2, weights, True)
            and self.take(&pointers[4], average, weights, False)
        )

    cdef bint mark(self, size_t i, weights, reached, touched) noexcept:
        """Whether these are bits for the lines of a parameter, or None."""
        cdef uint8_t** marks = <uint8_t**>np.PyArray_DATA(self.marks) + i * MARKS
        marks[0], marks[1] = lines_of(reached), lines_of(touched)
        return fits_lines(reached, weights) and fits_lines(touched, weights)

    cdef bint take(self, void** pointer, X, weights, bint flat) except -1:
        cdef Range* ranges = <Range*>np.PyArray_DATA(self.ranges)
        pointer[0] = NULL
        if X is None:
            return True
        if real(X) != self.dtype or not plain(X):
            return False
        if not (has_shape1(X, size(weights)) if flat else same_shape(X, weights)):
            return False
        pointer[0] = np.PyArray_DATA(<np.ndarray>X)
        ranges[self.taken].low = <size_t>pointer[0]
        ranges[self.taken].high = <size_t>pointer[0] + np.PyArray_NBYTES(<np.ndarray>X)
        self.taken += 1
        return True

    cdef bint rate(self, size_t i, rates, before) except -1:
        """Whether these are rates, of which most parameters share one tuple."""
        cdef double* row = <double*>np.PyArray_DATA(self.rates) + i * RATES
        cdef Py_ssize_t k
        if rates is before:
            for k in range(RATES):
                row[k] = row[k - RATES]
            return True
        if type(rates) is not StepRates or not (_number(rates.t, &row[0]) and _number(rates.ema_decay, &row[1])):
            return False
        given = (
            rates.beta1, rates.beta2, rates.eps, rates.learn_rate, rates.momentum_rate, rates.grad_clip,
            rates.penalty, rates.decay, rates.share, rates.by_sign, rates.average_rate,
        )
        for k in range(RATES):
            if not _number(given[k], &row[k]):
                return False
        return True

    cdef bint unshared(self) noexcept:
        """Whether no array shares memory with another: threads take them in any order."""
        cdef Range* ranges = <Range*>np.PyArray_DATA(self.ranges)
        cdef Py_ssize_t i, n = self.taken
        qsort(ranges, self.taken, sizeof(Range), &_by_low)
        for i in range(1, n):
            if ranges[i].low < ranges[i - 1].high:
                return False
        return True


cdef bint fits_lines(lines, X) noexcept:
    """Whether it has a bit for each line of 64 values of X, or is None."""
    return lines is None or (
        np.PyArray_CheckExact(lines) and np.PyArray_TYPE(<np.ndarray>lines) == np.NPY_UINT8
        and has_shape1(lines, (size(X) + 511) // 512) and plain(lines)
    )


cdef uint8_t* lines_of(lines) noexcept:
    if lines is None:
        return NULL
    return <uint8_t*>np.PyArray_DATA(<np.ndarray>lines)


cdef _StepTable _step_table(tuple lists, reached, touched):
    """The table for lists of arrays and rates, and marks if there are any; None when a kernel cannot take them."""
    cdef Py_ssize_t i, n = -1
    for each in lists + tuple([marks for marks in (reached, touched) if marks is not None]):
        if type(each) is not list and type(each) is not tuple or n >= 0 and n != len(each):
            return None
        n = len(each)
    weights, gradients, mom1, mom2, averages, rates = lists
    cdef _StepTable table = _StepTable(n)
    before = None
    for i in range(n):
        if not table.put(i, weights[i], gradients[i], mom1[i], mom2[i], averages[i]):
            return None
        if not table.rate(i, rates[i], before):
            return None
        before = rates[i]
        if not table.mark(i, weights[i], reached and reached[i], touched and touched[i]):
            return None
    return table if table.unshared() else None


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

    def apply_gradients(
        self, weights, gradients, mom1, mom2, averages, rates, unscale=1.0, found_inf=None, *, reached=None,
        touched=None
    ):
        cdef double factor = 0
        cdef _StepTable table = None
        if _number(unscale, &factor) and fits1(found_inf, 1, np.NPY_INT32):
            table = _step_table((weights, gradients, mom1, mom2, averages, rates), reached, touched)
        if table is None:
            return Ops.apply_gradients(
                self, weights, gradients, mom1, mom2, averages, rates, unscale, found_inf, reached=reached,
                touched=touched
            )
        cdef size_t* starts = <size_t*>np.PyArray_DATA(table.starts)
        cdef void* arrays = np.PyArray_DATA(table.pointers)
        cdef uint8_t** marks = <uint8_t**>np.PyArray_DATA(table.marks)
        cdef double* steps = f64(table.rates)
        cdef size_t n = size(table.squares)
        cdef int32_t* found = NULL
        if found_inf is not None:
            found = i32(found_inf)
        state = release(starts[n])
        if table.dtype == np.NPY_FLOAT:
            K.f32.apply_gradients(<float**>arrays, marks, starts, steps, f64(table.squares), n, factor, found)
        else:
            K.f64.apply_gradients(<double**>arrays, marks, starts, steps, f64(table.squares), n, factor, found)
        acquire(state)

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
        step = average_rate(step, most)
        state = release(size(source))
        if kind == np.NPY_FLOAT:
            K.f32.update_averages(f32(ema), f32(source), size(source), <float>step)
        else:
            K.f64.update_averages(f64(ema), f64(source), size(source), step)
        acquire(state)
