"""Softmax along an axis and over the rows of ragged sequences."""

from __future__ import annotations

import struct
from functools import partial
from math import prod
from typing import Any, Tuple

from .. import label_checks
from ..ops import Ops
from ._arrays import apart, contig, fits, flag, numbers, plain, suffix, target, wide_empty
from ._arrays import indices as as_indices
from ._base import CudaOps
from ._ragged import LONG, longest, starts_of

STEM = "softmax"
WARP = 32
WIDEST_OF_A_WARP = 1024  # elements of a row; a block takes a wider one
MOST_CHUNKS = 1024  # whose parts each warp of a very long sequence adds up


def _tile(width: int) -> int:
    """How many columns a warp takes at once: a power of 2, so that narrow matrices keep all lanes busy."""
    return int(min(WARP, 1 << (width - 1).bit_length()))


def launch_rows(
    device: Any, op: str, kind: str, arrays: Tuple[Any, ...], rows: int, width: int, temperature: float
) -> None:
    """Launch a kernel for rows, the first of which is not empty."""
    if width <= WIDEST_OF_A_WARP:
        device.launch(STEM, f"{op}_{kind}", rows * WARP, *arrays, rows, width, temperature)
    else:
        device.launch_blocks(STEM, f"{op}_wide_{kind}", rows, *arrays, rows, width, temperature)


