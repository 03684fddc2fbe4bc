"""Lengths of ragged sequences: where each sequence starts, as the kernels want to know it.

Lengths on the device are added up and checked there; the host does not wait for the outcome. Those that were made here
for a batch are known on the host too, and their starts came with them.
"""

from __future__ import annotations

import weakref
from functools import partial
from typing import Any, Dict, Optional, Tuple

import numpy

from .. import checks
from ._arrays import here, indices
from ._hosts import Known, known, remember

STEM = "reduce"  # whose .cu has the kernel
LONG = 4  # chunks, of ragged.cuh


_by_sizes: Dict[Any, Any] = {}  # lengths still in use (weak), by what they were made of: device, stream and sizes


def batch_lengths(ops: Any, sizes: Any) -> Any:
    """(B,) int32 on the device, with starts: one copy brings both. While they live, the same for the same sizes."""
    device = ops._device()
    key = (device.number, device._stream(), tuple(sizes))
    found = _by_sizes.get(key)
    lengths = None if found is None else found()
    if lengths is not None:
        return lengths
    B = len(sizes)
    words = numpy.zeros(B + 1 + (B + 1) // 2, dtype="int64")
    numpy.cumsum(sizes, out=words[1 : B + 1])
    words[B + 1 :].view("int32")[:B] = sizes
    table = ops.xp.asarray(words)
    lengths = table[B + 1 :].view("int32")[:B]
    _by_sizes[key] = weakref.ref(lengths, partial(_forget, key))
    return remember(lengths, sizes, table[: B + 1])


def _forget(key: Any, _: Any) -> None:
    _by_sizes.pop(key, None)


def starts_of(ops: Any, op: str, lengths: Any, rows: int, minimum: int = 0) -> Any:
    """(B + 1,) int64 on the device: row starts[b] is the first one of sequence b, and starts[B] = rows.

    None when lengths hold no integers, are empty, or lie on the host and are wrong. Wrong ones on the device are
    reported, and the starts lie in [0, rows] nevertheless.
    """
    found = known(lengths)
    if found is not None:
        return _known_starts(ops, found, rows, minimum)
    on_device = _on_device(ops, lengths)
    if on_device is None:
        return _from_host(ops, _on_host(lengths), rows, minimum)
    return _launch(ops, on_device, rows, minimum, False, partial(_describe, op, minimum))


def starts_and_rows(ops: Any, op: str, lengths: Any, d: Any, out: Any, minimum: int = 0) -> Tuple[Any, int]:
    """The starts for a gradient d with a row for each length, and the number of rows; (None, 0) where starts are None.

    How many rows there are is needed here, to make the array for them. Lengths that the host knows tell, and so does
    the caller's out; without either this is the one place that waits for the device and reads the lengths.
    """
    found = known(lengths)
    if found is not None:
        fit = len(found.values) == d.shape[0]
        return (_known_starts(ops, found, found.total, minimum), found.total) if fit else (None, 0)
    on_device = _on_device(ops, lengths)
    if on_device is not None and len(on_device) == d.shape[0] and has_rows_like(ops, out, d):
        describe = partial(_describe_out, op, minimum, d.shape[1:])
        return _launch(ops, on_device, len(out), minimum, True, describe), len(out)
    host = _on_host(lengths) if on_device is None else on_device.get()
    if host is None or len(host) != d.shape[0]:
        return None, 0
    rows = int(host.sum(dtype="int64"))
    return _from_host(ops, host, rows, minimum), rows


def longest(lengths: Any, rows: int) -> int:
    """The most rows that a sequence may have: all of them, where only the device knows."""
    found = known(lengths)
    if found is None and type(lengths) not in (numpy.ndarray, list, tuple):
        return rows
    return int(numpy.max(lengths if found is None else found.values, initial=0))


def _known_starts(ops: Any, found: Known, rows: int, minimum: int) -> Any:
    """Made once for all that is done with one batch."""
    if found.least < minimum or found.total != rows or not len(found.values):
        return None
    if found.starts is None:
        found.starts = _from_host(ops, found.values, rows, minimum)
    return found.starts


def _on_device(ops: Any, lengths: Any) -> Any:
    """1-d lengths as int32 or int64 in C order, None when they are not on the device or no integers."""
    if type(lengths) is not ops.xp.ndarray or lengths.ndim != 1 or lengths.size == 0 or not here(ops, lengths):
        return None
    if lengths.dtype.name == "uint64":  # as the host reads it
        return ops.xp.array(lengths, dtype="int64", order="C")
    return indices(ops, lengths)[0]


def _on_host(lengths: Any) -> Optional[Any]:
    """1-d lengths as int64, None when they are not on the host or no integers."""
    if type(lengths) not in (numpy.ndarray, list, tuple):
        return None
    try:
        host = numpy.asarray(lengths)
    except (TypeError, ValueError):
        return None
    return host.astype("int64", copy=False) if host.ndim == 1 and host.size and host.dtype.kind in "iu" else None


def _from_host(ops: Any, host: Optional[Any], rows: int, minimum: int) -> Any:
    if host is None or int(host.min()) < minimum or int(host.max()) > rows or int(host.sum()) != rows:
        return None
    return ops.xp.asarray(numpy.concatenate(([0], numpy.cumsum(host, dtype="int64"))))


def _launch(ops: Any, lengths: Any, rows: int, minimum: int, whole: bool, describe: Any) -> Any:
    starts, name = ops.xp.empty((len(lengths) + 1,), dtype="int64"), f"starts_i{8 * lengths.itemsize}"
    args = (starts, lengths, len(lengths), rows, minimum, int(whole))
    ops._device().launch_checking(STEM, name, 1, describe, *args)  # a single block
    return starts


def has_rows_like(ops: Any, out: Any, d: Any) -> bool:
    """Whether out is an array of some number of rows like those of d."""
    return type(out) is ops.xp.ndarray and out.ndim == 2 and out.shape[1] == d.shape[1] and out.dtype == d.dtype


def _describe(op: str, minimum: int, value: int, position: int, limit: int) -> Exception:
    if limit < 0:
        return checks.bad_length(op, minimum, value, position)
    return checks.bad_sum(op, value, limit)


def _describe_out(op: str, minimum: int, columns: Tuple[int, ...], value: int, position: int, limit: int) -> Exception:
    """The sum says which shape out should have had."""
    if limit < 0:
        return checks.bad_length(op, minimum, value, position)
    like_out = numpy.broadcast_to(0, (limit, *columns))  # to hold on to out itself would keep its memory
    try:
        checks.shape(op, "out", like_out, (value, *columns))
    except checks.ShapeError as error:
        return error
    return checks.bad_sum(op, value, limit)
