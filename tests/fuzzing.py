"""Arguments of every kind for backends/test_ops_fuzz.py: valid ones are made, then spoilt a few times.

Every array lies in a buffer of its own, in a layout drawn by chance. The bytes around and between its elements are
0xFF: NaN for a kernel that reads too far, and changed by one that writes too far.
"""

from __future__ import annotations

import inspect
import random
import re
import warnings
from typing import Any, Callable, Dict, List

import numpy
from case_arguments import Args, Draw
from cases import CASES
from running import copied

from thinc_core.backends import Ops
from thinc_core.backends.reference.lstm import LSTMState

MARGIN = 64  # bytes, as wide as the widest vector register
# More than any memory holds, so that no call takes long, and more than 64 bits hold.
HUGE = (2**50, 2**61, 2**62, 2**63 - 1, 2**63, 2**64 + 1, -(2**62), -(2**63) - 1)
NUMBERS = (-2, -1, 0, 1, 2, 3, 25, True, 0.5, -1.5, 1e-300, 1e300, numpy.inf, -numpy.inf, numpy.nan)
NUMBERS += (None, "x", (2,), numpy.int64(2), numpy.float32(0.5), numpy.ones(2), *HUGE)  # type: ignore[assignment]
FLAGS = (False, True, 0, 1, 2, None, numpy.ones(2))
NOTHING = (None, 1.5, 3, "x", b"x", [], [1.0, 2.0], (1, 2), {}, [[1, 2], [3]], object)
DTYPES = "e f d g b B h H i I l L ? O F S3 M8[s] >f2 >f4 >f8 >i4 >i8".split() + [[("a", "<f4"), ("b", "<i2")]]
LAYOUTS = ("C", "C", "tight", "tight", "F", "F", "strided", "strided", "negative", "negative", "unaligned", "unaligned")
LAYOUTS += ("readonly", "swapped", "repeated", "windows", "masked", "matrix", "subclass")
VALUES = (numpy.nan, numpy.inf, -numpy.inf, 0.0, -0.0, 1e-40, 1e30, -1e30, 1e300)
# Of the indices some would be right if a cast wrapped them round; a length also says how large the result will be.
INDICES = (-1, -2, 1, 3, 10, 11, 255, 2**31, 2**32, 2**32 + 1, -(2**31), 2**50, 2**62, -(2**63), 2**63 - 1)
LENGTHS = tuple(value for value in INDICES if not 1000 < value < 2**50)
SIZING = ("lengths", "lasts", "starts_ends", "size_at_t", "data")
Maker = Callable[[Draw], Args]


class Subclass(numpy.ndarray):
    """An array whose operators mean the same: numpy.memmap is another one."""


class Placed:
    """An array that notices what is written beside it. `array` is what the op is given."""

    def __init__(self, values: Any, layout: str):
        if layout == "swapped":
            values = values.astype(values.dtype.newbyteorder())
        if layout in ("repeated", "windows") and not (values.ndim and values.size):
            layout = "C"
        if layout == "tight" or values.dtype.hasobject:  # in memory of its own, as AddressSanitizer wants it
            self.array, self.buffer, self.owned = values.copy(), numpy.zeros(0, "uint8"), numpy.zeros(0, bool)
        else:
            self._surround(values, layout)
        self.array.flags.writeable = layout != "readonly"
        if layout == "masked":
            self.array = numpy.ma.array(self.array, mask=False, copy=False)
        elif layout == "subclass" or (layout == "matrix" and values.ndim == 2):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # numpy.matrix is to go
                self.array = self.array.view(Subclass if layout == "subclass" else numpy.matrix)
        self.before, self.bytes = numpy.array(self.array), self.buffer.copy()

    def _surround(self, values: Any, layout: str) -> None:
        strides, extent = [0] * values.ndim, values.itemsize * (3 if layout == "strided" else 1)
        for axis in range(values.ndim) if layout == "F" else reversed(range(values.ndim)):
            if layout == "repeated" and axis == 0:
                strides[axis] = 0
            elif layout == "windows":  # one element further on, along every axis
                strides[axis], extent = values.itemsize, extent + values.itemsize * values.shape[axis]
            else:
                strides[axis], extent = extent, extent * max(values.shape[axis], 1)
        start = MARGIN + (layout == "unaligned")
        self.buffer = numpy.full(start + extent + MARGIN, 0xFF, dtype="uint8")
        if layout == "negative":
            start += sum(stride * max(n - 1, 0) for stride, n in zip(strides, values.shape))
            strides = [-stride for stride in strides]
        self.array = numpy.ndarray(values.shape, values.dtype, self.buffer, start, tuple(strides))
        self.owned = numpy.zeros(self.buffer.size, bool)
        item = numpy.dtype(("V", values.itemsize))
        numpy.ndarray(values.shape, item, self.owned, start, tuple(strides))[...] = b"\1" * values.itemsize
        self.array[...] = values

    def spilt(self) -> bool:
        """Whether something was written beside the elements."""
        return bool((self.buffer != self.bytes)[~self.owned].any())

    def changed(self) -> bool:
        """Whether an element is not what it was."""
        if self.array.dtype.hasobject:
            return any(a is not b for a, b in zip(self.array.flat, self.before.flat))
        return numpy.array(self.array).tobytes() != self.before.tobytes()


