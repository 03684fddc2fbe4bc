# Small vector functions for other packages' Cython code, all inline: nothing to link, no call through a pointer.
# Suffix _i: the result replaces the first argument. Counts of 0 or less do nothing; reductions of nothing give 0.
cimport cython
from cymem.cymem cimport Pool
from libc.math cimport exp as c_exp
from libc.math cimport pow as c_pow
from libc.math cimport sqrt as c_sqrt
from libc.stdint cimport int32_t

ctypedef float weight_t


cdef class Matrix:
    cdef readonly Pool mem
    cdef weight_t* data
    cdef readonly int32_t nr_row
    cdef readonly int32_t nr_col


cdef class Vec:
    # Index of the largest score, the first of equals; of two equal scores the second, which trained parsers rely on.
    @staticmethod
    cdef inline int arg_max(const weight_t* scores, const int n) noexcept nogil:
        cdef int i, best = 0
        if n == 2:
            return 0 if scores[0] > scores[1] else 1
        for i in range(1, n):
            if scores[i] > scores[best]:
                best = i
        return best

    @staticmethod
    cdef inline weight_t max(const weight_t* x, const int32_t nr) noexcept nogil:
        return x[Vec.arg_max(x, nr)] if nr > 0 else 0

    @staticmethod
    cdef inline weight_t sum(const weight_t* vec, const int32_t nr) noexcept nogil:
        cdef int32_t i
        cdef double total = 0
        for i in range(nr):
            total += vec[i]
        return <weight_t>total

    # Euclidean length.
    @staticmethod
    cdef inline weight_t norm(const weight_t* vec, const int32_t nr) noexcept nogil:
        cdef int32_t i
        cdef double total = 0
        for i in range(nr):
            total += <double>vec[i] * vec[i]
        return <weight_t>c_sqrt(total)

    @staticmethod
    @cython.cdivision(True)
    cdef inline weight_t mean(const weight_t* X, const int32_t nr_dim) noexcept nogil:
        cdef int32_t i
        cdef double total = 0
        for i in range(nr_dim):
            total += X[i]
        return <weight_t>(total / nr_dim) if nr_dim > 0 else 0

    # Of the population: divided by nr_dim. SOURCE: Welford 1962, one pass.
    @staticmethod
    @cython.cdivision(True)
    cdef inline weight_t variance(const weight_t* X, const int32_t nr_dim) noexcept nogil:
        cdef int32_t i
        cdef double change, mean = 0, squares = 0
        for i in range(nr_dim):
            change = X[i] - mean
            mean += change / (i + 1)
            squares += change * (X[i] - mean)
        return <weight_t>(squares / nr_dim) if nr_dim > 0 else 0

    @staticmethod
    cdef inline void add(weight_t* output, const weight_t* x, weight_t inc, int32_t nr) noexcept nogil:
        cdef int32_t i
        for i in range(nr):
            output[i] = x[i] + inc

    @staticmethod
    cdef inline void add_i(weight_t* vec, weight_t inc, int32_t nr) noexcept nogil:
        Vec.add(vec, vec, inc, nr)

    @staticmethod
    cdef inline void mul(weight_t* output, const weight_t* vec, weight_t scal, int32_t nr) noexcept nogil:
        cdef int32_t i
        for i in range(nr):
            output[i] = vec[i] * scal

    @staticmethod
    cdef inline void mul_i(weight_t* vec, weight_t scal, int32_t nr) noexcept nogil:
        Vec.mul(vec, vec, scal, nr)

    @staticmethod
    cdef inline void pow(weight_t* output, const weight_t* vec, weight_t scal, int32_t nr) noexcept nogil:
        cdef int32_t i
        for i in range(nr):
            output[i] = <weight_t>c_pow(<double>vec[i], scal)

    @staticmethod
    cdef inline void pow_i(weight_t* vec, weight_t scal, int32_t nr) noexcept nogil:
        Vec.pow(vec, vec, scal, nr)

    # As IEEE 754 divides: by zero gives infinity or NaN.
    @staticmethod
    @cython.cdivision(True)
    cdef inline void div(weight_t* output, const weight_t* vec, weight_t scal, int32_t nr) noexcept nogil:
        cdef int32_t i
        for i in range(nr):
            output[i] = vec[i] / scal

    @staticmethod
    cdef inline void div_i(weight_t* vec, weight_t scal, int32_t nr) noexcept nogil:
        Vec.div(vec, vec, scal, nr)

    @staticmethod
    cdef inline void exp(weight_t* output, const weight_t* vec, int32_t nr) noexcept nogil:
        cdef int32_t i
        for i in range(nr):
            output[i] = <weight_t>c_exp(<double>vec[i])

    @staticmethod
    cdef inline void exp_i(weight_t* vec, int32_t nr) noexcept nogil:
        Vec.exp(vec, vec, nr)

    @staticmethod
    @cython.cdivision(True)
    cdef inline void reciprocal_i(weight_t* vec, int32_t nr) noexcept nogil:
        cdef int32_t i
        for i in range(nr):
            vec[i] = 1 / vec[i]


