"""The one home of the argument checks: every backend raises the same type with the same text.

The reference calls these always. A fast backend tests the same condition cheaply in its own way and calls them only
when it has already failed, so that they find the place and word the message. Each returns None when all is well.
"""

from __future__ import annotations

import operator
import sys
from typing import Any, NoReturn, Optional, Sequence, Tuple

import numpy

from ..errors import AxisError, KindError, LengthsError, LengthsSumError, ShapeError
from ._dtypes import is_float, is_half

MOST_WORK: Any = 100_000  # steps in which to find out whether two arrays share memory


def kind_of(obj: Any) -> str:
    """What an error message calls obj: "a numpy array", "a torch tensor", or its type."""
    module = type(obj).__module__.partition(".")[0]
    if isinstance(obj, numpy.ndarray):
        return "a numpy array"
    if module == "cupy":
        return "a cupy array"
    if module in ("torch", "tensorflow", "mxnet"):
        return f"a {module} tensor"
    return type(obj).__name__


def array(op: str, name: str, X: Any, xp: Any) -> None:
    """X must be an array of the module that the ops compute with, on its current device, whose values alone say what
    is meant."""
    if isinstance(X, xp.ndarray):
        if hasattr(X, "mask"):
            raise KindError(f"{op}: {name} must be an array without a mask; got {type(X).__name__} (call .filled())")
        if hasattr(X, "A1"):  # for which X * Y is a matrix product
            raise KindError(f"{op}: {name} must be a plain array; got {type(X).__name__} (call numpy.asarray)")
        if xp is not numpy:
            device(op, name, X, xp)
        return
    if isinstance(X, numpy.ndarray) or is_cupy(X):
        move = "model.to_gpu(0) computes on the GPU" if is_cupy(X) else "model.to_cpu() computes on the CPU"
        hint = f"call model.ops.asarray; or {move}"
        raise KindError(f"{op}: {name} is {kind_of(X)} but the current ops are {xp.__name__} ({hint})")
    raise KindError(f"{op}: {name} must be a {xp.__name__} array; got {kind_of(X)} (call model.ops.asarray)")


def device(op: str, name: str, X: Any, xp: Any) -> None:
    """X, an array of CuPy, must be on the device that is current in this thread."""
    here, there = xp.cuda.runtime.getDevice(), X.data.device_id
    if there != here:
        raise KindError(
            f"{op}: {name} is on GPU {there} but GPU {here} is the current one (call set_active_gpu({there}); or move "
            f"{name} with model.ops.asarray, a model with model.to_gpu({here}))"
        )


def arrays(op: str, name: str, members: Sequence[Any], xp: Any) -> None:
    """Every member of a list must be an array of the module that the ops compute with."""
    if xp is not numpy or set(map(type, members)) != {numpy.ndarray}:  # the usual case costs one pass in C
        for i, member in enumerate(members):
            array(op, f"{name}[{i}]", member, xp)


def alike(op: str, seqs: Sequence[Any], xp: Any) -> None:
    """Sequences must be arrays of one rank (at least 1), dtype and trailing shape."""
    arrays(op, "seqs", seqs, xp)
    ranks, dtypes, shapes = zip(*{(seq.ndim, seq.dtype, seq.shape[1:]) for seq in seqs})
    at_least(op, "the number of dimensions of a sequence", min(ranks), 1)
    if len(set(ranks)) > 1:
        raise ShapeError(f"{op}: all sequences must have the same number of dimensions; got {sorted(set(ranks))}")
    if len(set(dtypes)) > 1:
        raise KindError(f"{op}: all sequences must have the same dtype; got {sorted({str(each) for each in dtypes})}")
    if len(set(shapes)) > 1:
        raise ShapeError(f"{op}: all sequences must have the same trailing shape; got {sorted(set(shapes))}")


def ndim(op: str, name: str, X: Any, want: int) -> None:
    """X must have `want` dimensions."""
    if X.ndim != want:
        raise ShapeError(f"{op}: {name} must have {want} dimensions; got shape {X.shape}")


