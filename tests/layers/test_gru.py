"""GRU: against PyTorch, and what does not depend on the batch."""

import numpy
import pytest

from thinc_core.layers import GRU, with_padded


def sequences(*lengths, width=3):
    return [numpy.random.RandomState(n).normal(size=(n, width)).astype("f") for n in lengths]


@pytest.mark.parametrize("settings", [{}, {"bi": True, "depth": 2}], ids=str)
def test_a_sequence_does_not_depend_on_the_batch(settings):
    model = with_padded(GRU(4, 3, **settings)).initialize()
    Xs = sequences(5, 1, 0, 3)
    for X, Y in zip(Xs, model.predict(Xs)):
        numpy.testing.assert_allclose(model.predict([X])[0], Y, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("bi", [False, True])
@pytest.mark.parametrize("depth", [1, 3])
def test_as_pytorch(torch, bi, depth):
    nO, (X,) = 6, sequences(7)
    peer = torch.nn.GRU(3, nO // (1 + bi), depth, bidirectional=bi)
    names = ("weight_ih", "bias_ih", "weight_hh", "bias_hh")
    suffixes = [f"_l{layer}{way}" for layer in range(depth) for way in ("", "_reverse")[: 1 + bi]]
    order = [name + suffix for suffix in suffixes for name in names]
    model = with_padded(GRU(nO, 3, bi=bi, depth=depth)).initialize()
    gru = model.layers[0]
    gru.set_param("GRU", numpy.concatenate([getattr(peer, name).detach().numpy().reshape(-1) for name in order]))
    x = torch.from_numpy(X[:, None]).requires_grad_()
    y, _ = peer(x)
    (Y,), backprop = model.begin_update([X])
    numpy.testing.assert_allclose(Y, y.detach().numpy()[:, 0], rtol=1e-5, atol=1e-6)
    dY = numpy.random.RandomState(0).normal(size=Y.shape).astype("f")
    (dX,) = backprop([dY])
    y.backward(torch.from_numpy(dY[:, None]))
    numpy.testing.assert_allclose(dX, x.grad.numpy()[:, 0], rtol=1e-4, atol=1e-5)
    expected = numpy.concatenate([getattr(peer, name).grad.numpy().reshape(-1) for name in order])
    numpy.testing.assert_allclose(gru.get_grad("GRU"), expected, rtol=1e-4, atol=1e-5)


def test_wrong_settings():
    with pytest.raises(ValueError, match="gru: depth must be >= 1; got 0"):
        GRU(4, 3, depth=0)
    with pytest.raises(ValueError, match="gru: nO must be even with bi=True; got 5"):
        GRU(5, 3, bi=True).initialize()