def by_annotation(op: str) -> Maker:
    """Valid arguments, as far as the annotations of an op without a row in cases.py tell."""

    def make(d: Draw) -> Args:
        parameters = list(inspect.signature(getattr(Ops, op)).parameters.values())[1:]
        return {p.name: _annotated(d, p) for p in parameters if p.kind is not p.VAR_POSITIONAL}

    return make


def _annotated(d: Draw, parameter: inspect.Parameter) -> Any:
    kind = str(parameter.annotation).replace("Optional[", "")
    rank = int(next((c for c in kind if c.isdigit()), "2"))
    shape = (d.rows, d.width, 2, 1)[:rank]
    if parameter.default is not parameter.empty:
        return parameter.default
    if kind.startswith(("Sequence[Array", "List[Array", "Union[Floats", "Union[Ints", "list")):
        return [d.floats(*(n, *shape[1:])) for n in (2, 0, d.rows)][: d.rows + 1]
    if kind.startswith(("List[int", "Ints")):
        return d.ints(*shape, below=d.rows + 1) if rank > 1 or not kind.startswith("Ints1") else d.lengths(d.rows, 0)
    if kind.startswith(("Union[int, Tuple", "tuple", "Tuple")):
        return (d.rows, d.width)
    return d.rows if kind == "int" else 0.5 if kind == "float" else d.floats(*shape)


def _lstm(d: Draw) -> Args:
    return next(case for case in CASES if case.op == "lstm_forward_inference").make(d)


def _backprop_lstm(d: Draw) -> Args:
    args = _lstm(d)
    Y, state = Ops().lstm_forward_training(**args)
    return {"dY": Y, "lengths": args["size_at_t"], "params": args["params"], "fwd_state": state}


def _padded(d: Draw) -> Args:
    return {"padded": Ops().list2padded([d.floats(n, d.width) for n in range(1, d.rows + 1)])}


