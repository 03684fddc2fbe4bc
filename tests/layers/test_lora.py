"""LoRA: what is trained, and what remains after merging."""

import numpy
import pytest

from thinc_core.layers import Linear, LoRA, Relu, chain
from thinc_core.layers.lora import merge
from thinc_core.optimizers import SGD


def rows(n, width):
    return numpy.random.RandomState(width).normal(size=(n, width)).astype("f")


def trained(model, steps=3):
    X, target = rows(6, 4), rows(6, 3)
    for _ in range(steps):
        Y, backprop = model.begin_update(X)
        backprop(Y - target)
        model.finish_update(SGD(0.05))
    return model


def test_it_starts_as_the_layer_and_leaves_it_alone():
    base = Linear(3, 4).initialize()
    before, W = base.predict(rows(6, 4)), base.get_param("W").copy()
    model = LoRA(base, rank=2).initialize()
    assert (model.predict(rows(6, 4)) == before).all()
    trained(model)
    assert (base.get_param("W") == W).all()
    assert not base.grad_names
    assert abs(model.predict(rows(6, 4)) - before).max() > 1e-3


def test_merged_into_a_linear():
    model = trained(LoRA(Linear(3, 4), rank=2, alpha=3.0).initialize())
    before = model.predict(rows(6, 4))
    merged = merge(model)
    assert [node.name for node in merged.walk()] == ["linear"]
    numpy.testing.assert_allclose(merged.predict(rows(6, 4)), before, rtol=1e-5, atol=1e-6)


def test_merged_inside_a_tree():
    model = chain(LoRA(Linear(4, 4), rank=1), Relu(4, 4), LoRA(Linear(3, 4), rank=2)).initialize()
    before = trained(model).predict(rows(6, 4))
    assert merge(model) is model
    assert [node.name.partition(">>")[0] for node in model.layers] == ["linear", "relu", "linear"]
    numpy.testing.assert_allclose(model.predict(rows(6, 4)), before, rtol=1e-5, atol=1e-6)


def test_widths_come_from_samples():
    model = LoRA(Linear(), rank=2).initialize(rows(2, 4), rows(2, 3))
    assert model.get_param("A").shape == (2, 4)
    assert model.get_param("B").shape == (3, 2)


def test_wrong_settings():
    with pytest.raises(ValueError, match="lora: layer must be a Linear; got 'relu'"):
        LoRA(Relu(3, 4))
    with pytest.raises(ValueError, match="lora: rank must be >= 1; got 0"):
        LoRA(Linear(3, 4), rank=0)