def shape(op: str, name: str, X: Any, want: Tuple[int, ...]) -> None:
    """X must have exactly this shape."""
    if tuple(X.shape) != tuple(want):
        raise ShapeError(f"{op}: {name} must have shape {tuple(want)}; got {tuple(X.shape)}")


def same_shape(op: str, names: str, *arrays: Any) -> None:
    """All arrays must have one shape. names: "dY and Y"."""
    shapes = [tuple(X.shape) for X in arrays]
    if any(each != shapes[0] for each in shapes):
        raise ShapeError(f"{op}: {names} must have the same shape; got {' and '.join(map(str, shapes))}")


def floats(op: str, name: str, X: Any) -> None:
    """X must hold floats."""
    if not is_float(X.dtype):
        raise KindError(f"{op}: {name} must have a float dtype; got {X.dtype} (call ops.asarray_f)")


def numbers(op: str, name: str, X: Any) -> None:
    """X must hold real numbers, of which one can be the largest."""
    if X.dtype.kind not in "biuf" and not is_half(X.dtype):
        raise KindError(f"{op}: {name} must have a float or integer dtype; got {X.dtype} (call ops.asarray_f)")


def axis(op: str, value: Any, n_axes: int) -> None:
    """The axis to work along must be an integer, which a bool is not, and one of the array's."""
    if isinstance(value, (bool, numpy.bool_)):
        raise KindError(f"{op}: axis must be an integer; got {value!r}")
    if not -n_axes <= integer(op, "axis", value) < n_axes:
        raise AxisError(f"{op}: axis must be in [{-n_axes}, {n_axes}); got {value}")


def number(op: str, name: str, value: Any) -> float:
    """value as a float: a number, NumPy's too, or an array without dimensions."""
    try:
        if getattr(value, "ndim", 0) or isinstance(value, (str, bytes)):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise KindError(f"{op}: {name} must be a number; got {_shown(value)}") from None


def drop_rate(op: str, value: Any) -> float:
    """What share of the values is dropped: a number other than NaN; None is 0."""
    rate = 0.0 if value is None else number(op, "drop", value)
    if rate != rate:
        raise ValueError(f"{op}: drop must be a probability; got {rate}")
    return rate


def integer(op: str, name: str, value: Any) -> int:
    """value as an int: an integer, NumPy's too."""
    try:
        return operator.index(value)
    except TypeError:
        raise KindError(f"{op}: {name} must be an integer; got {_shown(value)}") from None


def flag(op: str, name: str, value: Any) -> bool:
    """value as a bool: anything that is true or false, which an array of several values is not."""
    try:
        return bool(value)
    except (TypeError, ValueError):
        raise KindError(f"{op}: {name} must be true or false; got {_shown(value)}") from None


def generator(op: str, rng: Any) -> Any:
    """What random numbers are drawn from: a generator of NumPy's, or the global one for None."""
    if rng is not None and not isinstance(rng, (numpy.random.Generator, numpy.random.RandomState)):
        raise TypeError(f"{op}: rng must be a numpy.random.Generator; got {type(rng).__name__}")
    return numpy.random if rng is None else rng


def _shown(value: Any) -> str:
    """value in an error message; arrays, lists and the like by what they are."""
    plain = value is None or isinstance(value, (bool, int, float, numpy.generic))
    return repr(value) if plain or (isinstance(value, (str, bytes)) and len(value) < 40) else kind_of(value)


def integers(op: str, name: str, X: Any) -> None:
    """X must hold integers of any width."""
    if X.dtype.kind not in "iu":
        raise KindError(f"{op}: {name} must have an integer dtype; got {X.dtype} (call ops.asarray_i)")


def host(op: str, name: str, values: Any) -> Any:
    """values, an array or nested lists, as a NumPy array; rows of several lengths make none."""
    try:
        return numpy.asarray(values)
    except ValueError:
        raise KindError(f"{op}: {name} must be integers; got a {kind_of(values)} of lists of several lengths") from None


def same_dtype(op: str, names: str, *arrays: Any) -> None:
    """All arrays must have one dtype, in any order of bytes. names: "x and y"."""
    dtypes = [X.dtype.newbyteorder("=") for X in arrays]
    if any(each != dtypes[0] for each in dtypes):
        raise KindError(f"{op}: {names} must have the same dtype; got {' and '.join(map(str, dtypes))}")