MAKERS: Dict[str, List[Maker]] = {
    "lstm_forward_training": [_lstm],
    "backprop_lstm": [_backprop_lstm],
    "backprop_lstm_states": [_backprop_lstm],
    "padded2list": [_padded],
    "insert_into": [lambda d: {"shape": (3, d.rows, d.width), "Xs": [d.floats(d.rows, d.width) for _ in range(3)]}],
    "unpad": [lambda d: {"padded": d.floats(2, d.rows, d.width), "lengths": [d.rows, d.rows // 2]}],
    "minibatch": [lambda d: {"size": 2, "sequence": d.floats(d.rows, d.width), "shuffle": False, "buffer": 1}],
    "multibatch": [lambda d: {"size": 2, "sequence": d.floats(d.rows, d.width), "shuffle": False, "buffer": 1}],
}
for _case in CASES:
    MAKERS.setdefault(_case.op, []).append(_case.make)
OPS = sorted(name for name, _ in inspect.getmembers(Ops, inspect.isfunction) if not name.startswith("_"))
OPS.remove("cblas")  # takes no arguments and returns a table, which only CPU backends have


def named_as(op: str) -> str:
    """The name of an op in its errors: some are another op with some of its arguments."""
    op = re.sub(r"(relu_k|hard_sigmoid|hard_tanh)$", "clipped_linear", op)
    return re.sub(r"^(alloc|asarray|reshape).*", r"\1", op)


def spoil(rng: random.Random, args: Args) -> None:
    """Make one argument another one, of a kind drawn by chance."""
    name = rng.choice(sorted(args))
    value = args[name]
    if isinstance(value, LSTMState):
        fields = value._asdict()
        spoil(rng, fields)
        args[name] = LSTMState(**fields)
    elif isinstance(value, numpy.ndarray):
        how = rng.choice((_other_dtype, _other_shape, _other_shape, _other_values, _other_values, _nothing))
        args[name] = how(rng, value, name)
    else:
        args[name] = rng.choice(
            FLAGS if isinstance(value, bool) else NUMBERS if isinstance(value, (int, float)) else NOTHING
        )


def _nothing(rng: random.Random, value: Any, name: str) -> Any:
    return rng.choice(NOTHING)


def _other_dtype(rng: random.Random, value: Any, name: str) -> Any:
    if value.dtype.kind not in "fiu":
        return value
    with numpy.errstate(all="ignore"):
        if value.dtype.kind in "iu" and rng.random() < 0.7:
            return value.astype(rng.choice("bBhHiIlL"))
        dtype = numpy.dtype(rng.choice(DTYPES))
        return value.astype("i8").astype(dtype) if dtype.kind == "M" else value.astype(dtype)


def _other_shape(rng: random.Random, value: Any, name: str) -> Any:
    """One more or one less in one dimension, or one dimension more, less or gone to nothing."""
    if value.ndim == 0 or rng.random() < 0.3:
        return rng.choice((value[None], value[..., None], value.reshape(-1), numpy.resize(value, ())))
    axis = rng.randrange(value.ndim)
    n = max(value.shape[axis] + rng.choice((-1, 1, 1, 5, -1000)), 0)
    shape = list(value.shape)
    shape[axis] = n
    return numpy.resize(value, shape)


def _other_values(rng: random.Random, value: Any, name: str) -> Any:
    value = value.copy()
    if value.size and value.dtype.kind == "f":
        with numpy.errstate(all="ignore"):
            value.flat[rng.randrange(value.size)] = rng.choice(VALUES)
    elif value.size and value.dtype.kind in "iu":
        value = value.astype(rng.choice(("i4", "i8", "u8", "i8")))
        wrong = rng.choice(LENGTHS if name in SIZING else INDICES)
        value.flat[rng.randrange(value.size)] = numpy.array([wrong]).astype("i8").astype(value.dtype)[0]
    return value


def an_out(op: str, args: Args) -> Any:
    """Arrays of other values for the result of an op on these arguments; None when it raises."""
    given = {name: value for name, value in copied(args).items() if name not in ("inplace", "out")}
    try:
        with numpy.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = getattr(Ops(), op)(**given)
    except Exception:
        return None
    if isinstance(result, tuple):
        return tuple(numpy.full_like(array, 7) if isinstance(array, numpy.ndarray) else None for array in result)
    return numpy.full_like(result, 7)


def share(rng: random.Random, args: Args) -> str:
    """Give one argument the memory of another: all of it, or from its second element on. The name of the argument."""
    arrays = {name: value for name, value in args.items() if type(value) is numpy.ndarray and value.size}
    name = rng.choice(sorted(arrays) or [""])
    others = [value for other, value in arrays.items() if other != name]
    if not others:
        return ""
    flat = rng.choice(others).reshape(-1)[rng.choice((0, 0, 1)) :]
    value = arrays[name]
    if value.size > flat.size or value.dtype != flat.dtype:
        return ""
    args[name] = flat[: value.size].reshape(value.shape)
    return name


def placed(rng: random.Random, value: Any, boxes: List[Placed], calm: bool) -> Any:
    """value with every array in it placed in a buffer of its own; the boxes are collected."""
    if type(value) in (list, tuple):
        return type(value)(placed(rng, each, boxes, calm) for each in value)
    if not isinstance(value, numpy.ndarray):
        return value
    boxes.append(Placed(value, "C" if calm else rng.choice(LAYOUTS)))
    return boxes[-1].array
