# cython: language_level=3, binding=True
"""NumpyOps: validate, pick float32 or float64, call the kernel table.

A method that finds its arguments unfit for a kernel (another dtype, a wrong shape, an index out of range) hands them to
the reference, which computes what is computable and raises what must be raised.
"""
cimport numpy as np
from libc.math cimport sqrt
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from ._arrays cimport (
    acquire, cast, contig, dim, empty1, empty2, empty3, empty_like, f32, f64, has_shape1, has_shape2, i32, integral,
    is_2d, lengths_of, narrow, plain, real, reals, release, same_shape, size,
)
from .cblas cimport use_kernels
from .kernels cimport KernelTable, supported_tables

import importlib.util
import os

import numpy

from . import cblas as _cblas, checks
from .ops import Ops

np.import_array()

cdef const KernelTable* TABLES[8]
cdef size_t N_TABLES = supported_tables(TABLES, 8)
cdef const KernelTable* K = <const KernelTable*>use_kernels(TABLES[0])


def supported_isas():
    """Names of the instruction sets this machine can run, best first."""
    return [TABLES[i].isa.decode("ascii") for i in range(N_TABLES)]


def active_isa():
    """Name of the instruction set whose kernels run now."""
    return K.isa.decode("ascii")


def set_isa(name):
    """Make the kernels of one instruction set run from now on.

    RAISES: ValueError when the name is unknown or this machine cannot run it.
    """
    _choose_isa(name, "set_isa: name")


def _choose_isa(name, what):
    names = supported_isas()
    if name not in names:
        raise ValueError(f"{what} must be one of {names}, which this machine supports; got {name!r}")
    use_kernels(TABLES[names.index(name)])


if os.environ.get("THINC_CORE_ISA"):
    _choose_isa(os.environ["THINC_CORE_ISA"], "THINC_CORE_ISA: it")

ctypedef void (*map_f32)(float*, const float*, size_t) noexcept nogil
ctypedef void (*map_f64)(double*, const double*, size_t) noexcept nogil
ctypedef void (*grad_f32)(float*, const float*, const float*, size_t) noexcept nogil
ctypedef void (*grad_f64)(double*, const double*, const double*, size_t) noexcept nogil
ctypedef void (*affine_f32)(
    float*, const float*, const float*, const float*, size_t, size_t, size_t, size_t
) noexcept nogil
ctypedef void (*affine_f64)(
    double*, const double*, const double*, const double*, size_t, size_t, size_t, size_t
) noexcept nogil
ctypedef void (*ragged_f32)(float*, const float*, const int32_t*, size_t, size_t) noexcept nogil
ctypedef void (*ragged_f64)(double*, const double*, const int32_t*, size_t, size_t) noexcept nogil


cdef object _map(ops, str name, map_f32 kernel32, map_f64 kernel64, X, bint inplace):
    """Y = f(X), elementwise."""
    cdef int t = real(X)
    if t < 0 or (inplace and not np.PyArray_ISWRITEABLE(X)):
        return getattr(Ops, name)(ops, X, inplace=inplace)
    cdef np.ndarray x = contig(X)
    cdef np.ndarray y = x if inplace else empty_like(x)
    state = release(size(x))
    if t == np.NPY_FLOAT:
        kernel32(f32(y), f32(x), size(x))
    else:
        kernel64(f64(y), f64(x), size(x))
    acquire(state)
    return _settled(y, X) if inplace else y


cdef object _map_grad(ops, str name, grad_f32 kernel32, grad_f64 kernel64, dY, X, bint inplace):
    """dX = dY * f'(X), elementwise; into dY when inplace."""
    cdef int t = reals(dY, X)
    if t < 0 or not same_shape(dY, X) or (inplace and not np.PyArray_ISWRITEABLE(dY)):
        return getattr(Ops, name)(ops, dY, X, inplace=inplace)
    cdef np.ndarray dy = contig(dY), x = contig(X)
    cdef np.ndarray dx = dy if inplace else empty_like(dy)
    state = release(size(x))
    if t == np.NPY_FLOAT:
        kernel32(f32(dx), f32(dy), f32(x), size(x))
    else:
        kernel64(f64(dx), f64(dy), f64(x), size(x))
    acquire(state)
    return _settled(dx, dY) if inplace else dx


cdef object _settled(np.ndarray result, target):
    """target, with the result in it: they differ when target was not in C order."""
    if result is not target:
        target[...] = result
    return target