def writable(op: str, name: str, X: Any) -> None:
    """X, which the op is about to overwrite, must not be read-only, nor have two elements in one place."""
    if not getattr(X.flags, "writeable", True):
        raise ShapeError(f"{op}: {name} is overwritten and must be writable; got a read-only array (pass a copy)")
    if _overlaps_itself(X):
        found = f"got shape {tuple(X.shape)} with strides {tuple(X.strides)} (pass a copy)"
        raise ShapeError(f"{op}: {name} is overwritten and must have a place for each element; {found}")


def _overlaps_itself(X: Any) -> bool:
    """Whether two elements lie in the same bytes, as in a broadcast array or in windows over one."""
    extent = X.itemsize
    for stride, n in sorted((abs(stride), n) for stride, n in zip(X.strides, X.shape)):
        if stride < extent and n > 1:
            break
        extent += stride * max(n - 1, 0)
    else:
        return False
    if X.size == 0:
        return False
    starts = numpy.zeros((), dtype="int64")  # axes that are threaded through each other may still be apart
    for stride, n in zip(X.strides, X.shape):
        starts = starts[..., None] + numpy.arange(n) * stride
    return bool((numpy.diff(numpy.sort(starts, axis=None)) < X.itemsize).any())


def apart(op: str, name: str, changed: Any, /, **others: Any) -> None:
    """An array that is changed before all of the others have been read must share no memory with them."""
    for other, value in others.items():
        if _share_memory(changed, value):
            raise ShapeError(f"{op}: {name} is overwritten and must share no memory with {other} (pass a copy)")


def _share_memory(X: Any, Y: Any) -> bool:
    """Whether an element of X lies where one of Y does."""
    if not isinstance(X, numpy.ndarray):
        if is_cupy(X) and is_cupy(Y) and X.data.device_id != Y.data.device_id:
            return False
        return bool(is_cupy(X) and sys.modules["cupy"].shares_memory(X, Y))
    if not numpy.may_share_memory(X, Y):
        return False
    try:
        return bool(numpy.shares_memory(X, Y, max_work=MOST_WORK))
    except RuntimeError:  # too intricate to tell
        return True


def at_least(op: str, name: str, value: Any, minimum: int) -> None:
    """A count, window or size must be an integer and not below its minimum."""
    if integer(op, name, value) < minimum:
        raise ValueError(f"{op}: {name} must be >= {minimum}; got {value}")


def one_of(op: str, name: str, value: Any, choices: Sequence[str]) -> None:
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{op}: {name} must be one of {', '.join(choices)}; got {value!r}")


def lengths(op: str, values: Any, n_rows: Optional[int], minimum: int = 0) -> None:
    """Each length must be >= minimum and together they must cover n_rows rows (None: as many as they say).

    values: (B,) integers on the host. Rows are consumed from left to right and the first fault is reported.
    RAISES: LengthsError (ValueError) for a length below minimum; LengthsSumError (IndexError) for a wrong total.
    """
    ends = numpy.cumsum(values, dtype="int64")
    low = values < minimum
    past = ends < 0  # where the sum is beyond what 64 bits hold, or a length is negative, which low finds too
    if n_rows is not None:
        past |= ends > n_rows
    total = int(ends[-1]) if ends.size else 0
    if (low | past).any():
        first = int((low | past).argmax())
        if low[first]:
            raise bad_length(op, minimum, int(values[first]), first)
        raise bad_sum(op, sum(values[: first + 1].tolist()), n_rows)
    if n_rows is not None and total != n_rows:
        raise bad_sum(op, total, n_rows)


def bad_length(op: str, minimum: int, value: int, position: int) -> LengthsError:
    """The error for a length that was found below the minimum."""
    bound = "> 0" if minimum == 1 else f">= {minimum}"
    hint = " (use reduce_sum for empty sequences)" if op == "reduce_max" and value == 0 else ""
    return LengthsError(f"{op}: all sequence lengths must be {bound}; got {value} at position {position}{hint}")


