import numpy
import pytest

from thinc_core.backends import Ops, get_current_ops
from thinc_core.layers import Dropout, Embed, HashEmbed, Linear, chain
from thinc_core.model import set_dropout_rate
from thinc_core.types import Ragged
from thinc_core.util import fix_random_seed

from .containers import KINDS, arrays, assert_same, pack


def sample(kind):
    Xs = [numpy.ones((n, 50), dtype="f") for n in (30, 0, 20)]
    return pack(get_current_ops(), kind, Xs, None)


@pytest.mark.parametrize("kind", KINDS)
def test_mask(kind):
    fix_random_seed(0)
    X = sample(kind)
    Y, backprop = Dropout(0.3).begin_update(X)
    assert_same(backprop(X), Y)
    live = numpy.concatenate([array[array != 0] for array in arrays(Y)])
    assert numpy.unique(live) == pytest.approx(1 / 0.7)
    total = sum((array != 0).sum() for array in arrays(X))
    assert live.size / total == pytest.approx(0.7, abs=0.03)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("off", ["predict", "rate", "disabled"])
def test_off(kind, off):
    model, X = Dropout(0.0 if off == "rate" else 0.5), sample(kind)
    model.attrs["is_enabled"] = off != "disabled"
    Y, backprop = model(X, is_train=off != "predict")
    assert Y is X
    assert backprop(X) is X


def test_no_mask_is_drawn_without_need(monkeypatch):
    def refuse(self, shape, drop):
        raise AssertionError("a mask was drawn")

    ids, X = numpy.asarray([1, 2], dtype="uint64"), numpy.ones((2, 4), dtype="f")
    models = [
        (Embed(4, 5, dropout=0.5), ids),
        (HashEmbed(4, 5, dropout=0.5), ids),
        (Dropout(0.5), X),
        (Linear(4, 4), X),
    ]
    for model, batch in models:
        model._to_ops(type("NoDropout", (Ops,), {"get_dropout_mask": refuse})())
        model.initialize().predict(batch)
        set_dropout_rate(model, 0.0)
        model.begin_update(batch)


def test_seeded():
    X = numpy.ones((5, 6), dtype="f")
    results = []
    for _ in range(2):
        fix_random_seed(3)
        results.append(Dropout(0.5).begin_update(X)[0])
    numpy.testing.assert_array_equal(*results)
    assert (Dropout(0.5).begin_update(X)[0] != results[0]).any()


def test_rate_can_change():
    model = chain(Linear(4, 4), Dropout(0.0)).initialize()
    set_dropout_rate(model, 1.0)
    assert not model.begin_update(numpy.ones((2, 4), dtype="f"))[0].any()


def test_ranks_and_kinds_stay():
    data = numpy.ones((5, 2, 3), dtype="f")
    Y = Dropout(0.5).begin_update(Ragged(data, numpy.asarray([2, 3], dtype="i")))[0]
    assert Y.dataXd.shape == (5, 2, 3)
    assert isinstance(Dropout(0.5).begin_update((data, data))[0], list)
    assert Dropout(0.5).begin_update(data.astype("float64"))[0].dtype == "float64"


@pytest.mark.parametrize("make", [Embed, HashEmbed])
def test_embeddings_drop_whole_columns(make):
    fix_random_seed(0)
    model = make(40, 9, dropout=0.5).initialize()
    ids = numpy.asarray([1, 2, 3, 1], dtype="uint64")
    expected = model.predict(ids)
    Y, backprop = model.begin_update(ids)
    dropped = (Y == 0).all(axis=0)
    assert 5 < dropped.sum() < 35
    numpy.testing.assert_allclose(Y[:, ~dropped], 2 * expected[:, ~dropped])
    dY = numpy.ones((4, 40), dtype="f")
    assert backprop(dY).dtype.kind == "i"
    assert (dY == 1).all()
    gradient = model.get_grad("E")
    assert not gradient[:, dropped].any()
    assert set(numpy.unique(gradient[:, ~dropped])) <= {2.0 * n for n in range(17)}
