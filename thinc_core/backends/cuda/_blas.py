"""Products by cuBLAS with less than float32, which CuPy's own functions do not ask for (but for TF32, globally)."""

from __future__ import annotations

from functools import cache
from typing import Any, Tuple

import numpy

# Numbers of cuBLAS's interface: cublasComputeType_t, cudaDataType_t, cublasOperation_t, cublasGemmAlgo_t.
COMPUTE = {"float16": 74, "bfloat16": 75, "tf32": 77}  # CUBLAS_COMPUTE_32F_FAST_...: float32 in and out
LEAST_CAPABILITY = {"float16": 70, "bfloat16": 80, "tf32": 80}  # of a GPU that is faster with it
FLOAT32, PLAIN, TRANSPOSED, ANY_ALGORITHM = 0, 0, 1, -1
ONE, ZERO = numpy.ones(1, "float32"), numpy.zeros(1, "float32")


@cache
def _capability(xp: Any, number: int) -> int:
    return int(xp.cuda.Device(number).compute_capability)


def is_faster(xp: Any, number: int, precision: str) -> bool:
    """Whether the device with this number has units for it."""
    return precision in COMPUTE and _capability(xp, number) >= LEAST_CAPABILITY[precision]


def multiply_fast(xp: Any, x: Any, y: Any, out: Any, precision: str) -> None:
    """out = x @ y for float32 matrices; out is in C order, the others too, or are transposed views of such matrices.

    cuBLAS has columns where C has rows: what it is asked for is out.T = y.T @ x.T.
    """
    (M, N), K = out.shape, x.shape[1]
    (right, ldy), (left, ldx) = _columns(y), _columns(x)
    xp.cuda.cublas.gemmEx(
        xp.cuda.device.get_cublas_handle(),
        *(right, left, N, M, K, ONE.ctypes.data),
        *(y.data.ptr, FLOAT32, ldy, x.data.ptr, FLOAT32, ldx, ZERO.ctypes.data),
        *(out.data.ptr, FLOAT32, N, COMPUTE[precision], ANY_ALGORITHM),
    )


def _columns(X: Any) -> Tuple[int, int]:
    """How cuBLAS reads X.T, and how far apart the columns are that it sees."""
    return (PLAIN, X.shape[1]) if X.flags.c_contiguous else (TRANSPOSED, X.shape[0])
