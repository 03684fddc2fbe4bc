"""Rows of ids that occur again in a batch run once: the same numbers, and only where each row is looked at alone."""

import numpy
import pytest

from thinc_core.layers import (
    Dropout,
    Embed,
    HashEmbed,
    LayerNorm,
    Linear,
    Maxout,
    Relu,
    _distinct_rows,
    chain,
    concatenate,
    expand_window,
)
from thinc_core.util import fix_random_seed


def rows_again(n_rows=300, dtype="uint64", n_ids=40):
    """Few different rows, in any order, neighbours among them; the first columns alone tell none apart."""
    random = numpy.random.RandomState(0)
    rows = random.randint(-5 if dtype[0] == "i" else 0, 9, size=(n_ids, 4)).astype(dtype)
    rows[:, 0] = 1
    return rows[random.randint(0, n_ids, n_rows)]


def on_tables(kind=HashEmbed, dropout=None, behind=None):
    fix_random_seed(0)
    tables = [kind(5, 40, column=i, dropout=dropout, **({"seed": i} if kind is HashEmbed else {})) for i in (2, 0, 3)]
    return chain(concatenate(*tables), *(behind or [Maxout(4, 15, normalize=True), Linear(3, 4)])).initialize()


def runs_once(model, X):
    return [type(step) for step in _distinct_rows.plan(model.layers, X)].count(_distinct_rows.DistinctRows)


@pytest.mark.parametrize(
    "make, ids",
    [
        *((on_tables, ids) for ids in ("uint64", "int32", "int64")),
        (lambda: on_tables(Embed), "uint64"),
        (lambda: on_tables(dropout=0.5), "uint64"),
        (lambda: on_tables(behind=[Relu(7, 15), LayerNorm(7)]), "uint64"),
        (lambda: on_tables(behind=[Maxout(4, 15), Dropout(0.5), Linear(2, 4)]), "uint64"),
    ],
)
def test_rows_that_occur_again(make, ids, monkeypatch):
    X = rows_again(dtype=ids)
    assert runs_once(make(), X)
    once = step_of(make(), X)
    monkeypatch.setattr(_distinct_rows, "MIN_ROWS", 10**9)
    assert not runs_once(make(), X)
    for a, b in zip(once, step_of(make(), X)):
        numpy.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


def step_of(model, X):
    """Everything a step computes, in double."""
    for node in model.walk():
        for name in node.param_names:
            node.set_param(name, node.get_param(name).astype("float64"))
    fix_random_seed(0)
    Y, backprop = model.begin_update(X)
    dY = numpy.random.RandomState(1).normal(size=Y.shape).astype(Y.dtype)
    dX, again = backprop(dY), backprop(dY)
    assert dX.shape == again.shape == X.shape
    assert dX.dtype == X.dtype
    assert not dX.any()
    gradients = [node.get_grad(name).copy() for node in model.walk() for name in node.grad_names]
    return [Y, model.predict(X), *gradients]


def test_when_rows_run_once(monkeypatch):
    X = rows_again()
    assert runs_once(on_tables(), X)
    assert not runs_once(on_tables(), X[:20])
    assert not runs_once(on_tables(), numpy.arange(800, dtype="uint64").reshape(200, 4))
    assert not runs_once(on_tables(), X.astype("float32"))
    assert not runs_once(on_tables(behind=[Dropout(0.5), Linear(3, 15)]), X)
    assert not runs_once(on_tables(behind=[expand_window(1), Linear(3, 45)]), X)
    model = on_tables()
    model.layers[0].layers[0].replace_callbacks(lambda *args: None)
    assert not runs_once(model, X)
    monkeypatch.setattr(_distinct_rows, "FACTORS", numpy.zeros(64, "uint64"))  # every row has the same key
    assert not runs_once(on_tables(), X)


def test_errors_on_rows_that_occur_again():
    X = rows_again()
    model = on_tables(behind=[Maxout(4, 16), Linear(3, 4)])
    with pytest.raises(ValueError, match=r"maxout \(2nd layer of chain\): X must have width 16; got \(\d+, 15\)"):
        model.predict(X)
    model = on_tables()
    Y, backprop = model.begin_update(X)
    with pytest.raises(ValueError, match=r"dY must have the shape of the output \(300, 3\); got \(299, 3\)"):
        backprop(Y[1:])
