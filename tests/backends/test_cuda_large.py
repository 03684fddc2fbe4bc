"""Arrays of more than 2^31 elements: kernels find the last of them, and would not with indices of 32 bits.

The memory is virtual: only the pages that are touched exist. Of a large grid the emulator runs the last blocks.
"""

from __future__ import annotations

import mmap
import os
import warnings
from typing import Any, Callable, Dict, List, Tuple

import numpy
import pytest
from any_backend import make_ops
from cuda_emulation import build, mutants
from cuda_emulation.device import EmulatedDevice
from fake_cupy import wrap

from thinc_core.backends import Ops
from thinc_core.backends.reference.optim import StepRates

pytestmark = pytest.mark.skipif(build.problem() is not None, reason=str(build.problem()))

NO_RESERVE = getattr(mmap, "MAP_NORESERVE", 0x4000)
O = 96  # noqa: E741
ROWS = 25_000_000  # of 96 elements: 2.4e9
REFERENCE = Ops()
FOUND, NOT_FOUND, BROKEN = 10, 11, 12  # how the process of a wrong line ends
Found = Tuple[Any, Any]  # the last values, and what they should be


class LargeDevice(EmulatedDevice):
    """Starts as many blocks as there is work for, of which the last ones run."""

    last = 3

    def blocks(self, work: int) -> int:
        count = -(-work // self.threads)
        self.emulator.thinc_emulation_first_block(max(0, count - self.last))
        return count

    def launch_blocks(self, stem: str, name: str, blocks: int, *args: Any, shared: int = 0) -> None:
        self.most_blocks = blocks
        self.emulator.thinc_emulation_first_block(max(0, blocks - self.last))
        super().launch_blocks(stem, name, blocks, *args, shared=shared)


def virtual(rows: int, width: int, dtype: str = "float32") -> Any:
    """(rows, width) zeros, with as much memory in front: where an index that has overflown leads to."""
    size = rows * width * numpy.dtype(dtype).itemsize
    try:
        pages = mmap.mmap(-1, 2 * size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NO_RESERVE)
    except OSError as error:
        pytest.skip(f"no virtual memory for large arrays: {error}")
    return wrap(numpy.frombuffer(pages, dtype=dtype, offset=size).reshape(rows, width))


def some(*shape: int, seed: int = 0) -> Any:
    return numpy.random.default_rng(seed).normal(size=shape).astype("float32")


def with_end(rows: int, width: int, values: Any) -> Any:
    X = virtual(rows, width, values.dtype.name)
    X._data[-len(values) :] = values
    return X


def small(ops: Any, *shape: int, seed: int = 0) -> Any:
    return ops.asarray(some(*shape, seed=seed))


# Tables


def gather_add(ops: Any) -> Found:
    table = with_end(ROWS, O, some(2, O))
    indices = numpy.array([[ROWS - 1, ROWS - 2]])
    return ops.gather_add(table, ops.asarray(indices)), some(2, O).sum(axis=0, keepdims=True)


def scatter_add(ops: Any) -> Found:
    table = virtual(ROWS, O)
    ops.scatter_add(table, ops.asarray(numpy.array([ROWS - 1])), ops.asarray(some(1, O)))
    return table[-1:], some(1, O)


def hash_embed(ops: Any) -> Found:
    table, ids = virtual(ROWS, O), numpy.arange(20, dtype="uint64")
    rows = REFERENCE.hash(ids, 7) % numpy.uint32(ROWS)
    for row in rows.ravel().tolist():
        table._data[row] = numpy.arange(O) + row % 7
    return ops.hash_embed(table, ops.asarray(ids), 7), table._data[rows].sum(axis=1)


def backprop_hash_embed(ops: Any) -> Found:
    ids, dtable, expected = numpy.arange(3, dtype="uint64"), some(11, O), some(11, O)
    REFERENCE.backprop_hash_embed(some(3, O), ids, 7, expected)
    given = ops.asarray(dtable)
    all_ids = with_end(ROWS, 1, ids[:, None]).reshape(ROWS)
    ops.backprop_hash_embed(with_end(ROWS, O, some(3, O)), all_ids, 7, given)
    return given, expected


def position_encode(ops: Any) -> Found:
    rows, width = 9_000_000, 256  # of more rows an angle would not be exact
    angles = (rows - 1) / REFERENCE._periods(width, 10000)
    expected = numpy.stack([numpy.sin(angles), numpy.cos(angles)], axis=1).reshape(1, width)
    return ops.position_encode(rows, width, out=virtual(rows, width))[-1:], expected


# Ragged sequences


def reduce_sum(ops: Any) -> Found:
    X, Y = with_end(ROWS, O, some(3, O)), wrap(numpy.zeros((1, O), "float32"))
    starts = ops.asarray(numpy.array([ROWS - 3, ROWS]))
    ops._device().launch_blocks("reduce", "reduce_sum_f32", 2, Y, None, X, starts, 1, O, ROWS, 1024)
    return Y, some(3, O).sum(axis=0, keepdims=True)


LENGTHS = numpy.array([ROWS - 2, 2])


def backprop_reduce_mean(ops: Any) -> Found:
    dX = ops.backprop_reduce_mean(small(ops, 2, O), LENGTHS, out=virtual(ROWS, O))
    return dX[-2:], some(2, O)[[1, 1]] / 2


def backprop_reduce_max(ops: Any) -> Found:
    which = numpy.ones((2, O), dtype="int32")
    dX = ops.backprop_reduce_max(small(ops, 2, O), ops.asarray(which), LENGTHS, out=virtual(ROWS, O))
    return dX[-1:], some(2, O)[1:]


def backprop_reduce_last(ops: Any) -> Found:
    lasts = ops.asarray(LENGTHS.cumsum() - 1)
    dX = ops.backprop_reduce_last(small(ops, 2, O), lasts, out=virtual(ROWS, O))
    return dX[-1:], some(2, O)[1:]


def seq2col(ops: Any) -> Found:
    X = with_end(ROWS, O // 3, some(2, O // 3))
    return ops.seq2col(X, 1, out=virtual(ROWS, O))[-1:], REFERENCE.seq2col(some(2, O // 3), 1)[-1:]


def backprop_seq2col(ops: Any) -> Found:
    dX = ops.backprop_seq2col(with_end(ROWS, O, some(2, O)), 1, out=virtual(ROWS, O // 3))
    return dX[-1:], REFERENCE.backprop_seq2col(some(2, O), 1)[-1:]


def flatten(ops: Any) -> Found:
    """Rows of 388 bytes: pieces of 4."""
    X = [virtual(ROWS, O + 1), small(ops, 2, O + 1)]
    return ops.flatten(X, out=virtual(ROWS + 2, O + 1))[-1], some(2, O + 1)[1]


def pad(ops: Any) -> Found:
    return ops.pad([with_end(ROWS, O + 1, some(1, O + 1))], out=virtual(ROWS, O + 1).reshape(1, ROWS, -1))[
        0, -1:
    ], some(1, O + 1)


# Rows and elements


def relu(ops: Any) -> Found:
    X = with_end(ROWS, O, some(1, O))
    return ops.relu(X, out=virtual(ROWS, O))[-1:], numpy.maximum(some(1, O), 0)


def backprop_gelu(ops: Any) -> Found:
    dY, X = (with_end(ROWS, O, some(1, O, seed=k)) for k in (0, 1))
    return ops.backprop_gelu(dY, X, inplace=True)[-1:], REFERENCE.backprop_gelu(some(1, O), some(1, O, seed=1))


def softmax(ops: Any) -> Found:
    X = with_end(ROWS, O, some(1, O))
    return ops.softmax(X, out=virtual(ROWS, O))[-1:], REFERENCE.softmax(some(1, O))


def backprop_softmax(ops: Any) -> Found:
    Y, dY = (with_end(ROWS, O, some(1, O, seed=k)) for k in (0, 1))
    dX = ops.backprop_softmax(Y, dY, out=virtual(ROWS, O))
    return dX[-1:], REFERENCE.backprop_softmax(some(1, O), some(1, O, seed=1))


def crossentropy_gradient(ops: Any) -> Found:
    guesses = numpy.random.default_rng(0).random((1, O), dtype="float32")
    labels = virtual(ROWS, 1, "int64").reshape(ROWS)
    dY = ops.crossentropy_gradient(with_end(ROWS, O, guesses), labels, out=virtual(ROWS, O))
    return dY[-1:], REFERENCE.crossentropy_gradient(guesses, numpy.zeros(1, dtype="int64"))


def layernorm(ops: Any) -> Found:
    X, (G, b) = with_end(ROWS, O, some(1, O)), (ops.asarray(each) for each in some(2, O))
    vectors = tuple(virtual(ROWS, 1)[:, 0] for _ in range(2))
    Y = ops.layernorm(X, G, b, out=(virtual(ROWS, O), *vectors))[0]
    return Y[-1:], REFERENCE.layernorm(some(1, O), *some(2, O))[0]


def backprop_layernorm(ops: Any) -> Found:
    share, (dY, X, G) = 32, (some(1, O, seed=k) for k in range(3))
    count, vectors = -(-ROWS // share), [virtual(ROWS, 1) for _ in range(2)]
    for each in vectors:
        each._data[-1] = 0.5
    dX, parts = virtual(ROWS, O), virtual(count, 2 * O)
    given = (with_end(ROWS, O, dY), with_end(ROWS, O, X), ops.asarray(G[0]), *vectors, ROWS, O, share)
    ops._device().launch_blocks("layernorm", "backprop_layernorm_f32", count, dX, parts, *given)
    half = numpy.full(1, 0.5, dtype="float32")
    expected = REFERENCE.backprop_layernorm(dY, X, G[0], half, half, *numpy.zeros((2, O), "float32"))
    return dX[-1:], expected


def maxout(ops: Any) -> Found:
    X = with_end(ROWS, O, some(1, O)).reshape(ROWS, O // 3, 3)
    out = (virtual(ROWS, O // 3), virtual(ROWS, O // 3, "int32"))
    return ops.maxout(X, out=out)[0][-1:], some(1, O).reshape(1, O // 3, 3).max(axis=2)


def backprop_maxout(ops: Any) -> Found:
    dY, which = with_end(ROWS, O // 3, some(1, O // 3)), virtual(ROWS, O // 3, "int32")
    dX, n, error = virtual(ROWS, O), ROWS * O // 3, ops._device().errors.address
    ops._device().launch("maxout", "backprop_maxout_f32_i32", n // 4, dX, dY, which, n, 3, error, 1)
    return dX[-1, ::3], some(O // 3)


# Products, recurrence, attention: what goes around the products alone


def add_bias(ops: Any) -> Found:
    Y, b = virtual(ROWS, O), ops.asarray(some(O))
    ops._device().launch("gemm", "add_bias_f32", ROWS * O // 4, Y, Y, b, ROWS * O, O)
    return Y[-1:], some(O)[None]


def affine_maxout_layernorm(ops: Any) -> Found:
    """With dropout: what survives in the last row is what the op for dropout alone lets survive."""
    width, threshold = O // 3, 2**15
    Z, Y = with_end(ROWS, O, some(1, O)), virtual(ROWS, width)
    zeros, ones = (ops.asarray(numpy.full(O, value, dtype="float32")) for value in (0, 1))
    sizes = (ROWS, width, 3, 5, threshold, 1e-8, 2.0)
    work = ROWS * 32
    outputs = (Y, None, None, None, None)
    ops._device().launch("gemm", "affine_maxout_layernorm_8_f32", work, *outputs, Z, zeros, ones, zeros, None, *sizes)
    best = some(1, O).reshape(1, width, 3).max(axis=2)
    normed = REFERENCE.layernorm(best, numpy.ones(width, "float32"), numpy.zeros(width, "float32"))[0]
    alive = [survives(5, (ROWS - 1) * width + i, threshold) for i in range(width)]
    return Y[-1:], normed * numpy.array(alive) * 2


def backprop_affine_maxout(ops: Any) -> Found:
    dZ, dY, which = virtual(ROWS, O), with_end(ROWS, O // 3, some(1, O // 3)), virtual(ROWS, O // 3, "int32")
    n, error = ROWS * O // 3, ops._device().errors.address
    ops._device().launch("gemm", "spread_pieces_f32_i32", n * 3, dZ, dY, which, n, 3, error, 1)
    return dZ[-1, ::3], some(O // 3)


def lstm(ops: Any) -> Found:
    """The last row begins a sequence: from a, c0 = 0 and a product with h0 that is z0 = 0."""
    rows, z = ROWS // 4, ops.asarray(numpy.zeros(4 * O, "float32"))
    H, X = virtual(rows, O), with_end(rows, 4 * O, some(1, 4 * O))
    sizes = (rows, 0, O, O)
    ops._device().launch("lstm", "lstm_step_f32", rows * O, H, virtual(rows, O), None, X, z, z, z, z, z, z, *sizes)
    _, into, out, candidate = some(4, O)
    cell = numpy.tanh(candidate) / (1 + numpy.exp(-into))
    return H[-1], numpy.tanh(cell) / (1 + numpy.exp(-out))


def backprop_lstm(ops: Any) -> Found:
    """The last row's gradient of what went into its output gate: dY tanh(c) o (1 - o)."""
    rows, zero, units = ROWS // 4, ops.asarray(numpy.zeros(O, "float32")), virtual(ROWS // 4, 6 * O)
    units._data[-1] = 0.5
    dA, H, dc, dh = virtual(rows, 4 * O), virtual(rows, O), virtual(rows, O), virtual(rows, O)
    given = (with_end(rows, O, some(1, O)), units, units, zero, zero, rows, 0, O, O)
    ops._device().launch("lstm", "backprop_lstm_step_f32", rows * O, dA, H, dc, dh, *given)
    return dA[-1, 2 * O : 3 * O], some(O) / 8


LONG, HEAD = 50_000, 4  # a sequence whose square is 2.5e9


def attention(ops: Any) -> Found:
    QKV = numpy.zeros((LONG, 3 * HEAD), "float32")
    QKV[-9:] = some(9, 3 * HEAD)
    out = (virtual(LONG, HEAD), virtual(LONG, LONG).reshape(LONG * LONG))
    Y, _ = ops.attention(ops.asarray(QKV), numpy.array([LONG]), 1, out=out)
    Q, K, V = numpy.split(QKV, 3, axis=1)
    weights = numpy.exp(Q[-1] @ K.T / numpy.sqrt(HEAD))
    return Y[-1], weights @ V / weights.sum()


def backprop_attention(ops: Any) -> Found:
    """The last query's gradient, of weights that are but for two keys 0."""
    QKV = numpy.zeros((LONG, 3 * HEAD), "float32")
    QKV[-2:], dY, weights = some(2, 3 * HEAD), some(1, HEAD, seed=1), virtual(LONG, LONG)
    weights._data[-1, -2:] = 0.25, 0.75
    _, K, V = numpy.split(QKV[-2:], 3, axis=1)
    dP = V @ dY[0]
    dS = numpy.array([0.25, 0.75]) * (dP - numpy.array([0.25, 0.75]) @ dP)
    dQKV, sums = virtual(LONG, 3 * HEAD), [ops.asarray(numpy.array([0, n])) for n in (LONG, LONG**2)]
    given = (with_end(LONG, HEAD, dY), ops.asarray(QKV), weights, None, *sums, 1, LONG, 1, HEAD, 0, 1.0)
    args = (dQKV, virtual(LONG, LONG), *given)
    ops._device().launch("attention", "backprop_attention_queries_f32", LONG * 32, *args)
    return dQKV[-1, :HEAD], dS @ K


def rotary(ops: Any) -> Found:
    starts = ops.asarray(numpy.array([0, ROWS - 2, ROWS]))  # the last row is step 1
    quarter = ops.asarray(numpy.full(O // 2, 2**62, dtype="uint64"))
    X, Y = with_end(ROWS, O, some(1, O)), virtual(ROWS, O)
    ops._device().launch("attention", "rotary_f32", ROWS * O // 8, Y, X, quarter, starts, 2, ROWS, O, 1, O, 1.0)
    low, high = numpy.split(some(1, O), 2, axis=1)
    return Y[-1:], numpy.concatenate([-high, low], axis=1)


# Training


def survives(seed: int, i: int, threshold: int) -> bool:
    """Whether dropout keeps element i, by Philox4x32-10 on whole numbers of any size."""
    counter, keys = i // 64 * 8 + i % 16 // 2, [seed % 2**32, seed >> 32]
    words = [counter % 2**32, counter >> 32, 0, 0]
    for _ in range(10):
        first, second = 0xD2511F53 * words[0], 0xCD9E8D57 * words[2]
        words = [second >> 32 ^ words[1] ^ keys[0], second % 2**32, first >> 32 ^ words[3] ^ keys[1], first % 2**32]
        keys = [(keys[0] + 0x9E3779B9) % 2**32, (keys[1] + 0xBB67AE85) % 2**32]
    return (words[i % 64 // 32 * 2 + i % 2] >> i % 32 // 16 * 16 & 0xFFFF) >= threshold


def dropout(ops: Any, rows: int = ROWS) -> Found:
    alive = [survives(2**52 + 3, (rows - 1) * O + i, 2**15) for i in range(O)]
    Y = ops.dropout(with_end(rows, O, some(1, O)), 0.5, 2**52 + 3, inplace=True)
    return Y[-1], some(O) * numpy.array(alive) * 2


def dropout_counter(ops: Any) -> Found:
    """Counters, one for eight elements, beyond 2^32: a terabyte or so of addresses."""
    return dropout(ops, 2**35 // O + 1000)


def adam(ops: Any) -> Found:
    arrays = [with_end(ROWS, O, abs(some(1, O, seed=k))) for k in range(4)]
    expected = [abs(some(1, O, seed=k)) for k in range(4)]
    for each, given in ((ops, arrays), (REFERENCE, expected)):
        each.adam(*given, 0.9, 0.99, 1e-8, 0.1)
    return arrays[0][-1:], expected[0]


def apply_gradients(ops: Any) -> Found:
    step = StepRates(t=1, learn_rate=1.0, beta1=0.9, beta2=0.9, eps=1e-8)
    weights, gradient = (with_end(ROWS, O, some(1, O, seed=k)) for k in range(2))
    ops._device().last = 1  # of those that have a thousandth of the parameter each
    ops.apply_gradients([weights], [gradient], [None], [None], [None], [step])
    return weights[-1:], some(1, O) - some(1, O, seed=1)


EACH: List[Callable[[Any], Found]] = [
    *(gather_add, scatter_add, hash_embed, backprop_hash_embed, position_encode, reduce_sum, backprop_reduce_mean),
    *(backprop_reduce_max, backprop_reduce_last, seq2col, backprop_seq2col, flatten, pad, relu, backprop_gelu),
    *(softmax, backprop_softmax, crossentropy_gradient, layernorm, backprop_layernorm, maxout, backprop_maxout),
    *(add_bias, affine_maxout_layernorm, backprop_affine_maxout, lstm, backprop_lstm, attention, backprop_attention),
    *(rotary, dropout, dropout_counter, adam, apply_gradients),
]
FAMILIES: Dict[str, Callable[[Any], Found]] = {each.__name__.replace("_counter", " counter"): each for each in EACH}


def last_values_are_right(family: str, device: Any, monkeypatch: Any) -> bool:
    ops = make_ops("cuda_emulated", monkeypatch, lambda: device)
    try:
        actual, expected = FAMILIES[family](ops)
        return bool(numpy.allclose(actual.get(), expected, rtol=1e-4, atol=1e-5))
    finally:
        device.emulator.thinc_emulation_first_block(0)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_end_of_a_large_array(family: str, monkeypatch: Any) -> None:
    assert last_values_are_right(family, LargeDevice(), monkeypatch)


@pytest.mark.parametrize("family", mutants.INDEX_MUTANTS)
def test_indices_of_32_bits_are_found(family: str, monkeypatch: Any) -> None:
    """In a process of its own: a wrong index may lead anywhere."""
    device = LargeDevice(mutants.compiled())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child does nothing that other threads take part in
        child = os.fork()
    if child == 0:
        try:
            with mutants.chosen(device, mutants.INDEX_MUTANTS[family]):
                os._exit(NOT_FOUND if last_values_are_right(family, device, monkeypatch) else FOUND)
        finally:
            os._exit(BROKEN)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == FOUND