def bad_sum(op: str, total: int, n_rows: Optional[int]) -> LengthsSumError:
    """The error for lengths that do not cover the rows there are. total: of those up to the first one beyond them.
    n_rows: None: as many as there can be."""
    if n_rows is None:
        return LengthsSumError(f"{op}: lengths must sum up to a number of rows below 2^63; got a sum of {total}")
    return LengthsSumError(f"{op}: lengths must sum up to the number of rows; got a sum of {total} for {n_rows} rows")


def bad_which(op: str, value: int, where: Sequence[int], limit: int) -> IndexError:
    """The error for a row that was found outside of its sequence. where: [sequence, column]."""
    place = f"for the sequence at position {where[0]}; got {value} at {where}"
    return IndexError(f"{op}: which must be in [0, {limit}) {place}")


def indices(op: str, name: str, values: Any, limit: int) -> None:
    """Each index must be in [0, limit). values: any integer array."""
    bad = (values < 0) | (values >= limit)
    if bad.any():
        raise bad_index(op, name, bad.shape, *_first_flat(bad, values), limit)


def bad_index(op: str, name: str, shape: Tuple[int, ...], value: int, position: int, limit: int) -> IndexError:
    """The error for an index that was found outside [0, limit). position: in the flattened array of this shape."""
    where = [int(i) for i in numpy.unravel_index(position, shape)]
    return IndexError(f"{op}: {name} must be in [0, {limit}); got {value} at {where}")


def which_in_lengths(op: str, which: Any, lengths: Any) -> None:
    """which (B, O) must point into the sequence of its row: 0 <= which[b] < lengths[b]."""
    bad = (which < 0) | (which >= lengths[:, None])
    if bad.any():
        value, flat = _first_flat(bad, which)
        where = [int(i) for i in numpy.unravel_index(flat, bad.shape)]
        raise bad_which(op, value, where, int(lengths[where[0]]))


def _first_flat(bad: Any, values: Any) -> Tuple[int, int]:
    """Value of the first fault and its position in the flattened array."""
    flat = int(bad.ravel().argmax())
    return int(values[numpy.unravel_index(flat, bad.shape)]), flat


def gemm(op: str, x: Any, y: Any, trans1: bool, trans2: bool) -> None:
    """x and y, transposed when asked, must be float matrices of one dtype that fit."""
    ndim(op, "x", x, 2)
    ndim(op, "y", y, 2)
    floats(op, "x", x)
    same_dtype(op, "x and y", x, y)
    inner1, inner2 = x.shape[0 if trans1 else 1], y.shape[1 if trans2 else 0]
    if inner1 != inner2:
        left, right = "x.T" if trans1 else "x", "y.T" if trans2 else "y"
        found = f"got {left} {_flip(x.shape, trans1)} and {right} {_flip(y.shape, trans2)}"
        raise ShapeError(f"{op}: Shape mismatch, inner dimensions must agree; {found}")


def _flip(shape: Tuple[int, ...], trans: bool) -> Tuple[int, ...]:
    return tuple(reversed(shape)) if trans else tuple(shape)


def affine(op: str, X: Any, W: Any, b: Any) -> None:
    """X (B, I), W (..., I) and b (...) must be float arrays of one dtype that fit."""
    ndim(op, "X", X, 2)
    floats(op, "X", X)
    same_dtype(op, "X, W and b", X, W, b)
    if X.shape[1] != W.shape[-1]:
        found = f"got X {tuple(X.shape)} and W {tuple(W.shape)}"
        raise ShapeError(f"{op}: Shape mismatch, X and W must have the same last dimension; {found}")
    shape(op, "b", b, W.shape[:-1])


def out(op: str, name: str, out: Any, xp: Any, want: Tuple[int, ...], dtype: Any) -> None:
    """The caller's array for a result must be writable and of the result's shape and dtype (None: any floats)."""
    array(op, name, out, xp)
    shape(op, name, out, want)
    if dtype is None:
        floats(op, name, out)
    elif out.dtype.newbyteorder("=") != dtype.newbyteorder("="):
        raise KindError(f"{op}: {name} must have dtype {dtype}; got {out.dtype}")
    writable(op, name, out)


