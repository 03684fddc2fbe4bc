"""Products by cuBLAS that CuPy's own functions do not ask for: of 16-bit matrices, which are summed in float32 and
rounded once or not at all, and of float32 ones with fewer bits (CuPy knows TF32 only, and for the whole process)."""

from __future__ import annotations

from typing import Any, Tuple

import numpy

# Numbers of cuBLAS's interface: cudaDataType_t, cublasComputeType_t, cublasOperation_t, cublasGemmAlgo_t.
TYPES = {"float32": 0, "float16": 2, "bfloat16": 14}
COMPUTE = {"float32": 68, "float16": 74, "bfloat16": 75, "tf32": 77}  # CUBLAS_COMPUTE_32F, ..._32F_FAST_...
PLAIN, TRANSPOSED, ANY_ALGORITHM = 0, 1, -1
NUMBERS = numpy.array([0, 1], "float32")
# Of a GPU that cuBLAS multiplies 16-bit matrices on, and of one that is faster with fewer bits.
LEAST_CAPABILITY = {"float16": 53, "bfloat16": 80}
LEAST_FAST_CAPABILITY = {"float16": 70, "bfloat16": 80, "tf32": 80}


def is_faster(ops: Any, precision: str) -> bool:
    """Whether the current device has units for products of float32 matrices with that precision."""
    return bool(ops._device().capability >= LEAST_FAST_CAPABILITY.get(precision, numpy.inf))


def multiply_fast(ops: Any, x: Any, y: Any, out: Any, precision: str, add: bool = False) -> None:
    """out = x @ y, plus what out holds if add, of float32 matrices.

    out is in C order, the others too, or they are transposed views of such matrices.
    """
    _gemm(ops, x, y, out, COMPUTE[precision], add)


def multiply_half(ops: Any, x: Any, y: Any, out: Any, add: bool = False) -> None:
    """The same of 16-bit matrices; out has their dtype or float32."""
    if ops._device().capability < LEAST_CAPABILITY[x.dtype.name]:
        product = ops.xp.dot(x.astype("float32"), y.astype("float32"))
        out[...] = product + out.astype("float32") if add else product
    else:
        _gemm(ops, x, y, out, COMPUTE["float32"], add)


def _gemm(ops: Any, x: Any, y: Any, out: Any, compute: int, add: bool) -> None:
    """cuBLAS has columns where C has rows: what it is asked for is out.T = y.T @ x.T."""
    (M, N), K, kind = out.shape, x.shape[1], TYPES[x.dtype.name]
    (right, ldy), (left, ldx), (none, one) = _columns(y), _columns(x), (each.ctypes.data for each in NUMBERS[:, None])
    ops.xp.cuda.cublas.gemmEx(
        ops.xp.cuda.device.get_cublas_handle(),
        *(right, left, N, M, K, one, y.data.ptr, kind, ldy, x.data.ptr, kind, ldx),
        *(one if add else none, out.data.ptr, TYPES[out.dtype.name], N, compute, ANY_ALGORITHM),
    )


def _columns(X: Any) -> Tuple[int, int]:
    """How cuBLAS reads X.T, and how far apart the columns are that it sees."""
    return (PLAIN, X.shape[1]) if X.flags.c_contiguous else (TRANSPOSED, X.shape[0])