def _launch_columns(
    device: Any,
    op: str,
    kind: str,
    arrays: Tuple[Any, ...],
    sequences: Tuple[Any, int, int],
    rows: int,
    width: int,
    most: int,
    temperature: float,
) -> None:
    """The kernel for columns over the rows of sequences: starts or None, how many there are, and of what length.

    One more if there may be sequences of very many rows: most is how many there may be.
    """
    tile, chunk = _tile(width), max(device.chunk, rows // MOST_CHUNKS)
    chunks = -(-rows // chunk) if most > LONG * chunk else 0
    state = 2 if op == "softmax" else 1  # numbers
    parts = wide_empty(device, (chunks, 2, width, state), arrays[0].dtype) if chunks else None
    work, tiles = max(sequences[1], 2 * chunks) * WARP, -(-width // tile)
    args = (arrays[0], parts, *arrays[1:], *sequences, rows, chunk, width, tile, temperature)
    device.launch(STEM, f"{op}_columns_{kind}", work * tiles, *args)
    if chunks:
        device.launch(STEM, f"{op}_parts_{kind}", 2 * chunks * WARP * tiles, *args)


class CudaSoftmax(CudaOps):
    """Softmax and its gradients."""

    def softmax(self, x, *, inplace=False, axis=-1, temperature=1.0, out=None):
        kind, into, given = suffix(self, x), flag(inplace), numbers((temperature,))
        if (
            kind is None
            or into is None
            or given is None
            or not _is_axis(x, axis)
            or (into and (out is not None or not plain(x)))
            or not fits(self, out, x.shape, x.dtype)
        ):
            return Ops.softmax(self, x, inplace=inplace, axis=axis, temperature=temperature, out=out)
        X = contig(self, x)
        Y = X if into else target(self, out, x.shape, x.dtype)
        if out is not None and X.data.ptr != Y.data.ptr and not apart(X, Y):
            return Ops.softmax(self, x, inplace=inplace, axis=axis, temperature=temperature, out=out)
        if Y.size:
            self._softmax("softmax", kind, x.shape, axis, (Y, X), given[0])
        return Y

    def backprop_softmax(self, Y, dY, *, axis=-1, temperature=1.0, out=None):
        kind, given = suffix(self, Y, dY), numbers((temperature,))
        if kind is None or given is None or Y.shape != dY.shape or not _is_axis(Y, axis):
            return Ops.backprop_softmax(self, Y, dY, axis=axis, temperature=temperature, out=out)
        y, dy = contig(self, Y), contig(self, dY)
        if not fits(self, out, Y.shape, Y.dtype, y, dy):
            return Ops.backprop_softmax(self, Y, dY, axis=axis, temperature=temperature, out=out)
        dX = target(self, out, Y.shape, Y.dtype)
        if dX.size:
            self._softmax("backprop_softmax", kind, Y.shape, axis, (dX, dy, y), given[0])
        return dX

    def _softmax(
        self, op: str, kind: str, shape: Tuple[int, ...], axis: int, arrays: Tuple[Any, ...], temperature: float
    ) -> None:
        """Launch the kernel for rows, or for columns when the axis is not the last one."""
        device, axis = self._device(), axis % len(shape)
        before, n, after = prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :])
        if after != 1:
            _launch_columns(device, op, kind, arrays, (None, before, n), before * n, after, n, temperature)
        else:
            launch_rows(device, op, kind, arrays, before, n, temperature)

    def crossentropy_gradient(
        self, guesses, labels, *, negated=None, missing=None, smoothing=0.0, divisor=1.0, out=None
    ):
        op, kind, given = "crossentropy_gradient", suffix(self, guesses), numbers((smoothing, divisor))
        chosen, index = as_indices(self, labels)
        more = {"negated": negated, "missing": missing, "smoothing": smoothing, "divisor": divisor}
        if (
            kind is None
            or given is None
            or chosen is None
            or guesses.ndim != 2
            or chosen.shape != guesses.shape[:1]
            or not (missing is None or type(missing) is int)
            or not (negated is None or (as_indices(self, negated)[1] and negated.shape == chosen.shape))
        ):
            return Ops.crossentropy_gradient(self, guesses, labels, **more, out=out)
        y, (B, O) = contig(self, guesses), guesses.shape  # noqa: E741
        flags = negated if negated is None or negated.dtype.name == "uint8" else (negated != 0).astype("uint8")
        flags = None if flags is None else contig(self, flags)
        if not fits(self, out, y.shape, y.dtype, y, chosen, *(() if flags is None else (flags,))):
            return Ops.crossentropy_gradient(self, guesses, labels, **more, out=out)
        dY = target(self, out, y.shape, y.dtype)
        if dY.size:
            name, target_values = f"{op}_{kind}_{index}", (1 - given[0], given[0] / max(O - 1, 1))
            args = (dY, y, chosen, flags, B, O, missing or 0, int(missing is not None), *target_values, given[1])
            self._device().launch_checking(STEM, name, dY.size, partial(_describe, op, kind, (B, O)), *args)
        return dY

    def _check_labels(self, op, labels, ignored, limit):
        values, index = as_indices(self, labels)
        if values is None or values.ndim != 1 or not (ignored is None or type(ignored) is int):
            return Ops._check_labels(self, op, labels, ignored, limit)
        if values.size:
            name, describe = f"check_labels_{index}", partial(label_checks.bad_label, op)
            given = (values, len(values), limit, ignored or 0, int(ignored is not None))
            self._device().launch_checking(STEM, name, len(values), describe, *given)
        return None

    def _check_probabilities(self, op, name, X):
        kind = suffix(self, X)
        if kind is None:
            return Ops._check_probabilities(self, op, name, X)
        x, describe = contig(self, X), partial(_describe_number, op, name, kind, X.shape)
        if x.size:
            self._device().launch_checking(STEM, f"check_probabilities_{kind}", x.size, describe, x, x.size)
        return None

    def softmax_sequences(self, Xs, lengths, *, inplace=False, axis=-1, out=None):
        op, kind, into = "softmax_sequences", suffix(self, Xs), flag(inplace)
        if (
            kind is None
            or into is None
            or Xs.ndim != 2
            or (into and (out is not None or not plain(Xs)))
            or not fits(self, out, Xs.shape, Xs.dtype)
        ):
            return Ops.softmax_sequences(self, Xs, lengths, inplace=inplace, axis=axis, out=out)
        X = contig(self, Xs)
        Y = X if into else target(self, out, Xs.shape, Xs.dtype)
        starts = starts_of(self, op, lengths, len(X))
        if starts is None or (out is not None and X.data.ptr != Y.data.ptr and not apart(X, Y)):
            return Ops.softmax_sequences(self, Xs, lengths, inplace=inplace, axis=axis, out=out)
        self._softmax_sequences("softmax", kind, starts, lengths, (Y, X))
        return Y

    def backprop_softmax_sequences(self, dY, Y, lengths, *, out=None):
        op, kind = "backprop_softmax_sequences", suffix(self, dY, Y)
        if kind is None or dY.ndim != 2 or dY.shape != Y.shape:
            return Ops.backprop_softmax_sequences(self, dY, Y, lengths, out=out)
        dy, y = contig(self, dY), contig(self, Y)
        starts = starts_of(self, op, lengths, len(dy))
        if starts is None or not fits(self, out, dY.shape, dY.dtype, dy, y):
            return Ops.backprop_softmax_sequences(self, dY, Y, lengths, out=out)
        dX = target(self, out, dY.shape, dY.dtype)
        self._softmax_sequences("backprop_softmax", kind, starts, lengths, (dX, dy, y))
        return dX

    def _softmax_sequences(self, op: str, kind: str, starts: Any, lengths: Any, arrays: Tuple[Any, ...]) -> None:
        """Launch the kernel for columns, with sequences of several lengths."""
        (T, O), given = arrays[0].shape, (starts, len(starts) - 1, 0)  # noqa: E741
        if T and O:
            _launch_columns(self._device(), op, kind, arrays, given, T, O, longest(lengths, T), 1.0)


def _describe(op: str, kind: str, shape: Tuple[int, ...], value: int, position: int, limit: int) -> Exception:
    """A label out of range, or, without a limit, a guess."""
    if limit >= 0:
        return label_checks.bad_label(op, value, position, limit)
    return _describe_number(op, "guesses", kind, shape, value, position, limit)


def _describe_number(
    op: str, name: str, kind: str, shape: Tuple[int, ...], value: int, position: int, _: int
) -> Exception:
    """A number that is no probability, given by its bits."""
    packed = struct.pack("q", value) if kind == "f64" else struct.pack("Q", value)[:4]
    (number,) = struct.unpack("d" if kind == "f64" else "f", packed)
    return label_checks.bad_probability(op, name, number, position, shape)


def _is_axis(X: Any, axis: Any) -> bool:
    return type(axis) is int and -X.ndim <= axis < X.ndim
