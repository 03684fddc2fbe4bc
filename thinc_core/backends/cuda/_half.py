"""Products of 16-bit matrices: read as they are, summed in float32 and rounded once, or not at all."""

from __future__ import annotations

from typing import Any, Tuple

import numpy

# Numbers of cuBLAS's interface: cudaDataType_t, cublasOperation_t, cublasComputeType_t, cublasGemmAlgo_t.
TYPES = {"float32": 0, "float16": 2, "bfloat16": 14}
PLAIN, TRANSPOSED, COMPUTE_32F, ANY_ALGORITHM = 0, 1, 68, -1
LEAST_CAPABILITY = {"float16": 53, "bfloat16": 80}  # of a GPU that cuBLAS multiplies them on
NUMBERS = numpy.array([0, 1], "float32")


def multiply_half(ops: Any, x: Any, y: Any, out: Any, add: bool = False) -> Any:
    """out = x @ y, plus what out holds if add. x, y: 16-bit, in C order or transposed views of such matrices.
    out: of their dtype or float32, in C order.

    cuBLAS has columns where C has rows: what it is asked for is out.T = y.T @ x.T.
    """
    dtype, (M, N), K = x.dtype.name, out.shape, x.shape[1]
    if ops._device().capability < LEAST_CAPABILITY[dtype]:
        product = ops.xp.dot(x.astype("float32"), y.astype("float32"))
        out[...] = product + out.astype("float32") if add else product
        return out
    (right, ldy), (left, ldx), (none, one) = _columns(y), _columns(x), (each.ctypes.data for each in NUMBERS[:, None])
    ops.xp.cuda.cublas.gemmEx(
        ops.xp.cuda.device.get_cublas_handle(),
        *(right, left, N, M, K, one, y.data.ptr, TYPES[dtype], ldy, x.data.ptr, TYPES[dtype], ldx),
        *(one if add else none, out.data.ptr, TYPES[out.dtype.name], N, COMPUTE_32F, ANY_ALGORITHM),
    )
    return out


def _columns(X: Any) -> Tuple[int, int]:
    """How cuBLAS reads X.T, and how far apart the columns are that it sees."""
    return (PLAIN, X.shape[1]) if X.flags.c_contiguous else (TRANSPOSED, X.shape[0])
