"""What the methods that launch kernels need to look at arrays: dtype, layout, overlap, new arrays.

Nothing here raises: a question that has the wrong answer gives None or False, and the caller hands its arguments to the
reference, which computes with array code or words the error.
"""

from __future__ import annotations

from typing import Any, Dict, Optional, Sequence, Tuple

import numpy

from .. import checks
from ..ops import Ops

FLOATS: Dict[Any, str] = {numpy.dtype(f"float{bits}"): f"f{bits}" for bits in (16, 32, 64)}
INTEGERS: Dict[Any, str] = {numpy.dtype("int32"): "i32", numpy.dtype("int64"): "i64"}
WIDER = {"int8": "int32", "uint8": "int32", "int16": "int32", "uint16": "int32", "uint32": "int64"}
MOST_PERIODS = 1e7  # beyond, the angle of a step is not exact enough
LANES = {"f16": 8, "bf16": 8, "f32": 4, "f64": 2}  # elements in 16 bytes


def suffix(ops: Any, *arrays: Any) -> Optional[str]:
    """How kernels call the float dtype that all of the arrays have: f32, f64, f16, bf16. None when they have none."""
    kind, first = getattr(ops.xp, "ndarray", None), arrays[0]  # without CuPy there is no array that fits
    for X in arrays:
        if type(X) is not kind:
            return None
    dtype = first.dtype
    for X in arrays[1:]:
        if X.dtype != dtype:
            return None
    if ops._several is not False and not here(ops, *arrays):
        return None
    found = FLOATS.get(dtype)
    if found is None and dtype.name == "bfloat16":
        found = FLOATS[dtype] = "bf16"
    return found


def here(ops: Any, *arrays: Any) -> bool:
    """Whether all arrays are on the current device. Asked only where there are several, which is found out once."""
    runtime = ops.xp.cuda.runtime
    if ops._several is None:
        ops._several = runtime.getDeviceCount() > 1
    number = runtime.getDevice()
    for X in arrays:
        if X.data.device_id != number:
            return False
    return True


def same_shape(first: Any, *more: Any) -> bool:
    shape = first.shape
    for X in more:
        if X.shape != shape:
            return False
    return True


def contig(ops: Any, X: Any) -> Any:
    """X, or a copy of it in C order at an address that is a multiple of the size of its elements."""
    if X.flags.c_contiguous and X.data.ptr % X.itemsize == 0:
        return X
    return ops.xp.array(X, order="C", copy=True)


def plain(X: Any) -> bool:
    """Whether a kernel can write to X as it is."""
    return bool(X.flags.c_contiguous and X.data.ptr % X.itemsize == 0 and getattr(X.flags, "writeable", True))


def indices(ops: Any, values: Any) -> Tuple[Any, str]:
    """An array of integers in C order, and how kernels call its dtype; (None, "") when it is none."""
    if type(values) is not getattr(ops.xp, "ndarray", None) or (ops._several is not False and not here(ops, values)):
        return None, ""
    found = INTEGERS.get(values.dtype)
    if found is not None:
        return contig(ops, values), found
    wide = WIDER.get(values.dtype.name)
    return (None, "") if wide is None else (ops.xp.array(values, dtype=wide, order="C"), INTEGERS[numpy.dtype(wide)])


def apart(X: Any, Y: Any) -> bool:
    """Whether two arrays in C order share no memory."""
    x, y = X.data.ptr, Y.data.ptr
    return bool(x + X.nbytes <= y or y + Y.nbytes <= x)


def fits(ops: Any, out: Any, shape: Tuple[int, ...], dtype: Any, *read: Any) -> bool:
    """Whether out is None, or like the new array of this shape and dtype and apart from the arrays that are read."""
    if out is None:
        return True
    return (
        type(out) is ops.xp.ndarray
        and (ops._several is False or here(ops, out))
        and out.dtype == dtype
        and out.shape == shape
        and plain(out)
        and all(apart(out, X) for X in read)
    )


def fits_both(ops: Any, out: Any, shape: Any, dtype: Any, shape2: Any, dtype2: Any, *read: Any) -> Optional[Tuple]:
    """The arrays to write two results into, None for a new one; None instead of the pair when one does not fit."""
    if out is None:
        return None, None
    if type(out) is not tuple or len(out) != 2:
        return None
    first, second = out
    both = () if first is None else (first,)
    return out if fits(ops, first, shape, dtype, *read) and fits(ops, second, shape2, dtype2, *read, *both) else None


