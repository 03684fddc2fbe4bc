"""The LSTM ops: the equations written out, gradients against differences, backends against each other."""

from __future__ import annotations

from typing import Any, List, Tuple

import numpy
import pytest

from thinc_core.backends import NumpyOps, Ops, get_num_threads, set_num_threads

REFERENCE = Ops()
# Sequences by step: ragged, of one step, one sequence, steps without sequences, none at all.
BATCHES = [[5, 5, 3, 2, 2, 1], [4], [1, 1, 1], [3, 2, 0, 0], []]
WIDTHS = [(1, 1), (3, 1), (2, 5), (5, 16), (7, 33)]


def n_params(depth: int, dirs: int, nI: int, nO: int) -> int:
    return dirs * 4 * nO * (nI + nO + 2) + (depth - 1) * dirs * 4 * nO * (nO * dirs + nO + 2)


class Example:
    """Random arguments of the three ops."""

    def __init__(self, depth: int, dirs: int, nI: int, nO: int, sizes: List[int], dtype: str = "float64"):
        self.rng = numpy.random.default_rng((depth, dirs, nI, nO, sum(sizes)))
        self.shape = (depth, dirs, nI, nO)
        self.sizes = numpy.array(sizes, dtype="int32")
        self.params = self.draw(n_params(*self.shape), dtype, 0.7 / max(nO, 4) ** 0.5)
        self.H0, self.C0 = self.draw((depth, dirs, nO), dtype), self.draw((depth, dirs, nO), dtype)
        self.X = self.draw((sum(sizes), nI), dtype)
        self.dY = self.draw((sum(sizes), dirs * nO), dtype)

    def draw(self, shape: Any, dtype: str, scale: float = 1.0) -> Any:
        return (self.rng.normal(size=shape) * scale).astype(dtype)

    def forward(self, ops: Any) -> Tuple[Any, Any]:
        arrays = (ops.asarray(each) for each in (self.params, self.H0, self.C0, self.X, self.sizes))
        return ops.lstm_forward_training(*arrays)

    def inference(self, ops: Any) -> Any:
        arrays = (ops.asarray(each) for each in (self.params, self.H0, self.C0, self.X, self.sizes))
        return ops.lstm_forward_inference(*arrays)

    def backward(self, ops: Any, state: Any) -> Tuple[Any, ...]:
        dY, sizes, params = (ops.asarray(each) for each in (self.dY, self.sizes, self.params))
        return tuple(ops.to_numpy(each) for each in ops.backprop_lstm_states(dY, sizes, params, state))


def examples(dtype: str = "float64") -> List[Example]:
    return [
        Example(depth, dirs, nI, nO, sizes, dtype)
        for depth in (1, 2, 3)
        for dirs in (1, 2)
        for nI, nO in WIDTHS
        for sizes in BATCHES
    ]


def written_out(example: Example) -> Any:
    """The equations, one sequence and one step at a time."""

    def logistic(x: Any) -> Any:
        return 1 / (1 + numpy.exp(-x))

    depth, dirs, _, nO = example.shape
    sizes = example.sizes.tolist()
    starts = numpy.concatenate([[0], numpy.cumsum(sizes)]).tolist()
    rows = [[starts[t] + b for t, n in enumerate(sizes) if b < n] for b in range(max(sizes, default=0))]
    X, at = example.X, 0

    def take(*shape: int) -> Any:
        nonlocal at
        at += int(numpy.prod(shape))
        return example.params[at - int(numpy.prod(shape)) : at].reshape(shape)

    for layer in range(depth):
        Y = numpy.zeros((len(X), dirs * nO))
        for d in range(dirs):
            Wx, bx, Wh, bh = take(4, nO, X.shape[1]), take(4, nO), take(4, nO, nO), take(4, nO)
            for sequence in rows:
                h, c = example.H0[layer, d], example.C0[layer, d]
                for row in sequence[::-1] if d else sequence:
                    f, i, o, g = Wx @ X[row] + bx + Wh @ h + bh
                    c = logistic(f) * c + logistic(i) * numpy.tanh(g)
                    h = logistic(o) * numpy.tanh(c)
                    Y[row, d * nO : (d + 1) * nO] = h
        X = Y
    return X


