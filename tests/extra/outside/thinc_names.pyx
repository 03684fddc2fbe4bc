# cython: language_level=3
# What spaCy cimports, by the names it uses.
from thinc.backends.cblas cimport CBlas, saxpy, sgemm
from thinc.backends.linalg cimport Vec, VecVec
from thinc.extra.search cimport Beam, MaxViolation


def multiply(CBlas cblas, const float[:, ::1] A, const float[:, ::1] B, float[:, ::1] C):
    """C = A B^T"""
    cdef int M = <int>A.shape[0], N = <int>B.shape[0], K = <int>A.shape[1]
    sgemm(cblas)(False, True, M, N, K, 1.0, &A[0, 0], K, &B[0, 0], K, 0.0, &C[0, 0], N)


def add(CBlas cblas, float[::1] Y, const float[::1] X):
    saxpy(cblas)(<int>X.shape[0], 2.0, &X[0], 1, &Y[0], 1)


def best(float[::1] scores, const float[::1] more):
    VecVec.add_i(&scores[0], &more[0], 1.0, <int>scores.shape[0])
    return Vec.arg_max(&scores[0], <int>scores.shape[0])


def widths(Beam beam, MaxViolation violation):
    return beam.width, violation.cost
