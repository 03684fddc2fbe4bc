"""Arrays of more than 2^31 elements: kernels find the last of them, and would not with indices of 32 bits.

The memory is virtual: only the pages that are touched exist. Of a large grid the emulator runs the last blocks.
"""

from __future__ import annotations

import mmap
from functools import cache
from pathlib import Path
from typing import Any, Callable, Dict, Tuple

import numpy
import pytest
from any_backend import make_ops
from cuda_emulation import build
from cuda_emulation.device import EmulatedDevice
from fake_cupy import wrap

from thinc_core.backends import Ops
from thinc_core.backends.cuda import _device

pytestmark = pytest.mark.skipif(build.problem() is not None, reason=str(build.problem()))

NO_RESERVE = getattr(mmap, "MAP_NORESERVE", 0x4000)
O = 96  # noqa: E741
ROWS = 25_000_000  # of 96 elements: 2.4e9
REFERENCE = Ops()


class LargeDevice(EmulatedDevice):
    """Starts as many blocks as there is work for, of which the last ones run."""

    def blocks(self, work: int) -> int:
        count = -(-work // self.threads)
        self.emulator.thinc_emulation_first_block(max(0, count - 2))
        return count

    def launch_blocks(self, stem: str, name: str, blocks: int, *args: Any, shared: int = 0) -> None:
        self.most_blocks = blocks
        self.emulator.thinc_emulation_first_block(max(0, blocks - 2))
        super().launch_blocks(stem, name, blocks, *args, shared=shared)


def virtual(rows: int, width: int, dtype: str = "float32") -> Any:
    """(rows, width) zeros, with as much memory in front: where an index that has overflown leads to."""
    size = rows * width * numpy.dtype(dtype).itemsize
    try:
        pages = mmap.mmap(-1, 2 * size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NO_RESERVE)
    except OSError as error:
        pytest.skip(f"no virtual memory for large arrays: {error}")
    return wrap(numpy.frombuffer(pages, dtype=dtype, offset=size).reshape(rows, width))


def some(*shape: int) -> Any:
    return numpy.random.default_rng(0).normal(size=shape).astype("float32")


def with_end(rows: int, width: int, values: Any) -> Any:
    X = virtual(rows, width)
    X._data[-len(values) :] = values
    return X


def gather_add(ops: Any) -> Tuple[Any, Any]:
    table = with_end(ROWS, O, some(2, O))
    indices = numpy.array([[ROWS - 1, ROWS - 2]])
    return ops.gather_add(table, ops.asarray(indices)), some(2, O).sum(axis=0, keepdims=True)


def scatter_add(ops: Any) -> Tuple[Any, Any]:
    table = virtual(ROWS, O)
    ops.scatter_add(table, ops.asarray(numpy.array([ROWS - 1])), ops.asarray(some(1, O)))
    return table[-1:], some(1, O)


def hash_embed(ops: Any) -> Tuple[Any, Any]:
    table, ids = virtual(ROWS, O), numpy.arange(20, dtype="uint64")
    rows = REFERENCE.hash(ids, 7) % numpy.uint32(ROWS)
    for row in rows.ravel().tolist():
        table._data[row] = numpy.arange(O) + row % 7
    return ops.hash_embed(table, ops.asarray(ids), 7), table._data[rows].sum(axis=1)


def reduce_sum(ops: Any) -> Tuple[Any, Any]:
    X, Y = with_end(ROWS, O, some(3, O)), wrap(numpy.zeros((1, O), "float32"))
    starts = ops.asarray(numpy.array([ROWS - 3, ROWS]))
    ops._device().launch_blocks("reduce", "reduce_sum_f32", 2, Y, X, starts, 1, O)
    return Y, some(3, O).sum(axis=0, keepdims=True)


def relu(ops: Any) -> Tuple[Any, Any]:
    X = with_end(ROWS, O, some(1, O))
    return ops.relu(X, out=virtual(ROWS, O))[-1:], numpy.maximum(some(1, O), 0)


def softmax(ops: Any) -> Tuple[Any, Any]:
    X = with_end(ROWS, O, some(1, O))
    return ops.softmax(X, out=virtual(ROWS, O))[-1:], REFERENCE.softmax(some(1, O))


def layernorm(ops: Any) -> Tuple[Any, Any]:
    X, (G, b) = with_end(ROWS, O, some(1, O)), (ops.asarray(each) for each in some(2, O))
    vectors = tuple(virtual(ROWS, 1)[:, 0] for _ in range(2))
    Y = ops.layernorm(X, G, b, out=(virtual(ROWS, O), *vectors))[0]
    return Y[-1:], REFERENCE.layernorm(some(1, O), *some(2, O))[0]


def maxout(ops: Any) -> Tuple[Any, Any]:
    X = with_end(ROWS, O, some(1, O))
    X = wrap(X._data.reshape(ROWS, O // 3, 3))
    out = (virtual(ROWS, O // 3), virtual(ROWS, O // 3, "int32"))
    return ops.maxout(X, out=out)[0][-1:], some(1, O).reshape(1, O // 3, 3).max(axis=2)


def seq2col(ops: Any) -> Tuple[Any, Any]:
    X = with_end(ROWS, O // 3, some(2, O // 3))
    return ops.seq2col(X, 1, out=virtual(ROWS, O))[-1:], REFERENCE.seq2col(some(2, O // 3), 1)[-1:]


def position_encode(ops: Any) -> Tuple[Any, Any]:
    rows, width = 9_000_000, 256  # of more rows an angle would not be exact
    angles = (rows - 1) / REFERENCE._periods(width, 10000)
    expected = numpy.stack([numpy.sin(angles), numpy.cos(angles)], axis=1).reshape(1, width)
    return ops.position_encode(rows, width, out=virtual(rows, width))[-1:], expected


def add_bias(ops: Any) -> Tuple[Any, Any]:
    Y, b = virtual(ROWS, O), ops.asarray(some(O))
    ops._device().launch("gemm", "add_bias_f32", ROWS * O // 4, Y, Y, b, ROWS * O, O)
    return Y[-1:], some(O)[None]


Mutation = Tuple[str, str, str]  # file, text, the same with an index of 32 bits
FAMILIES: Dict[str, Tuple[Callable[[Any], Tuple[Any, Any]], Mutation]] = {
    "gather_add": (
        gather_add,
        ("gather", "x = load<N>(table + row * O + o)", "x = load<N>(table + (i32)(row * O + o))"),
    ),
    "scatter_add": (
        scatter_add,
        ("gather", "add_atomic(table + row * O + o,", "add_atomic(table + (i32)(row * O + o),"),
    ),
    "hash_embed": (hash_embed, ("hash", "return rows + (u64)v * O;", "return rows + (i32)(v * O);")),
    "reduce_sum": (
        reduce_sum,
        ("reduce", "add_rows(states, X + start * O + o, 0,", "add_rows(states, X + (i32)(start * O), 0,"),
    ),
    "relu": (relu, ("activations", "store(Y + i * LANES<T>,", "store(Y + (i32)(i * LANES<T>),")),
    "softmax": (softmax, ("softmax", "Y + b * O,", "Y + (i32)(b * O),")),
    "layernorm": (layernorm, ("layernorm", "store(Y + b * O + i, y);", "store(Y + (i32)(b * O + i), y);")),
    "maxout": (maxout, ("maxout", "load<N>(X + (i * P + p) * N)", "load<N>(X + (i32)((i * P + p) * N))")),
    "seq2col": (seq2col, ("seq2col", "Y + t * windows * I + column", "Y + (i32)(t * windows * I + column)")),
    "position_encode": (position_encode, ("hash", "T* y = Y + i * D + 2 * j;", "T* y = Y + (i32)(i * D + 2 * j);")),
    "add_bias": (add_bias, ("gemm", "store(Y + i, y);", "store(Y + (i32)i, y);")),
}


@cache
def library(change: Mutation) -> Path:
    stem, old, new = change
    text = _device.source(stem)
    assert old in text, f"{stem}.cu has no {old!r}"
    parts = {f"{stem}_{d}": f"#define DTYPE {d}\n{build.translated(text.replace(old, new))}" for d in ("f32", "none")}
    return build.build(parts)


def last_values_are_right(family: str, device: Any, monkeypatch: Any) -> bool:
    ops = make_ops("cuda_emulated", monkeypatch, lambda: device)
    actual, expected = FAMILIES[family][0](ops)
    return bool(numpy.allclose(actual.get(), expected, rtol=1e-4, atol=1e-5))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_end_of_a_large_array(family: str, monkeypatch: Any) -> None:
    device = LargeDevice()
    try:
        assert last_values_are_right(family, device, monkeypatch)
    finally:
        device.emulator.thinc_emulation_first_block(0)


@pytest.mark.parametrize("family", FAMILIES)
def test_indices_of_32_bits_are_found(family: str, monkeypatch: Any) -> None:
    assert not last_values_are_right(family, LargeDevice(library(FAMILIES[family][1])), monkeypatch)