def close(actual: Any, expected: Any, dtype: str) -> None:
    """Within 200 roundings of the largest value: products are summed step after step."""
    error = abs(numpy.asarray(actual, dtype="float64") - expected).max(initial=0)
    assert actual.shape == expected.shape
    assert actual.dtype == dtype
    assert error <= 200 * numpy.finfo(dtype).eps * max(1, abs(expected).max(initial=0))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_forward_is_the_equations(ops: Any, dtype: str) -> None:
    for example in examples(dtype):
        expected = written_out(example)
        close(ops.to_numpy(example.forward(ops)[0]), expected, dtype)
        close(ops.to_numpy(example.inference(ops)), expected, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_known_values(ops: Any, dtype: str) -> None:
    X, sizes = ops.asarray([[1], [2], [3]], dtype=dtype), ops.asarray1i([2, 1])
    for dirs, params, outputs, cells in (
        (1, 0.1 * numpy.arange(1, 17), [[0.65907496], [0.6815021], [0.9265568]], [0.893616, 0.91378564, 1.7996829]),
        (
            2,
            0.1 * (numpy.arange(32) % 7 - 3),
            [[-0.12321807, 0.05893316], [-0.10711782, 0.05203427], [-0.13213925, 0.08635955]],
            None,
        ),
    ):
        zeros = ops.alloc3f(1, dirs, 1, dtype=dtype)
        arguments = (ops.asarray(params, dtype=dtype), zeros, zeros, X, sizes)
        Y, state = ops.lstm_forward_training(*arguments)
        for actual in (Y, ops.lstm_forward_inference(*arguments)):
            assert actual.dtype == dtype
            numpy.testing.assert_allclose(ops.to_numpy(actual), outputs, rtol=1e-6)
        if cells:
            numpy.testing.assert_allclose(ops.to_numpy(state.units[0, 0, :, 4, 0]), cells, rtol=1e-6)


def test_names_of_the_initial_states(ops: Any) -> None:
    """With weights of zero every gate is 1/2, so that the cell halves and the output of before has no effect."""
    start, zeros = ops.asarray3f([[[2.0]]]), ops.alloc3f(1, 1, 1)
    rest = (ops.alloc2f(2, 1), ops.asarray1i([1, 1]))
    params = ops.alloc1f(16)
    Y = ops.to_numpy(ops.lstm_forward_inference(params, zeros, start, *rest))
    numpy.testing.assert_allclose(Y[:, 0], [0.5 * numpy.tanh(1.0), 0.5 * numpy.tanh(0.5)], rtol=1e-6)
    assert (ops.to_numpy(ops.lstm_forward_inference(params, start, zeros, *rest)) == 0).all()


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("dirs", [1, 2])
def test_gradients_are_derivatives(depth: int, dirs: int) -> None:
    for example in examples():
        if example.shape[:2] != (depth, dirs):
            continue
        gradients = example.backward(REFERENCE, example.forward(REFERENCE)[1])
        names = ("X", "params", "H0", "C0")
        start = {name: getattr(example, name) for name in names}
        change = {name: example.draw(start[name].shape, "float64") for name in names}
        claimed = sum(float((g * change[name]).sum()) for name, g in zip(names, gradients))

        def value(step: float, example: Any = example, start: Any = start, change: Any = change) -> float:
            for name in start:
                setattr(example, name, start[name] + step * change[name])
            return float((example.inference(REFERENCE) * example.dY).sum())

        measured = (value(1e-6) - value(-1e-6)) / 2e-6
        assert claimed == pytest.approx(measured, rel=1e-6, abs=1e-6), (example.shape, example.sizes)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_agree_with_the_reference(fast_ops: Any, isa: str, dtype: str) -> None:
    for example in examples(dtype):
        actual = example.backward(fast_ops, example.forward(fast_ops)[1])
        wide = Example(*example.shape, example.sizes.tolist())
        for name in ("params", "H0", "C0", "X", "dY"):
            setattr(wide, name, getattr(example, name).astype("float64"))
        for name, a, b in zip("X params H0 C0".split(), actual, wide.backward(REFERENCE, wide.forward(REFERENCE)[1])):
            try:
                close(a, b, dtype)
            except AssertionError as error:
                raise AssertionError(f"d{name} of {example.shape}, sizes {example.sizes}") from error


def test_many_rows(fast_ops: Any, isa: str) -> None:
    """More rows than one block of the products."""
    sizes = sorted(numpy.random.default_rng(1).integers(0, 70, 40).tolist(), reverse=True)
    example = Example(2, 2, 40, 48, sizes, "float32")
    wide = Example(2, 2, 40, 48, sizes)
    for name in ("params", "H0", "C0", "X", "dY"):
        setattr(wide, name, getattr(example, name).astype("float64"))
    Y, state = example.forward(fast_ops)
    expected, wide_state = wide.forward(REFERENCE)
    close(fast_ops.to_numpy(Y), expected, "float32")
    close(fast_ops.to_numpy(example.inference(fast_ops)), expected, "float32")
    for actual, right in zip(example.backward(fast_ops, state), wide.backward(REFERENCE, wide_state)):
        close(actual, right, "float32")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_bits_for_any_number_of_threads(isa: str, dtype: str) -> None:
    fast, before = NumpyOps(), get_num_threads()
    shapes = [(1, 1, 40, 64, [17] * 20), (2, 2, 30, 40, [40, 40, 31, 12, 12, 5, 1]), (1, 2, 20, 70, [300, 4])]
    try:
        for depth, dirs, nI, nO, sizes in shapes:
            example = Example(depth, dirs, nI, nO, sizes, dtype)
            found = []
            for n in (1, 2, 5):
                set_num_threads(n)
                Y, state = example.forward(fast)
                found.append([each.tobytes() for each in (Y, example.inference(fast), *example.backward(fast, state))])
            assert found[0] == found[1] == found[2]
    finally:
        set_num_threads(before)


def test_one_sequence_alone_is_one_sequence_in_a_batch(ops: Any) -> None:
    batch = Example(2, 2, 3, 4, [3, 3, 2, 1])
    Y = ops.to_numpy(batch.inference(ops))
    starts = [0, 3, 6, 8]
    for b, length in enumerate((4, 3, 2)):
        rows = [starts[t] + b for t in range(length)]
        alone = Example(2, 2, 3, 4, [1] * length)
        alone.params, alone.H0, alone.C0, alone.X = batch.params, batch.H0, batch.C0, batch.X[rows]
        numpy.testing.assert_allclose(ops.to_numpy(alone.inference(ops)), Y[rows], atol=1e-12)


def test_no_gradient_gives_zeros(ops: Any) -> None:
    example = Example(2, 2, 3, 4, [3, 2])
    example.dY[...] = 0
    for gradient in example.backward(ops, example.forward(ops)[1]):
        assert (gradient == 0).all()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("depth, dirs", [(1, 1), (1, 2), (2, 2)])
def test_without_dX_the_others_are_the_same(ops: Any, dtype: str, depth: int, dirs: int) -> None:
    example = Example(depth, dirs, 3, 4, [4, 2, 1], dtype)
    state = example.forward(ops)[1]
    expected = example.backward(ops, state)
    given = (ops.asarray(each) for each in (example.dY, example.sizes, example.params))
    dX, *found = ops.backprop_lstm_states(*given, state, needs_dX=False)
    assert dX is None
    for one, other in zip(found, expected[1:]):
        numpy.testing.assert_array_equal(ops.to_numpy(one), other)


def test_both_biases_get_the_gradient(ops: Any) -> None:
    example = Example(1, 1, 3, 4, [3, 2])
    d_params = example.backward(ops, example.forward(ops)[1])[1]
    bx, bh = d_params[48:64], d_params[-16:]
    assert abs(bx).min() > 0
    numpy.testing.assert_array_equal(bx, bh)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nothing_is_changed_and_the_state_can_be_used_again(ops: Any, dtype: str) -> None:
    for nO in (1, 5):
        example = Example(2, 2, 3, nO, [3, 2, 2], dtype)
        names = ("params", "H0", "C0", "X", "sizes", "dY")
        before = {name: getattr(example, name).copy() for name in names}
        Y, state = example.forward(ops)
        kept = ops.to_numpy(Y).copy()
        first = example.backward(ops, state)
        Y[...] = 7  # what the caller does with its array is not the state's business
        for a, b in zip(first, example.backward(ops, state)):
            numpy.testing.assert_array_equal(a, b)
        for name in names:
            numpy.testing.assert_array_equal(getattr(example, name), before[name])
        numpy.testing.assert_array_equal(ops.to_numpy(example.forward(ops)[0]), kept)


def strided(array: Any) -> Any:
    """The same values in a read-only view, two elements apart."""
    holder = numpy.full([2 * n for n in array.shape], 77, dtype=array.dtype)
    view = holder[tuple(slice(0, None, 2) for _ in array.shape)]
    view[...] = array
    view.flags.writeable = False
    return view


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("kind", ["int64", "uint8", "int16", "uint32"])
def test_any_layout_and_integer_dtype(ops: Any, dtype: str, kind: str) -> None:
    plain, odd = (Example(2, 2, 3, 5, [3, 2, 2], dtype) for _ in range(2))
    odd.sizes = odd.sizes.astype(kind)
    for name in ("params", "H0", "C0", "X", "sizes", "dY"):
        setattr(odd, name, strided(getattr(odd, name)))
    (Y, state), (expected, expected_state) = odd.forward(ops), plain.forward(ops)
    pairs = [(ops.to_numpy(Y), ops.to_numpy(expected))]
    pairs += zip(odd.backward(ops, state), plain.backward(ops, expected_state))
    for a, b in pairs:
        if isinstance(ops, NumpyOps) and dtype != "float16":
            numpy.testing.assert_array_equal(a, b)
        else:  # NumPy's own products need not give the same bits for another layout
            close(a, b.astype("float64"), dtype)


def test_large_activations_stay_finite(ops: Any) -> None:
    for dtype in ("float32", "float64"):
        example = Example(1, 2, 3, 20, [3, 2, 2], dtype)
        example.params *= 1e4
        Y, state = example.forward(ops)
        assert numpy.isfinite(ops.to_numpy(Y)).all()
        assert abs(ops.to_numpy(Y)).max() <= 1
        for gradient in example.backward(ops, state):
            assert numpy.isfinite(gradient).all()


def test_small_candidates_keep_their_digits(ops: Any) -> None:
    """tanh and the cell near 0: a relative, not an absolute error."""
    params = numpy.zeros(16, dtype="float32")
    params[3] = 1  # the candidate is tanh(x), all other gates are 1/2
    X = numpy.logspace(-12, 0, 50, dtype="float32").reshape(1, -1).T
    zeros = numpy.zeros((1, 1, 1), dtype="float32")
    arrays = (ops.asarray(each) for each in (params, zeros, zeros, X, numpy.array([50])))
    Y = ops.to_numpy(ops.lstm_forward_inference(*arrays))
    expected = 0.5 * numpy.tanh(0.5 * numpy.tanh(X.astype("float64")))
    numpy.testing.assert_allclose(Y, expected, rtol=1e-6)


def test_gradients_of_pytorch(torch: Any, fast_ops: Any) -> None:
    for depth, dirs, nI, nO, sizes in ((1, 1, 3, 5, [4, 3, 1]), (3, 2, 4, 6, [5, 5, 3, 2, 1]), (2, 2, 1, 1, [2, 1])):
        example = Example(depth, dirs, nI, nO, sizes)
        lstm = torch.nn.LSTM(nI, nO, depth, bidirectional=dirs == 2).double()
        order = [1, 0, 3, 2]  # PyTorch: input, forget, candidate, output
        names, parts, at = [], [], 0
        for layer in range(depth):
            for d in range(dirs):
                tail = f"l{layer}" + "_reverse" * d
                for name, shape in (
                    ("weight_ih", (4, nO, nO * dirs if layer else nI)),
                    ("bias_ih", (4, nO)),
                    ("weight_hh", (4, nO, nO)),
                    ("bias_hh", (4, nO)),
                ):
                    names.append(f"{name}_{tail}")
                    parts.append((at, shape))
                    at += int(numpy.prod(shape))
                    part = example.params[parts[-1][0] : at].reshape(shape)[[1, 0, 3, 2]]
                    getattr(lstm, names[-1]).data[...] = torch.tensor(part.reshape(getattr(lstm, names[-1]).shape))
        batch = max(sizes)
        start = [
            torch.tensor(numpy.repeat(each.reshape(depth * dirs, 1, nO), batch, axis=1), requires_grad=True)
            for each in (example.H0, example.C0)
        ]
        X = torch.tensor(example.X, requires_grad=True)
        packed = torch.nn.utils.rnn.PackedSequence(X, torch.tensor(sizes))
        expected = lstm(packed, tuple(start))[0].data
        expected.backward(torch.tensor(example.dY))
        Y, state = example.forward(fast_ops)
        dX, d_params, dH0, dC0 = example.backward(fast_ops, state)
        close(fast_ops.to_numpy(Y), expected.detach().numpy(), "float64")
        close(dX, X.grad.numpy(), "float64")
        for actual, each in zip((dH0, dC0), start):
            close(actual, each.grad.sum(dim=1).numpy().reshape(depth, dirs, nO), "float64")
        for name, (at, shape) in zip(names, parts):
            got = d_params[at : at + int(numpy.prod(shape))].reshape(shape)[order]
            close(got, getattr(lstm, name).grad.numpy().reshape(shape), "float64")


def small(**changed: Any) -> Any:
    """Arguments of the forward ops for 3 inputs, 2 outputs, one layer and direction, two sequences."""
    shapes = {"params": (56,), "H0": (1, 1, 2), "C0": (1, 1, 2), "X": (3, 3)}
    arrays = {name: numpy.zeros(shape, dtype="float32") for name, shape in shapes.items()}
    return {**arrays, "size_at_t": numpy.array([2, 1], dtype="int32"), **changed}


def zeros(*shape: int, dtype: str = "float32") -> Any:
    return numpy.zeros(shape, dtype=dtype)


FORWARD_ERRORS = [
    ({"X": zeros(3)}, ValueError, "X must have 2 dimensions; got shape (3,)"),
    ({"params": zeros(8, 7)}, ValueError, "params must have 1 dimensions; got shape (8, 7)"),
    ({"H0": zeros(1, 2)}, ValueError, "H0 must have 3 dimensions; got shape (1, 2)"),
    ({"C0": zeros(1, 1, 3)}, ValueError, "H0 and C0 must have the same shape; got (1, 1, 2) and (1, 1, 3)"),
    ({"X": zeros(3, 3, dtype="int32")}, TypeError, "X must have a float dtype; got int32 (call ops.asarray_f)"),
    (
        {"X": zeros(3, 3, dtype="float64")},
        TypeError,
        "params, H0, C0 and X must have the same dtype; got float32 and float32 and float32 and float64",
    ),
    (
        {"params": zeros(55)},
        ValueError,
        "params must have 56 values for depth=1, dirs=1, nI=3, nO=2; got shape (55,)",
    ),
    (
        {"H0": zeros(0, 1, 2), "C0": zeros(0, 1, 2)},
        ValueError,
        "the first dimension of H0, the number of layers, must be >= 1; got 0",
    ),
    (
        {"H0": zeros(1, 3, 2), "C0": zeros(1, 3, 2)},
        ValueError,
        "the second dimension of H0, the number of directions, must be 1 or 2; got 3",
    ),
    ({"size_at_t": [1, 2]}, ValueError, "size_at_t must be >= 0 and not increase; got 2 at position 1"),
    ({"size_at_t": [4, -1]}, ValueError, "size_at_t must be >= 0 and not increase; got -1 at position 1"),
    ({"size_at_t": [2, 2]}, IndexError, "size_at_t must sum up to the number of rows; got a sum of 4 for 3 rows"),
    ({"size_at_t": []}, IndexError, "size_at_t must sum up to the number of rows; got a sum of 0 for 3 rows"),
    (
        {"size_at_t": [2.0, 1.0]},
        TypeError,
        "size_at_t must have an integer dtype; got float64 (call ops.asarray_i)",
    ),
]


@pytest.mark.parametrize("op", ["lstm_forward_training", "lstm_forward_inference"])
@pytest.mark.parametrize("changed, error, text", FORWARD_ERRORS, ids=range(len(FORWARD_ERRORS)))
def test_wrong_arguments(ops: Any, op: str, changed: Any, error: Any, text: str) -> None:
    arguments = {
        name: ops.asarray(value) if isinstance(value, numpy.ndarray) else value
        for name, value in small(**changed).items()
    }
    with pytest.raises(error) as caught:
        getattr(ops, op)(**arguments)
    assert str(caught.value) == f"{op}: {text}"


BACKWARD_ERRORS = [
    ({"dY": zeros(3, 3)}, ValueError, "dY must have shape (3, 2); got (3, 3)"),
    (
        {"dY": zeros(3, 2, dtype="float64")},
        TypeError,
        "dY and params must have the same dtype; got float64 and float32",
    ),
    (
        {"params": zeros(57)},
        ValueError,
        "params must have 56 values for depth=1, dirs=1, nI=3, nO=2; got shape (57,)",
    ),
    ({"lengths": [3]}, ValueError, "lengths must be the size_at_t of the forward pass; got [3] and [2, 1]"),
    ({"fwd_state": None}, TypeError, "fwd_state must be what lstm_forward_training returned; got a NoneType"),
    ({"fwd_state": (1, 2)}, TypeError, "fwd_state must be what lstm_forward_training returned; got a tuple"),
]


def test_state_of_another_backend() -> None:
    native, example = NumpyOps(), Example(2, 2, 3, 4, [3, 2])
    right = example.backward(REFERENCE, example.forward(REFERENCE)[1])
    for forward, backward in ((REFERENCE, native), (native, REFERENCE)):
        for actual, expected in zip(example.backward(backward, example.forward(forward)[1]), right):
            close(actual, expected, "float64")


@pytest.mark.parametrize("part", ["inputs", "H0", "C0", "sizes", "units"])
def test_changed_state(ops: Any, part: str) -> None:
    """A kernel must never read beyond the arrays of a state that somebody took apart."""
    example = Example(2, 2, 3, 4, [3, 2])
    _, state = example.forward(ops)
    changed = state._replace(**{part: getattr(state, part)[:-1]})
    with pytest.raises(TypeError, match="fwd_state must be what lstm_forward_training returned; got a changed one"):
        example.backward(ops, changed)


@pytest.mark.parametrize("op", ["backprop_lstm", "backprop_lstm_states"])
@pytest.mark.parametrize("changed, error, text", BACKWARD_ERRORS, ids=range(len(BACKWARD_ERRORS)))
def test_wrong_arguments_of_the_backward_pass(ops: Any, op: str, changed: Any, error: Any, text: str) -> None:
    forward = {name: ops.asarray(value) for name, value in small().items()}
    _, state = ops.lstm_forward_training(**forward)
    arguments = {"dY": zeros(3, 2), "lengths": [2, 1], "params": zeros(56), "fwd_state": state, **changed}
    moved = {
        name: ops.asarray(value) if isinstance(value, numpy.ndarray) else value for name, value in arguments.items()
    }
    with pytest.raises(error) as caught:
        getattr(ops, op)(**moved)
    assert str(caught.value) == f"{op}: {text}"