cdef object _reduce(ops, str name, ragged_f32 kernel32, ragged_f64 kernel64, X, lengths):
    """One row for each sequence of rows."""
    cdef int64_t total
    cdef int t = real(X)
    cdef np.ndarray rows = lengths_of(lengths, 0, &total)
    if t < 0 or rows is None or not is_2d(X) or total != dim(X, 0):
        return getattr(Ops, name)(ops, X, lengths)
    cdef np.ndarray x = contig(X), y = empty2(size(rows), dim(X, 1), t)
    state = release(size(x))
    if t == np.NPY_FLOAT:
        kernel32(f32(y), f32(x), i32(rows), size(rows), dim(x, 1))
    else:
        kernel64(f64(y), f64(x), i32(rows), size(rows), dim(x, 1))
    acquire(state)
    return y


cdef object _spread(ops, str name, ragged_f32 kernel32, ragged_f64 kernel64, dY, lengths):
    """The rows of each sequence from one row: backward of _reduce."""
    cdef int64_t total
    cdef int t = real(dY)
    cdef np.ndarray rows = lengths_of(lengths, 0, &total)
    if t < 0 or rows is None or not is_2d(dY) or <np.npy_intp>size(rows) != dim(dY, 0):
        return getattr(Ops, name)(ops, dY, lengths)
    cdef np.ndarray dy = contig(dY), dx = empty2(total, dim(dY, 1), t)
    state = release(size(dx))
    if t == np.NPY_FLOAT:
        kernel32(f32(dx), f32(dy), i32(rows), size(rows), dim(dy, 1))
    else:
        kernel64(f64(dx), f64(dy), i32(rows), size(rows), dim(dy, 1))
    acquire(state)
    return dx


cdef np.ndarray _one_length(np.npy_intp T):
    """Lengths that say: one sequence of T rows."""
    cdef np.ndarray rows = empty1(1, np.NPY_INT32)
    i32(rows)[0] = <int32_t>T
    return rows


cdef np.ndarray _indices(values, np.npy_intp limit):
    """Integers in [0, limit) as int32; None when they are not."""
    cdef uint32_t largest = 0
    if not integral(values) or limit > 0x7FFFFFFF:
        return None
    cdef np.ndarray indices = narrow(values)
    K.common.largest_index(&largest, <uint32_t*>i32(indices), size(indices))
    return indices if largest < limit or size(indices) == 0 else None


cdef np.npy_intp _count(value):
    """A window or a number of pieces; -1 when it is no integer or so large that a product of it might wrap round."""
    try:
        return value if 0 <= value <= 0x7FFFFFFF else -1
    except (TypeError, ValueError):
        return -1


cdef inline bint _overlap(X, Y) noexcept:
    """Whether the memory from the first to the last element of two arrays has a part in common."""
    cdef char* x_low
    cdef char* x_high
    cdef char* y_low
    cdef char* y_high
    _extent(X, &x_low, &x_high)
    _extent(Y, &y_low, &y_high)
    return x_low < y_high and y_low < x_high


cdef inline void _extent(X, char** low, char** high) noexcept:
    cdef np.npy_intp axis, step
    low[0] = high[0] = <char*>np.PyArray_DATA(<np.ndarray>X)
    if size(X) == 0:
        return
    high[0] += np.PyArray_ITEMSIZE(<np.ndarray>X)
    for axis in range(np.PyArray_NDIM(<np.ndarray>X)):
        step = (dim(X, axis) - 1) * np.PyArray_STRIDE(<np.ndarray>X, axis)
        if step < 0:
            low[0] += step
        else:
            high[0] += step


cdef np.ndarray _keys(ids):
    """1-d integers as uint64; None when they are not."""
    if not integral(ids) or np.PyArray_NDIM(ids) != 1:
        return None
    return cast(ids, np.NPY_UINT64)


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


cdef object _affine(ops, str name, affine_f32 kernel32, affine_f64 kernel64, X, W, b):
    """Y = f(X W^T + b)."""
    cdef int t = reals(X, W)
    if (
        t < 0 or t != real(b) or not is_2d(X) or not is_2d(W) or dim(X, 1) != dim(W, 1)
        or not has_shape1(b, dim(W, 0))
    ):
        return getattr(Ops, name)(ops, X, W, b)
    cdef np.ndarray x = contig(X), w = contig(W), shift = contig(b)
    cdef size_t B = dim(X, 0), O = dim(W, 0), I = dim(W, 1)
    cdef np.ndarray Y = empty2(B, O, t)
    state = release(B * O * I)
    if t == np.NPY_FLOAT:
        kernel32(f32(Y), f32(x), f32(w), f32(shift), B, O, I, I)
    else:
        kernel64(f64(Y), f64(x), f64(w), f64(shift), B, O, I, I)
    acquire(state)
    return Y


def _dot(ops, x, y, out, trans1, trans2, accumulate):
    """gemm through numpy.dot, which multiplies integers too."""
    if out is not None or accumulate or not (integral(x) and integral(y)):
        return Ops.gemm(ops, x, y, out, trans1, trans2, accumulate=accumulate)
    return numpy.dot(x.T if trans1 else x, y.T if trans2 else y)