def target(ops: Any, out: Any, shape: Tuple[int, ...], dtype: Any) -> Any:
    """out, or a new array for None."""
    return ops.xp.empty(shape, dtype=dtype) if out is None else out


def wide_empty(ops: Any, shape: Tuple[int, ...], dtype: Any) -> Any:
    """A new array of what numbers of this dtype are computed with."""
    return ops.xp.empty(shape, dtype="float64" if dtype.itemsize == 8 else "float32")


def outs_of(out: Any, n: int) -> Optional[Tuple[Any, ...]]:
    """The n arrays of `out`, or None for each; None when it is no such tuple."""
    if out is None:
        return (None,) * n
    return out if type(out) is tuple and len(out) == n else None


def all_apart(arrays: Sequence[Any]) -> bool:
    """Whether those of the arrays that are not None share no memory with each other."""
    given = [X for X in arrays if X is not None]
    return all(apart(X, Y) for i, X in enumerate(given) for Y in given[:i])


def shares(device: Any, rows: int, least: int) -> Tuple[int, int]:
    """Into how many shares rows are cut for sums of their columns, and how many rows each has, but for the last."""
    most = max(1, device.most_blocks // 4)
    share = -(-rows // min(most, -(-rows // least)))
    return -(-rows // share), share


def flag(value: Any) -> Optional[bool]:
    """Whether value is true; None when it is neither true nor false."""
    if type(value) is bool:
        return value
    try:
        return bool(value)
    except (TypeError, ValueError):
        return None


def count(value: Any, least: int = 0) -> Optional[int]:
    """value, a plain int that is not below the least; None when it is something else."""
    return value if type(value) is int and value >= least else None


def numbers(values: Sequence[Any]) -> Optional[Tuple[float, ...]]:
    """The values as floats; None when one is no number."""
    try:
        return tuple(value if type(value) is float else checks.number("", "", value) for value in values)
    except TypeError:
        return None


@numpy.errstate(all="ignore")
def frequencies_of(periods: Any, kind: str) -> Tuple[Any, float]:
    """What kernels want to know of angles step / period, and up to how many steps they are exact enough.

    That are the turns from step to step times 2^64, modulo 2^64; in f64 the periods.
    """
    most = MOST_PERIODS * periods.min() if (periods > 0).all() and (periods < float("inf")).all() else -1
    if kind == "f64" or most < 0:
        return periods, most
    return (numpy.fmod(1 / (2 * numpy.pi * periods), 1) * 2.0**64).astype("uint64"), most


def map_elements(ops: Any, stem: str, op: str, arrays: Tuple[Any, ...], inplace: Any, out: Any, *more: Any) -> Any:
    """Y = f(arrays), elementwise, into the first of them when inplace. more: the op's numbers, in its order.

    The kernel is <op>_<suffix>(Y, arrays..., n, more...).
    """
    kind, given = suffix(ops, *arrays), numbers(more) if more else ()
    if kind is None or given is None or not same_shape(*arrays):
        return _reference(ops, op, arrays, inplace, out, more)
    first = arrays[0]
    read = [contig(ops, X) for X in arrays]
    if inplace is False and out is None:
        Y = ops.xp.empty(first.shape, dtype=first.dtype)
    else:
        Y = over(ops, first, read, flag(inplace), out)
        if Y is None:
            return _reference(ops, op, arrays, inplace, out, more)
    size = Y.size
    if size:
        ops._device().launch(stem, f"{op}_{kind}", -(-size // LANES[kind]), Y, *read, size, *given)
    return Y


def over(ops: Any, first: Any, read: Sequence[Any], into: Optional[bool], out: Any) -> Any:
    """What an elementwise kernel that reads these arrays writes to, the first of them or out; None when it cannot.

    It reads an element before it writes it, so an array that it reads may lie exactly there, but not overlap.
    """
    if into is None or (into and (out is not None or not plain(first))):
        return None
    if not fits(ops, out, first.shape, first.dtype):
        return None
    Y = first if into else target(ops, out, first.shape, first.dtype)
    return Y if all(X.data.ptr == Y.data.ptr or apart(X, Y) for X in read) else None


def _reference(ops: Any, op: str, arrays: Tuple[Any, ...], inplace: Any, out: Any, more: Tuple[Any, ...]) -> Any:
    options = {} if inplace is False else {"inplace": inplace}  # not every op has it
    return getattr(Ops, op)(ops, *arrays, *more, out=out, **options)