cdef class VecVec:
    @staticmethod
    cdef inline void add(weight_t* output, const weight_t* x, const weight_t* y, weight_t scale, int32_t nr
            ) noexcept nogil:
        cdef int32_t i
        for i in range(nr):
            output[i] = x[i] + scale * y[i]

    @staticmethod
    cdef inline void add_i(weight_t* x, const weight_t* y, weight_t scale, int32_t nr) noexcept nogil:
        VecVec.add(x, x, y, scale, nr)

    # y: nr_batch rows of nr values; each is added to x.
    @staticmethod
    cdef inline void batch_add_i(weight_t* x, const weight_t* y, weight_t scale, int32_t nr, int32_t nr_batch
            ) noexcept nogil:
        cdef int32_t row
        for row in range(nr_batch):
            VecVec.add(x, x, y + <size_t>row * nr, scale, nr)

    @staticmethod
    cdef inline void add_pow(weight_t* output, const weight_t* x, const weight_t* y, weight_t power, int32_t nr
            ) noexcept nogil:
        cdef int32_t i
        for i in range(nr):
            output[i] = x[i] + <weight_t>c_pow(<double>y[i], power)

    @staticmethod
    cdef inline void add_pow_i(weight_t* x, const weight_t* y, weight_t power, int32_t nr) noexcept nogil:
        VecVec.add_pow(x, x, y, power, nr)

    @staticmethod
    cdef inline void mul(weight_t* output, const weight_t* x, const weight_t* y, int32_t nr) noexcept nogil:
        cdef int32_t i
        for i in range(nr):
            output[i] = x[i] * y[i]

    @staticmethod
    cdef inline void mul_i(weight_t* x, const weight_t* y, int32_t nr) noexcept nogil:
        VecVec.mul(x, x, y, nr)

    @staticmethod
    cdef inline weight_t dot(const weight_t* x, const weight_t* y, int32_t nr) noexcept nogil:
        cdef int32_t i
        cdef double total = 0
        for i in range(nr):
            total += <double>x[i] * y[i]
        return <weight_t>total

    # Index of the largest score whose class is valid, the first of equals; -1 when none is.
    @staticmethod
    cdef inline int arg_max_if_true(const weight_t* scores, const int* is_valid, const int n) noexcept nogil:
        cdef int i, best = -1
        for i in range(n):
            if is_valid[i] and (best < 0 or scores[i] > scores[best]):
                best = i
        return best

    # Index of the largest score whose class costs nothing, the first of equals; -1 when none does.
    @staticmethod
    cdef inline int arg_max_if_zero(const weight_t* scores, const weight_t* costs, const int n) noexcept nogil:
        cdef int i, best = -1
        for i in range(n):
            if costs[i] == 0 and (best < 0 or scores[i] > scores[best]):
                best = i
        return best


cdef class Mat:
    # Ex (nr_col,): mean of each column of mat (nr_row, nr_col).
    @staticmethod
    @cython.cdivision(True)
    cdef inline void mean_row(weight_t* Ex, const weight_t* mat, int32_t nr_row, int32_t nr_col) noexcept nogil:
        cdef int32_t row, col
        cdef double total
        for col in range(nr_col):
            total = 0
            for row in range(nr_row):
                total += mat[<size_t>row * nr_col + col]
            Ex[col] = <weight_t>(total / nr_row) if nr_row > 0 else 0

    # Vx (nr_col,): population variance of each column, plus eps; Ex: the columns' means. Untouched without rows.
    # The deviations' own mean is taken off, so that a rounded Ex does not matter. SOURCE: Chan et al. 1983, eq. 1.7.
    @staticmethod
    @cython.cdivision(True)
    cdef inline void var_row(weight_t* Vx, const weight_t* mat, const weight_t* Ex, int32_t nr_row, int32_t nr_col,
            weight_t eps) noexcept nogil:
        cdef int32_t row, col
        cdef double total, squares, deviation
        if nr_row <= 0:
            return
        for col in range(nr_col):
            total = squares = 0
            for row in range(nr_row):
                deviation = <double>mat[<size_t>row * nr_col + col] - Ex[col]
                total += deviation
                squares += deviation * deviation
            Vx[col] = <weight_t>((squares - total * total / nr_row) / nr_row + eps)
