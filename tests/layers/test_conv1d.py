"""Conv1D: what a window sees."""

import numpy
import pytest

from thinc_core.layers import Conv1D
from thinc_core.types import Ragged

SETTINGS = [
    {"kernel_size": 3},
    {"kernel_size": 4, "dilation": 2},
    {"kernel_size": 2, "dilation": 3, "padding": "causal"},
    {"kernel_size": 4},
    {"kernel_size": 1},
    {"kernel_size": 9},
]


def convolve(model, X):
    """The definition, row by row."""
    W, b = model.get_param("W"), model.get_param("b")
    dilation = model.attrs["dilation"]
    reach = dilation * (W.shape[1] - 1)
    before = reach if model.attrs["padding"] == "causal" else reach // 2
    Y = numpy.tile(b, (len(X), 1))
    for t in range(len(X)):
        for k in range(W.shape[1]):
            s = t + k * dilation - before
            if 0 <= s < len(X):
                Y[t] += W[:, k] @ X[s]
    return Y


def rows(n, width=3):
    return numpy.random.RandomState(n).normal(size=(n, width)).astype("f")


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_each_sequence_by_itself(settings):
    model = Conv1D(2, 3, **settings).initialize()
    model.get_param("b")[:] = [1, -1]
    Xs = [rows(n) for n in (4, 0, 1, 7)]
    Y = model.predict(Ragged(numpy.concatenate(Xs), numpy.asarray([4, 0, 1, 7], "i")))
    numpy.testing.assert_allclose(Y.data, numpy.concatenate([convolve(model, X) for X in Xs]), rtol=1e-5, atol=1e-5)
    numpy.testing.assert_allclose(model.predict(Xs[3]), convolve(model, Xs[3]), rtol=1e-5, atol=1e-5)


def test_causal_rows_do_not_see_what_comes():
    model, X = Conv1D(2, 3, padding="causal").initialize(), rows(6)
    before = model.predict(X)
    X[4:] += 1
    after = model.predict(X)
    assert (before[:4] == after[:4]).all()
    assert (before[4:] != after[4:]).all()


@pytest.mark.parametrize("settings", [each for each in SETTINGS if "padding" not in each], ids=str)
@pytest.mark.filterwarnings("ignore:Using padding='same'")  # of uneven padding, which it copies its input for
def test_as_pytorch(torch, settings):
    peer = torch.nn.Conv1d(3, 2, settings["kernel_size"], padding="same", dilation=settings.get("dilation", 1))
    model, X = Conv1D(2, 3, **settings).initialize(), rows(11)
    model.set_param("W", peer.weight.detach().numpy().transpose(0, 2, 1).copy())
    model.set_param("b", peer.bias.detach().numpy())
    expected = peer(torch.from_numpy(X.T[None].copy())).detach().numpy()[0].T
    numpy.testing.assert_allclose(model.predict(X), expected, rtol=1e-5, atol=1e-5)


def test_widths_come_from_samples():
    model = Conv1D(kernel_size=5).initialize(rows(2, 3), rows(2, 4))
    assert model.get_param("W").shape == (4, 5, 3)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"padding": "valid"}, "padding must be 'same' or 'causal'; got 'valid'"),
        ({"kernel_size": 0}, "kernel_size and dilation must be >= 1; got 0 and 1"),
        ({"dilation": 0}, "got 3 and 0"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(ValueError, match=f"conv1d: .*{message}"):
        Conv1D(2, 3, **settings)