class NumpyOps(Ops):
    """CPU backend: native kernels for float32 and float64, the reference for every other dtype.

    use_blis: False makes gemm, though not what is fused to it, go through NumPy. Which library multiplies otherwise is
        the choice of backends.cblas (THINC_CORE_BLAS).
    """
    name = "numpy"
    xp = numpy

    def __init__(self, device_type="cpu", device_id=-1, *, use_blis=True):
        Ops.__init__(self, device_type, device_id)
        self.use_blis = use_blis

    def cblas(self):
        return _cblas.default_cblas()

    # Activations

    def relu(self, X, inplace=False):
        return _map(self, "relu", K.f32.relu, K.f64.relu, X, inplace)

    def backprop_relu(self, dY, Y, inplace=False):
        return _map_grad(self, "backprop_relu", K.f32.backprop_relu, K.f64.backprop_relu, dY, Y, inplace)

    def mish(self, X, threshold=20.0, inplace=False):
        if threshold < 20.0:
            return Ops.mish(self, X, threshold, inplace)
        return _map(self, "mish", K.f32.mish, K.f64.mish, X, inplace)

    def backprop_mish(self, dY, X, threshold=20.0, inplace=False):
        if threshold < 20.0:
            return Ops.backprop_mish(self, dY, X, threshold, inplace)
        return _map_grad(self, "backprop_mish", K.f32.backprop_mish, K.f64.backprop_mish, dY, X, inplace)

    def gelu(self, X, inplace=False):
        return _map(self, "gelu", K.f32.gelu, K.f64.gelu, X, inplace)

    def backprop_gelu(self, dY, X, inplace=False):
        return _map_grad(self, "backprop_gelu", K.f32.backprop_gelu, K.f64.backprop_gelu, dY, X, inplace)

    def gelu_approx(self, X, inplace=False):
        return _map(self, "gelu_approx", K.f32.gelu_approx, K.f64.gelu_approx, X, inplace)

    def backprop_gelu_approx(self, dY, X, inplace=False):
        return _map_grad(
            self, "backprop_gelu_approx", K.f32.backprop_gelu_approx, K.f64.backprop_gelu_approx, dY, X, inplace
        )

    def erf(self, X):
        return Ops.erf(self, X) if real(X) < 0 else _map(self, "erf", K.f32.erf, K.f64.erf, X, False)

    def sigmoid(self, X, *, inplace=False):
        return _map(self, "sigmoid", K.f32.sigmoid, K.f64.sigmoid, X, inplace)

    def backprop_sigmoid(self, dY, Y, *, inplace=False):
        if inplace:  # into Y, unlike the others
            return Ops.backprop_sigmoid(self, dY, Y, inplace=True)
        return _map_grad(self, "backprop_sigmoid", K.f32.backprop_sigmoid, K.f64.backprop_sigmoid, dY, Y, False)

    def swish(self, X, inplace=False):
        return _map(self, "swish", K.f32.swish, K.f64.swish, X, inplace)

    def backprop_swish(self, dY, X, Y, inplace=False):
        cdef int t = reals(dY, X)
        if (
            t < 0 or t != real(Y) or not same_shape(dY, X) or not same_shape(dY, Y)
            or (inplace and not np.PyArray_ISWRITEABLE(dY))
        ):
            return Ops.backprop_swish(self, dY, X, Y, inplace)
        cdef np.ndarray dy = contig(dY), x = contig(X), y = contig(Y), dX = dy if inplace else empty_like(dy)
        state = release(size(x))
        if t == np.NPY_FLOAT:
            K.f32.backprop_swish(f32(dX), f32(dy), f32(x), f32(y), size(x))
        else:
            K.f64.backprop_swish(f64(dX), f64(dy), f64(x), f64(y), size(x))
        acquire(state)
        return _settled(dX, dY) if inplace else dX

    def dish(self, X, inplace=False):
        return _map(self, "dish", K.f32.dish, K.f64.dish, X, inplace)

    def backprop_dish(self, dY, X, inplace=False):
        return _map_grad(self, "backprop_dish", K.f32.backprop_dish, K.f64.backprop_dish, dY, X, inplace)

    def hard_swish(self, X, inplace=False):
        return _map(self, "hard_swish", K.f32.hard_swish, K.f64.hard_swish, X, inplace)

    def backprop_hard_swish(self, dY, X, inplace=False):
        return _map_grad(
            self, "backprop_hard_swish", K.f32.backprop_hard_swish, K.f64.backprop_hard_swish, dY, X, inplace
        )

    def hard_swish_mobilenet(self, X, inplace=False):
        return _map(self, "hard_swish_mobilenet", K.f32.hard_swish_mobilenet, K.f64.hard_swish_mobilenet, X, inplace)

    def backprop_hard_swish_mobilenet(self, dY, X, inplace=False):
        return _map_grad(
            self, "backprop_hard_swish_mobilenet", K.f32.backprop_hard_swish_mobilenet,
            K.f64.backprop_hard_swish_mobilenet, dY, X, inplace
        )

    def clipped_linear(self, X, slope=1.0, offset=0.0, min_val=0.0, max_val=1.0, inplace=False):
        cdef int t = real(X)
        cdef double a = slope, b = offset, low = min_val, high = max_val
        if t < 0 or low > high or (inplace and not np.PyArray_ISWRITEABLE(X)):
            return Ops.clipped_linear(self, X, slope, offset, min_val, max_val, inplace)
        cdef np.ndarray x = contig(X), y = x if inplace else empty_like(x)
        state = release(size(x))
        if t == np.NPY_FLOAT:
            K.f32.clipped_linear(f32(y), f32(x), size(x), <float>a, <float>b, <float>low, <float>high)
        else:
            K.f64.clipped_linear(f64(y), f64(x), size(x), a, b, low, high)
        acquire(state)
        return _settled(y, X) if inplace else y

    def backprop_clipped_linear(self, dY, X, slope=1.0, offset=0.0, min_val=0.0, max_val=1.0, inplace=False):
        cdef int t = reals(dY, X)
        cdef double a = slope, b = offset, low = min_val, high = max_val
        if t < 0 or not same_shape(dY, X) or (inplace and not np.PyArray_ISWRITEABLE(dY)):
            return Ops.backprop_clipped_linear(self, dY, X, slope, offset, min_val, max_val, inplace)
        cdef np.ndarray dy = contig(dY), x = contig(X), dX = dy if inplace else empty_like(dy)
        state = release(size(x))
        if t == np.NPY_FLOAT:
            K.f32.backprop_clipped_linear(
                f32(dX), f32(dy), f32(x), size(x), <float>a, <float>b, <float>low, <float>high
            )
        else:
            K.f64.backprop_clipped_linear(f64(dX), f64(dy), f64(x), size(x), a, b, low, high)
        acquire(state)
        return _settled(dX, dY) if inplace else dX

    # Matrix products

    def gemm(self, x, y, out=None, trans1=False, trans2=False, *, accumulate=False):
        cdef int t = reals(x, y)
        cdef bint flip1 = trans1, flip2 = trans2, add = accumulate
        cdef size_t ldx, ldy, M, N, inner
        if not self.use_blis:
            return _dot(self, x, y, out, trans1, trans2, accumulate)
        if t < 0 or not is_2d(x) or not is_2d(y) or dim(x, not flip1) != dim(y, flip2):
            return Ops.gemm(self, x, y, out, trans1, trans2, accumulate=accumulate)
        M, N, inner = dim(x, flip1), dim(y, not flip2), dim(x, not flip1)
        if (out is None and add) or (out is not None and not (real(out) == t and has_shape2(out, M, N) and plain(out))):
            return Ops.gemm(self, x, y, out, trans1, trans2, accumulate=accumulate)
        if out is not None and (_overlap(out, x) or _overlap(out, y)):
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

    def affine(self, X, W, b):
        return _affine(self, "affine", K.f32.affine, K.f64.affine, X, W, b)

    def affine_relu(self, X, W, b):
        return _affine(self, "affine_relu", K.f32.affine_relu, K.f64.affine_relu, X, W, b)

    def backprop_affine(self, dY, X, W, dW, db):
        cdef int t = reals(dY, X)
        if (
            t < 0 or t != reals(W, dW) or t != real(db) or not is_2d(X) or not is_2d(W) or not same_shape(W, dW)
            or dim(X, 1) != dim(W, 1) or not has_shape2(dY, dim(X, 0), dim(W, 0)) or not has_shape1(db, dim(W, 0))
            or not (plain(dW) and plain(db))
        ):
            return Ops.backprop_affine(self, dY, X, W, dW, db)
        cdef np.ndarray dy = contig(dY), x = contig(X), w = contig(W), dX = empty_like(X)
        cdef size_t B = dim(X, 0), I = dim(X, 1), O = dim(W, 0)
        state = release(B * I * O)
        if t == np.NPY_FLOAT:
            K.f32.backprop_affine(f32(dX), f32(dW), f32(db), f32(dy), f32(x), f32(w), B, O, I)
        else:
            K.f64.backprop_affine(f64(dX), f64(dW), f64(db), f64(dy), f64(x), f64(w), B, O, I)
        acquire(state)
        return dX

    def affine_maxout(self, X, W, b):
        cdef int t = reals(X, W)
        if (
            t < 0 or t != real(b) or not is_2d(X) or np.PyArray_NDIM(W) != 3 or dim(X, 1) != dim(W, 2)
            or not has_shape2(b, dim(W, 0), dim(W, 1)) or dim(W, 1) < 1
        ):
            return Ops.affine_maxout(self, X, W, b)
        cdef np.ndarray x = contig(X), w = contig(W), shift = contig(b)
        cdef size_t B = dim(X, 0), O = dim(W, 0), P = dim(W, 1), I = dim(W, 2)
        cdef np.ndarray best = empty2(B, O, t), which = empty2(B, O, np.NPY_INT32)
        state = release(B * O * P * I)
        if t == np.NPY_FLOAT:
            K.f32.affine_maxout(f32(best), i32(which), f32(x), f32(w), f32(shift), B, O, P, I, I)
        else:
            K.f64.affine_maxout(f64(best), i32(which), f64(x), f64(w), f64(shift), B, O, P, I, I)
        acquire(state)
        return best, which

    def backprop_affine_maxout(self, dY, which, X, W, dW, db):
        cdef int t = reals(dY, X)
        if (
            t < 0 or t != reals(W, dW) or t != real(db) or not is_2d(X) or np.PyArray_NDIM(W) != 3
            or dim(X, 1) != dim(W, 2) or not same_shape(W, dW) or not has_shape2(db, dim(W, 0), dim(W, 1))
            or not has_shape2(dY, dim(X, 0), dim(W, 0)) or not (plain(dW) and plain(db)) or dim(W, 1) < 1
        ):
            return Ops.backprop_affine_maxout(self, dY, which, X, W, dW, db)
        cdef np.ndarray chosen = _indices(which, dim(W, 1))
        if chosen is None or not same_shape(chosen, dY):
            return Ops.backprop_affine_maxout(self, dY, which, X, W, dW, db)
        cdef np.ndarray dy = contig(dY), x = contig(X), w = contig(W), dX = empty_like(X)
        cdef size_t B = dim(X, 0), O = dim(W, 0), P = dim(W, 1), I = dim(W, 2)
        state = release(B * O * P * I)
        if t == np.NPY_FLOAT:
            K.f32.backprop_affine_maxout(
                f32(dX), f32(dW), f32(db), f32(dy), i32(chosen), f32(x), f32(w), B, O, P, I
            )
        else:
            K.f64.backprop_affine_maxout(
                f64(dX), f64(dW), f64(db), f64(dy), i32(chosen), f64(x), f64(w), B, O, P, I
            )
        acquire(state)
        return dX

    # Rows

    def softmax(self, x, *, inplace=False, axis=-1, temperature=1.0):
        cdef int t = real(x)
        if t < 0 or not _last_axis(x, axis) or (inplace and not np.PyArray_ISWRITEABLE(x)):
            return Ops.softmax(self, x, inplace=inplace, axis=axis, temperature=temperature)
        cdef np.ndarray X = contig(x)
        cdef np.ndarray Y = X if inplace else empty_like(X)
        cdef size_t O = dim(X, np.PyArray_NDIM(X) - 1), B = size(X) // O if O else 0
        cdef double scale = temperature
        state = release(size(X))
        if B == 0:
            pass
        elif t == np.NPY_FLOAT:
            K.f32.softmax(f32(Y), f32(X), B, O, <float>scale)
        else:
            K.f64.softmax(f64(Y), f64(X), B, O, scale)
        acquire(state)
        return _settled(Y, x) if inplace else Y

    def backprop_softmax(self, Y, dY, *, axis=-1, temperature=1.0):
        cdef int t = reals(Y, dY)
        if t < 0 or not same_shape(Y, dY) or not _last_axis(Y, axis):
            return Ops.backprop_softmax(self, Y, dY, axis=axis, temperature=temperature)
        cdef np.ndarray y = contig(Y), dy = contig(dY), dX = empty_like(Y)
        cdef size_t O = dim(y, np.PyArray_NDIM(y) - 1), B = size(y) // O if O else 0
        cdef double scale = temperature
        state = release(size(y))
        if t == np.NPY_FLOAT:
            K.f32.backprop_softmax(f32(dX), f32(dy), f32(y), B, O, <float>scale)
        else:
            K.f64.backprop_softmax(f64(dX), f64(dy), f64(y), B, O, scale)
        acquire(state)
        return dX

    def softmax_sequences(self, Xs, lengths, *, inplace=False, axis=-1):
        cdef int64_t total = 0
        cdef int t = real(Xs)
        cdef np.ndarray rows = lengths_of(lengths, 0, &total)
        if (
            t < 0 or rows is None or not is_2d(Xs) or total != dim(Xs, 0)
            or (inplace and not np.PyArray_ISWRITEABLE(Xs))
        ):
            return Ops.softmax_sequences(self, Xs, lengths, inplace=inplace, axis=axis)
        cdef np.ndarray X = contig(Xs)
        cdef np.ndarray Y = X if inplace else empty_like(X)
        state = release(size(X))
        if t == np.NPY_FLOAT:
            K.f32.softmax_sequences(f32(Y), f32(X), i32(rows), size(rows), dim(X, 1))
        else:
            K.f64.softmax_sequences(f64(Y), f64(X), i32(rows), size(rows), dim(X, 1))
        acquire(state)
        return _settled(Y, Xs) if inplace else Y

    def backprop_softmax_sequences(self, dY, Y, lengths):
        cdef int64_t total = 0
        cdef int t = reals(dY, Y)
        cdef np.ndarray rows = lengths_of(lengths, 0, &total)
        if t < 0 or rows is None or not is_2d(dY) or not same_shape(dY, Y) or total != dim(dY, 0):
            return Ops.backprop_softmax_sequences(self, dY, Y, lengths)
        cdef np.ndarray dy = contig(dY), y = contig(Y), dX = empty_like(dY)
        state = release(size(dy))
        if t == np.NPY_FLOAT:
            K.f32.backprop_softmax_sequences(f32(dX), f32(dy), f32(y), i32(rows), size(rows), dim(dy, 1))
        else:
            K.f64.backprop_softmax_sequences(f64(dX), f64(dy), f64(y), i32(rows), size(rows), dim(dy, 1))
        acquire(state)
        return dX

    def layernorm(self, X, G, b, eps=1e-8):
        cdef int t = real(X)
        if t < 0 or t != reals(G, b) or not is_2d(X) or not (has_shape1(G, dim(X, 1)) and has_shape1(b, dim(X, 1))):
            return Ops.layernorm(self, X, G, b, eps)
        cdef np.ndarray x = contig(X), g = contig(G), shift = contig(b)
        cdef np.ndarray Y = empty_like(X), mu = empty1(dim(X, 0), t), rstd = empty1(dim(X, 0), t)
        cdef size_t B = dim(X, 0), O = dim(X, 1)
        cdef double added = eps
        state = release(size(x))
        if t == np.NPY_FLOAT:
            K.f32.layernorm(f32(Y), f32(mu), f32(rstd), f32(x), f32(g), f32(shift), B, O, <float>added)
        else:
            K.f64.layernorm(f64(Y), f64(mu), f64(rstd), f64(x), f64(g), f64(shift), B, O, added)
        acquire(state)
        return Y, mu, rstd

    def backprop_layernorm(self, dY, X, G, mu, rstd, dG, db):
        cdef int t = reals(dY, X)
        if (
            t < 0 or t != reals(mu, rstd) or t != real(G) or t != reals(dG, db) or not is_2d(X)
            or not same_shape(dY, X) or not (has_shape1(mu, dim(X, 0)) and has_shape1(rstd, dim(X, 0)))
            or not (has_shape1(G, dim(X, 1)) and has_shape1(dG, dim(X, 1)) and has_shape1(db, dim(X, 1)))
            or not (plain(dG) and plain(db))
        ):
            return Ops.backprop_layernorm(self, dY, X, G, mu, rstd, dG, db)
        cdef np.ndarray dy = contig(dY), x = contig(X), g = contig(G), m = contig(mu), r = contig(rstd)
        cdef np.ndarray dX = empty_like(X)
        cdef size_t B = dim(X, 0), O = dim(X, 1)
        state = release(size(x))
        if t == np.NPY_FLOAT:
            K.f32.backprop_layernorm(f32(dX), f32(dG), f32(db), f32(dy), f32(x), f32(g), f32(m), f32(r), B, O)
        else:
            K.f64.backprop_layernorm(f64(dX), f64(dG), f64(db), f64(dy), f64(x), f64(g), f64(m), f64(r), B, O)
        acquire(state)
        return dX

    # Maxout

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

    # Sequences

    def seq2col(self, seq, nW, *, lengths=None):
        cdef int64_t total = 0
        cdef int t = real(seq)
        cdef np.npy_intp window = _count(nW)
        if t < 0 or not is_2d(seq) or window < 0:
            return Ops.seq2col(self, seq, nW, lengths=lengths)
        cdef np.ndarray rows = _one_length(dim(seq, 0)) if lengths is None else lengths_of(lengths, 0, &total)
        if rows is None or (lengths is not None and total != dim(seq, 0)):
            return Ops.seq2col(self, seq, nW, lengths=lengths)
        cdef np.ndarray x = contig(seq), Y = empty2(dim(seq, 0), (2 * window + 1) * dim(seq, 1), t)
        state = release(size(Y))
        if t == np.NPY_FLOAT:
            K.f32.seq2col(f32(Y), f32(x), i32(rows), size(rows), dim(x, 1), window)
        else:
            K.f64.seq2col(f64(Y), f64(x), i32(rows), size(rows), dim(x, 1), window)
        acquire(state)
        return Y

    def backprop_seq2col(self, dY, nW, *, lengths=None):
        cdef int64_t total = 0
        cdef int t = real(dY)
        cdef np.npy_intp window = _count(nW)
        if t < 0 or not is_2d(dY) or window < 0 or dim(dY, 1) % (2 * window + 1):
            return Ops.backprop_seq2col(self, dY, nW, lengths=lengths)
        cdef np.ndarray rows = _one_length(dim(dY, 0)) if lengths is None else lengths_of(lengths, 0, &total)
        if rows is None or (lengths is not None and total != dim(dY, 0)):
            return Ops.backprop_seq2col(self, dY, nW, lengths=lengths)
        cdef np.ndarray dy = contig(dY), dX = empty2(dim(dY, 0), dim(dY, 1) // (2 * window + 1), t)
        state = release(size(dy))
        if t == np.NPY_FLOAT:
            K.f32.backprop_seq2col(f32(dX), f32(dy), i32(rows), size(rows), dim(dX, 1), window)
        else:
            K.f64.backprop_seq2col(f64(dX), f64(dy), i32(rows), size(rows), dim(dX, 1), window)
        acquire(state)
        return dX

    def reduce_sum(self, X, lengths):
        return _reduce(self, "reduce_sum", K.f32.reduce_sum, K.f64.reduce_sum, X, lengths)

    def backprop_reduce_sum(self, d_sums, lengths):
        return _spread(
            self, "backprop_reduce_sum", K.f32.backprop_reduce_sum, K.f64.backprop_reduce_sum, d_sums, lengths
        )

    def reduce_mean(self, X, lengths):
        return _reduce(self, "reduce_mean", K.f32.reduce_mean, K.f64.reduce_mean, X, lengths)

    def backprop_reduce_mean(self, d_means, lengths):
        return _spread(
            self, "backprop_reduce_mean", K.f32.backprop_reduce_mean, K.f64.backprop_reduce_mean, d_means, lengths
        )

    def reduce_max(self, X, lengths):
        cdef int64_t total = 0
        cdef int t = real(X)
        cdef np.ndarray rows = lengths_of(lengths, 1, &total)
        if t < 0 or rows is None or not is_2d(X) or total != dim(X, 0):
            return Ops.reduce_max(self, X, lengths)
        cdef np.ndarray x = contig(X)
        cdef np.ndarray best = empty2(size(rows), dim(X, 1), t), which = empty2(size(rows), dim(X, 1), np.NPY_INT32)
        state = release(size(x))
        if t == np.NPY_FLOAT:
            K.f32.reduce_max(f32(best), i32(which), f32(x), i32(rows), size(rows), dim(x, 1))
        else:
            K.f64.reduce_max(f64(best), i32(which), f64(x), i32(rows), size(rows), dim(x, 1))
        acquire(state)
        return best, which

    def backprop_reduce_max(self, d_maxes, which, lengths):
        cdef int64_t total = 0
        cdef int t = real(d_maxes)
        cdef np.ndarray rows = lengths_of(lengths, 1, &total)
        if t < 0 or rows is None or not is_2d(d_maxes) or not integral(which) or not same_shape(d_maxes, which):
            return Ops.backprop_reduce_max(self, d_maxes, which, lengths)
        cdef np.ndarray chosen = narrow(which)
        if <np.npy_intp>size(rows) != dim(d_maxes, 0) or not _within(chosen, rows):
            return Ops.backprop_reduce_max(self, d_maxes, which, lengths)
        cdef np.ndarray dy = contig(d_maxes), dX = empty2(total, dim(d_maxes, 1), t)
        state = release(size(dX))
        if t == np.NPY_FLOAT:
            K.f32.backprop_reduce_max(f32(dX), f32(dy), i32(chosen), i32(rows), size(rows), dim(dy, 1))
        else:
            K.f64.backprop_reduce_max(f64(dX), f64(dy), i32(chosen), i32(rows), size(rows), dim(dy, 1))
        acquire(state)
        return dX

    # Lists of sequences: _lists.pxi

    def flatten(self, X, dtype=None, pad=0, ndim_if_empty=2):
        cdef np.npy_intp n_zeros = _count(pad)
        if n_zeros >= 0 and _alike(X) and (dtype is None or X[0].dtype == dtype):
            result = _flatten(X, n_zeros)
            if result is not None:
                return result
        return Ops.flatten(self, X, dtype, pad, ndim_if_empty)

    def pad(self, seqs, round_to=1):
        cdef np.npy_intp multiple = _count(round_to)
        return _pad(seqs, multiple) if multiple >= 1 and _alike(seqs) else Ops.pad(self, seqs, round_to)

    def list2padded(self, seqs):
        return _list2padded(seqs) if _alike(seqs) and len(seqs) > 1 else Ops.list2padded(self, seqs)

    def padded2list(self, padded):
        data = padded.data
        result = None
        if np.PyArray_CheckExact(data) and np.PyArray_NDIM(data) >= 2 and _alike([data]):
            result = _padded2list(data, padded.lengths, padded.indices)
        return Ops.padded2list(self, padded) if result is None else result

    # Tables

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

    # Training

    def get_dropout_mask(self, shape, drop):
        if drop is None or not 0 < drop < 1:
            return Ops.get_dropout_mask(self, shape, drop)
        cdef np.ndarray mask = numpy.empty(shape, dtype="float32")
        cdef uint64_t seed = self._dropout_seed()
        cdef uint32_t threshold = int(drop * 2**32)
        cdef float kept = 1 / (1 - drop)
        state = release(size(mask))
        K.f32.dropout_mask(f32(mask), size(mask), seed, threshold, kept)
        acquire(state)
        return mask

    def adam(self, weights, gradient, mom1, mom2, beta1, beta2, eps, learn_rate, mod_rate=1.0):
        cdef int t = reals(weights, gradient)
        if (
            t < 0 or t != reals(mom1, mom2) or not (same_shape(weights, gradient) and same_shape(weights, mom1))
            or not same_shape(weights, mom2) or not (plain(weights) and plain(gradient) and plain(mom1) and plain(mom2))
        ):
            return Ops.adam(self, weights, gradient, mom1, mom2, beta1, beta2, eps, learn_rate, mod_rate)
        cdef double b1 = beta1, b2 = beta2, e = eps, rate = learn_rate, mod = mod_rate
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
        cdef double total = 0, norm, limit = threshold
        if t < 0 or not plain(gradient):
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
        if kind < 0 or not same_shape(ema, weights) or not plain(ema):
            return Ops.update_averages(self, ema, weights, t, max_decay)
        cdef np.ndarray source = contig(weights)
        cdef double step = 1.0 - min((1.0 + t) / (10.0 + t), max_decay)
        state = release(size(source))
        if kind == np.NPY_FLOAT:
            K.f32.update_averages(f32(ema), f32(source), size(source), <float>step)
        else:
            K.f64.update_averages(f64(ema), f64(source), size(source), step)
        acquire(state)

    # Recurrent layers: _lstm.pxi

    def lstm_forward_training(self, params, H0, C0, X, size_at_t):
        return _lstm(self, "lstm_forward_training", params, H0, C0, X, size_at_t)

    def lstm_forward_inference(self, params, H0, C0, X, size_at_t):
        return _lstm(self, "lstm_forward_inference", params, H0, C0, X, size_at_t)

    def backprop_lstm(self, dY, lengths, params, fwd_state):
        result = _backprop_lstm(self, "backprop_lstm", dY, lengths, params, fwd_state)
        return result[:2]

    def backprop_lstm_states(self, dY, lengths, params, fwd_state):
        return _backprop_lstm(self, "backprop_lstm_states", dY, lengths, params, fwd_state)


include "_lists.pxi"
include "_lstm.pxi"


def check_seq2col_lengths(ops, lengths, B):
    """Lengths for seq2col over B rows: those given, checked, or one sequence of all rows.

    RAISES: ValueError for a negative length; IndexError when they do not sum to B.
    """
    if lengths is None:
        return ops.asarray1i([B])
    checks.lengths("seq2col", ops.to_numpy(lengths), B)
    return lengths


def __getattr__(name):
    """has_blis and blis, which cost an import only when somebody asks."""
    if name == "has_blis":
        return importlib.util.find_spec("blis") is not None
    if name == "blis":
        return importlib.import_module("blis") if importlib.util.find_spec("blis") else None
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


cdef inline bint _last_axis(X, axis) except -1:
    cdef int ndim = np.PyArray_NDIM(X)
    return ndim > 0 and type(axis) is int and (axis == -1 or axis == ndim - 1)  # True == 1, but is no axis


cdef inline bint _hashable(table) noexcept:
    """A table that hashes can be taken modulo: 2-d, with 1 to 2^31 rows."""
    return is_2d(table) and 1 <= dim(table, 0) <= 0x7FFFFFFF


cdef bint _within(np.ndarray which, np.ndarray lengths) noexcept:
    """0 <= which[b, o] < lengths[b] everywhere."""
    cdef np.npy_intp b, o, O = dim(which, 1)
    for b in range(dim(which, 0)):
        for o in range(O):
            if <uint32_t>i32(which)[b * O + o] >= <uint32_t>i32(lengths)[b]:
                return False
    return True
