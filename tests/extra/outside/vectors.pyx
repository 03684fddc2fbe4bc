"""Every function of thinc_core.backends.linalg, called from outside without the GIL; arrays are NumPy's."""
from cymem.cymem cimport Pool
from libc.stdint cimport int32_t

from thinc_core.backends.linalg cimport Mat, Matrix, Vec, VecVec, weight_t


cdef weight_t* floats(x) except? NULL:
    assert x.dtype == "float32" and x.flags.c_contiguous
    return <weight_t*><size_t>x.ctypes.data


cdef int* ints(x) except? NULL:
    assert x.dtype == "int32" and x.flags.c_contiguous
    return <int*><size_t>x.ctypes.data


def arg_max(scores):
    cdef const weight_t* x = floats(scores)
    cdef int found, n = <int>len(scores)
    with nogil:
        found = Vec.arg_max(x, n)
    return found


def reduce(str name, array):
    cdef const weight_t* x = floats(array)
    cdef weight_t found
    cdef int which = ["max", "sum", "norm", "mean", "variance"].index(name)
    cdef int32_t nr = <int32_t>len(array)
    with nogil:
        if which == 0:
            found = Vec.max(x, nr)
        elif which == 1:
            found = Vec.sum(x, nr)
        elif which == 2:
            found = Vec.norm(x, nr)
        elif which == 3:
            found = Vec.mean(x, nr)
        else:
            found = Vec.variance(x, nr)
    return found


def scalar(str name, output, array, float value):
    cdef weight_t* y = floats(output)
    cdef const weight_t* x = floats(array)
    cdef int which = ["add", "mul", "pow", "div", "exp"].index(name)
    cdef int32_t nr = <int32_t>len(array)
    with nogil:
        if which == 0:
            Vec.add(y, x, value, nr)
        elif which == 1:
            Vec.mul(y, x, value, nr)
        elif which == 2:
            Vec.pow(y, x, value, nr)
        elif which == 3:
            Vec.div(y, x, value, nr)
        else:
            Vec.exp(y, x, nr)


def scalar_i(str name, array, float value):
    cdef weight_t* x = floats(array)
    cdef int which = ["add", "mul", "pow", "div", "exp", "reciprocal"].index(name)
    cdef int32_t nr = <int32_t>len(array)
    with nogil:
        if which == 0:
            Vec.add_i(x, value, nr)
        elif which == 1:
            Vec.mul_i(x, value, nr)
        elif which == 2:
            Vec.pow_i(x, value, nr)
        elif which == 3:
            Vec.div_i(x, value, nr)
        elif which == 4:
            Vec.exp_i(x, nr)
        else:
            Vec.reciprocal_i(x, nr)


def pairwise(str name, output, first, second, float value):
    cdef weight_t* z = floats(output)
    cdef const weight_t* x = floats(first)
    cdef const weight_t* y = floats(second)
    cdef int which = ["add", "add_pow", "mul"].index(name)
    cdef int32_t nr = <int32_t>len(first)
    with nogil:
        if which == 0:
            VecVec.add(z, x, y, value, nr)
        elif which == 1:
            VecVec.add_pow(z, x, y, value, nr)
        else:
            VecVec.mul(z, x, y, nr)


def pairwise_i(str name, first, second, float value):
    cdef weight_t* x = floats(first)
    cdef const weight_t* y = floats(second)
    cdef int which = ["add", "add_pow", "mul"].index(name)
    cdef int32_t nr = <int32_t>len(first)
    with nogil:
        if which == 0:
            VecVec.add_i(x, y, value, nr)
        elif which == 1:
            VecVec.add_pow_i(x, y, value, nr)
        else:
            VecVec.mul_i(x, y, nr)


def batch_add_i(first, rows, float scale, int nr_batch):
    cdef weight_t* x = floats(first)
    cdef const weight_t* y = floats(rows)
    cdef int32_t nr = <int32_t>len(first)
    with nogil:
        VecVec.batch_add_i(x, y, scale, nr, nr_batch)


def dot(first, second):
    cdef const weight_t* x = floats(first)
    cdef const weight_t* y = floats(second)
    cdef weight_t found
    cdef int32_t nr = <int32_t>len(first)
    with nogil:
        found = VecVec.dot(x, y, nr)
    return found


def arg_max_if_true(scores, is_valid):
    cdef const weight_t* x = floats(scores)
    cdef const int* valid = ints(is_valid)
    cdef int found, n = <int>len(scores)
    with nogil:
        found = VecVec.arg_max_if_true(x, valid, n)
    return found


def arg_max_if_zero(scores, costs):
    cdef const weight_t* x = floats(scores)
    cdef const weight_t* cost = floats(costs)
    cdef int found, n = <int>len(scores)
    with nogil:
        found = VecVec.arg_max_if_zero(x, cost, n)
    return found


def mean_row(means, cells):
    cdef weight_t* Ex = floats(means)
    cdef const weight_t* mat = floats(cells)
    cdef int32_t nr_row = cells.shape[0], nr_col = cells.shape[1]
    with nogil:
        Mat.mean_row(Ex, mat, nr_row, nr_col)


def var_row(variances, cells, means, float eps):
    cdef weight_t* Vx = floats(variances)
    cdef const weight_t* mat = floats(cells)
    cdef const weight_t* Ex = floats(means)
    cdef int32_t nr_row = cells.shape[0], nr_col = cells.shape[1]
    with nogil:
        Mat.var_row(Vx, mat, Ex, nr_row, nr_col, eps)


def matrix(int nr_row, int nr_col):
    """A Matrix that owns its memory, and the sum of its values."""
    cdef Matrix made = Matrix.__new__(Matrix)
    made.mem = Pool()
    made.nr_row, made.nr_col = nr_row, nr_col
    made.data = <weight_t*>made.mem.alloc(nr_row * nr_col, sizeof(weight_t))
    Vec.add_i(made.data, 0.5, nr_row * nr_col)
    return made, Vec.sum(made.data, nr_row * nr_col)