def outs(op: str, out: Any, n: int) -> None:
    """For n results there must be a tuple of as many arrays, which share no memory with each other, or None in it."""
    if type(out) is not tuple or len(out) != n:
        found = f"one of {len(out)}" if type(out) is tuple else kind_of(out)
        raise KindError(f"{op}: out must be a tuple of {n} arrays; got {found}")
    for i, each in enumerate(out):
        for j in range(i):
            if hasattr(each, "dtype") and hasattr(out[j], "dtype"):
                apart(op, f"out[{j}]", out[j], **{f"out[{i}]": each})


def divisible(op: str, width: int, windows: int) -> None:
    """The width of dY must be a multiple of the window."""
    if width % windows:
        raise ShapeError(f"{op}: the width of dY must be a multiple of 2 * nW + 1 = {windows}; got {width}")


def lists(op: str, least: int = 0, /, **given: Any) -> None:
    """There must be lists or tuples of one length, which is not below the least."""
    for name, each in given.items():
        if not isinstance(each, (list, tuple)):
            raise KindError(f"{op}: {name} must be a list; got {kind_of(each)}")
    counts = [len(each) for each in given.values()]
    if len(set(counts)) > 1 or counts[0] < least:
        names, found = (f"{', '.join(map(str, most))} and {last}" for *most, last in (given, counts))
        more = f", at least {least}" if least else ""
        raise ShapeError(f"{op}: {names} must be lists of one length{more}; got {found}")


def whole_numbers(op: str, name: str, values: Sequence[Any]) -> Any:
    """Numbers of a list, which must be integers, as an array of Python's own, as large as they are."""
    for value in values:
        if not hasattr(value, "__index__") or isinstance(value, (bool, numpy.bool_)):
            raise KindError(f"{op}: {name} must be integers; got {value!r}")
    return numpy.array([operator.index(value) for value in values], dtype=object)


def seed(op: str, value: int, bits: int = 32) -> int:
    """The seed of a hash is an unsigned 32-bit number, that of dropout has 53 bits."""
    if not 0 <= integer(op, "seed", value) < 2**bits:
        raise OverflowError(f"{op}: seed must be in [0, {2**bits}); got {value}")
    return int(value)


def reword(op: str, error: Exception) -> NoReturn:
    """Raise what Python or NumPy said of an argument with the name of the op in front, as one of the usual types.

    An error of another type stays as it is, because no argument is to blame: a fault of ours (AttributeError,
    NameError, AssertionError), a lack of memory, a warning that the caller has made an error. So does what begins with
    the name already.
    """
    kinds = (AxisError, LengthsSumError, OverflowError, IndexError, NotImplementedError, ValueError, TypeError)
    kind = next((kind for kind in kinds if isinstance(error, kind)), None)
    if kind is None or str(error).startswith(f"{op}:"):
        raise error
    if kind is TypeError:
        kind = KindError
    raise kind(f"{op}: {str(error) or type(error).__name__}") from error


def is_cupy(X: Any) -> bool:
    """Whether X is a CuPy array, found without importing CuPy."""
    cupy = sys.modules.get("cupy")
    return cupy is not None and isinstance(X, getattr(cupy, "ndarray", ()))


def affine_buffers(op: str, X: Any, W: Any, dW: Any, db: Any, **more: Any) -> None:
    """dW and db, which collect the gradients of W and b, must be writable, shaped like them and apart from the rest."""
    same_shape(op, "W and dW", W, dW)
    shape(op, "db", db, W.shape[:-1])
    same_dtype(op, "X, W, dW and db", X, W, dW, db)
    writable(op, "dW", dW)
    writable(op, "db", db)
    apart(op, "dW", dW, X=X, W=W, db=db, **more)
    apart(op, "db", db, X=X, W=W, **more)


def padded(op: str, value: Any, xp: Any) -> None:
    """value must have the arrays of a Padded that padded2list looks at."""
    if not all(hasattr(value, name) for name in ("data", "lengths", "indices")):
        raise KindError(f"{op}: padded must be a Padded; got {kind_of(value)}")
    array(op, "data", value.data, xp)
    at_least(op, "the number of dimensions of data", value.data.ndim, 2)
