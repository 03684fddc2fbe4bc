"""Recurrent PyTorch modules as layers: against the bare module sequence by sequence, and against our LSTM."""

from __future__ import annotations

from typing import Any, List

import numpy
import pytest

from thinc_core.api import Adam, Model, Padded, PyTorchLSTM, PyTorchRNNWrapper, Ragged, registry, with_padded
from thinc_core.backends import NumpyOps

from .modules import floats

LENGTHS = [3, 0, 5, 1, 5]


def sequences(width: int = 4, lengths: List[int] = LENGTHS) -> List[Any]:
    return [floats(length, width, seed=i) for i, length in enumerate(lengths)]


def inner(model: Model) -> Any:
    return model.layers[0].shims[0]._model


@pytest.mark.parametrize("bi", [False, True])
@pytest.mark.parametrize("depth", [1, 2])
def test_lstm_as_the_bare_module(torch: Any, bi: bool, depth: int) -> None:
    model = PyTorchLSTM(6, 4, bi=bi, depth=depth)
    lstm, Xs = inner(model), sequences()
    Ys, backprop = model.begin_update(Xs)
    dYs = [floats(*Y.shape, seed=9 + i) for i, Y in enumerate(Ys)]
    dXs = backprop(dYs)
    found = {name: parameter.grad.clone() for name, parameter in lstm.named_parameters()}
    lstm.zero_grad()
    for X, Y, dY, dX in zip(Xs, Ys, dYs, dXs):
        assert (Y.shape, dX.shape) == ((len(X), 6), X.shape)
        if len(X):
            x = torch.from_numpy(X).requires_grad_()
            y = lstm(x)[0]
            y.backward(torch.from_numpy(dY))
            numpy.testing.assert_allclose(Y, y.detach().numpy(), atol=1e-6)
            numpy.testing.assert_allclose(dX, x.grad.numpy(), atol=1e-6)
    for name, parameter in lstm.named_parameters():
        assert torch.allclose(found[name], parameter.grad, atol=1e-5), name
    for Y, alone in zip(Ys, (model.predict([X])[0] for X in Xs)):
        numpy.testing.assert_allclose(Y, alone, atol=1e-6)  # whatever it is batched with


@pytest.mark.parametrize("kind", ["list", "ragged", "padded"])
def test_lstm_takes_any_kind(torch: Any, kind: str) -> None:
    model, Xs, ops = PyTorchLSTM(6, 4, bi=True), sequences(), NumpyOps()
    expected = model.predict(Xs)
    if kind == "padded":
        X = ops.list2padded(Xs)
        Y, backprop = model.begin_update(X)
        for own, other in zip(ops.padded2list(Y), expected):
            numpy.testing.assert_allclose(own, other, atol=1e-6)
        live = numpy.arange(Y.data.shape[1]) < Y.size_at_t[:, None]
        assert not Y.data[~live].any()
        assert isinstance(backprop(Y), Padded)
    else:
        X = Xs if kind == "list" else Ragged(numpy.concatenate(Xs), numpy.array(LENGTHS, "i"))
        Y, backprop = model.begin_update(X)
        rows = Y.data if kind == "ragged" else numpy.concatenate(Y)
        numpy.testing.assert_allclose(rows, numpy.concatenate(expected), atol=1e-6)
        assert type(backprop(Y)) is type(X)


@pytest.mark.parametrize("lengths", [[], [0], [0, 0]])
def test_lstm_without_rows(torch: Any, lengths: List[int]) -> None:
    model = PyTorchLSTM(6, 4, bi=True)
    Xs = sequences(lengths=lengths)
    Ys, backprop = model.begin_update(Xs)
    assert [Y.shape for Y in Ys] == [(0, 6)] * len(Xs)
    assert [dX.shape for dX in backprop(Ys)] == [X.shape for X in Xs]
    assert not any(parameter.grad.any() for parameter in inner(model).parameters())


def test_lstm_learns(torch: Any) -> None:
    model, optimizer = PyTorchLSTM(2, 4), Adam(0.05)
    Xs = sequences()
    goals = [numpy.tanh(X[:, :2]) for X in Xs]
    losses = []
    for _ in range(30):
        Ys, backprop = model.begin_update(Xs)
        backprop([(Y - goal) / 10 for Y, goal in zip(Ys, goals)])
        model.finish_update(optimizer)
        losses.append(sum(((Y - goal) ** 2).sum() for Y, goal in zip(Ys, goals)))
    assert losses[-1] < 0.4 * losses[0]


def test_settings_of_the_lstm(torch: Any) -> None:
    assert PyTorchLSTM(4, 3, depth=0).name == "noop"
    with pytest.raises(ValueError, match="pytorchlstm: nO must be even with bi=True; got 3"):
        PyTorchLSTM(3, 3, bi=True)
    model = registry.resolve({"m": {"@layers": "PyTorchLSTM.v1", "nO": 6, "nI": 4, "bi": True, "depth": 2}})["m"]
    assert [node.name for node in model.walk()] == ["with_padded(pytorch)", "pytorch"]
    assert (model.get_dim("nO"), model.get_dim("nI")) == (6, 4)
    with pytest.raises(ValueError, match="pytorch: X must be a Padded; got list"):
        model.layers[0].predict(sequences())
    with pytest.raises(ValueError, match="dY"):
        model.begin_update(sequences())[1]([floats(len(X), 5) for X in sequences()])


def test_rnn_wrapper_hands_on_the_padded_array(torch: Any) -> None:
    model = with_padded(PyTorchRNNWrapper(torch.nn.GRU(4, 3)))
    gru, Xs = inner(model), sequences(lengths=[3, 3])
    Ys, backprop = model.begin_update(Xs)
    dYs = [floats(3, 3, seed=5 + i) for i in range(2)]
    dXs = backprop(dYs)
    found = gru.weight_ih_l0.grad.clone()
    gru.zero_grad()
    x = torch.from_numpy(numpy.stack(Xs, axis=1)).requires_grad_()
    y = gru(x, None)[0]
    y.backward(torch.from_numpy(numpy.stack(dYs, axis=1)))
    numpy.testing.assert_allclose(numpy.stack(Ys, axis=1), y.detach().numpy(), atol=1e-6)
    numpy.testing.assert_allclose(numpy.stack(dXs, axis=1), x.grad.numpy(), atol=1e-6)
    assert torch.allclose(found, gru.weight_ih_l0.grad, atol=1e-6)
    before = gru.weight_ih_l0.detach().clone()
    model.finish_update(Adam(0.1))
    assert not torch.equal(gru.weight_ih_l0, before)
    with pytest.raises(ValueError, match="pytorch: dY must have the shape of the output"):
        model.begin_update(Xs)[1]([floats(3, 2)] * 2)
