"""Model.finish_update: parameters that are updated together become what they become one by one."""

from __future__ import annotations

from typing import Any, Dict, Tuple

import numpy
import pytest
from any_backend import make_ops
from cuda_emulation import build
from cuda_emulation.device import emulated_device
from fake_cupy import ndarray

from thinc_core.backends import use_ops
from thinc_core.layers import HashEmbed, LayerNorm, Linear, Maxout, Relu, chain
from thinc_core.model import Model
from thinc_core.optimizers import SGD, Adam, Optimizer, RAdam
from thinc_core.schedules import decaying
from thinc_core.util import fix_random_seed

SETTINGS = {
    "adam": lambda: Adam(0.05, L2=0.01),
    "adam without clipping": lambda: Adam(0.05, grad_clip=0),
    "adam with a penalty": lambda: Adam(0.05, L2=0.1, L2_is_weight_decay=False, use_averages=False),
    "radam": lambda: RAdam(0.05, L2=0.01),
    "sgd": lambda: SGD(0.1, L2=0.01),
    "scheduled": lambda: Adam(decaying(0.1, 0.5), beta1=[0.9, 0.8]),
    "by key": lambda: Adam(lambda step, key: 0.1 if key[1] == "b" else 0.01 * (step + 1)),
}


def make_model(ops: Any) -> Model:
    fix_random_seed(0)
    with use_ops(ops):
        return chain(HashEmbed(8, 50, seed=1), Maxout(6, 8, nP=3), LayerNorm(6), Relu(5, 6), Linear(3, 5)).initialize()


def train(model: Model, optimizer: Any, steps: int) -> Dict[Tuple[int, str], Any]:
    """The parameters after some steps, by place and name."""
    ops = model.ops
    for step in range(steps):
        random = numpy.random.RandomState(step)
        Y, backprop = model.begin_update(ops.asarray(random.randint(0, 99, 40).astype("uint64")))
        backprop(ops.asarray(random.normal(size=Y.shape).astype("f")))
        with use_ops(ops):
            model.finish_update(optimizer)
        getattr(optimizer, "step_schedules", lambda: None)()
    nodes = enumerate(model.walk())
    return {(i, name): ops.to_numpy(node.get_param(name)) for i, node in nodes for name in node.param_names}


@pytest.mark.parametrize("make", SETTINGS.values(), ids=SETTINGS)
def test_together_is_one_by_one(ops: Any, make: Any) -> None:
    """RAdam changes its way after five steps."""
    together, one_by_one = make(), make()

    def protocol(key: Any, weights: Any, gradient: Any) -> Any:
        return one_by_one(key, weights, gradient)

    protocol.step_schedules = one_by_one.step_schedules  # type: ignore[attr-defined]
    first, second = make_model(ops), make_model(ops)
    expected = train(second, protocol, 8)
    for place, values in train(first, together, 8).items():
        numpy.testing.assert_array_equal(values, expected[place])
    keys = {old.id: new.id for old, new in zip(second.walk(), first.walk())}
    for (owner, name), t in one_by_one.nr_update.items():
        key = (keys[owner], name)
        assert together.nr_update[key] == t == 8
        for table in ("mom1", "mom2", "averages"):
            mine, theirs = (getattr(each, table) or {} for each in (together, one_by_one))
            assert (key in mine) == ((owner, name) in theirs)
            if key in mine:
                numpy.testing.assert_array_equal(ops.to_numpy(mine[key]), ops.to_numpy(theirs[owner, name]))


def test_a_subclass_with_its_own_update_is_asked_for_each() -> None:
    class Frozen(Optimizer):
        def __call__(self, key: Any, weights: Any, gradient: Any, *, lr_scale: float = 1.0) -> Any:
            if key[1] == "b":
                return weights, 0 * gradient
            return super().__call__(key, weights, gradient, lr_scale=lr_scale)

    model = Linear(2, 2).initialize()
    for name in ("W", "b"):
        model.set_grad(name, numpy.ones_like(model.get_param(name)))
    before = {name: model.get_param(name).copy() for name in ("W", "b")}
    model.finish_update(Frozen(0.1))
    assert (model.get_param("W") != before["W"]).all()
    assert (model.get_param("b") == before["b"]).all()
    assert not model.get_grad("b").any()


@pytest.mark.parametrize("optimizer", [SGD(0.1), lambda key, weights, gradient: SGD(0.1)(key, weights, gradient)])
def test_an_error_names_the_parameter_and_nothing_after_it_is_updated(optimizer: Any) -> None:
    model = chain(Linear(2, 2), Linear(2, 2)).initialize()
    for node in model.layers:
        for name in ("W", "b"):
            node.set_grad(name, numpy.ones_like(node.get_param(name)))
    node = model.layers[1]
    node._params.set_grad(node.id, "W", numpy.ones((3, 2), "f"))  # which the node would refuse
    before = model.layers[1].get_param("b").copy()
    with pytest.raises(ValueError, match=r"must have the shape of the weights \(2, 2\); got \(3, 2\)") as raised:
        model.finish_update(optimizer)
    notes = "\n".join(getattr(raised.value, "__notes__", [str(raised.value)]))
    assert "in parameter 'W' of " in notes
    assert (model.layers[1].get_param("b") == before).all()


def test_an_error_of_the_update_itself_names_no_parameter() -> None:
    model = chain(Linear(2, 2), Linear(2, 2)).initialize()
    for node in model.layers:
        node.set_grad("W", numpy.ones((2, 2), "f"))
    model.layers[0].get_param("W").flags.writeable = False
    with pytest.raises(ValueError, match=r"weights\[0\] is overwritten and must be writable") as raised:
        model.finish_update(Adam(0.1))
    assert not getattr(raised.value, "__notes__", None)
    assert "in parameter" not in str(raised.value)


def test_a_proxy_is_told_of_new_values() -> None:
    class Proxy:
        remote = numpy.ones((2, 2), "f")

        def get_param(self, owner: int, name: str) -> Any:
            return self.remote.copy()

        def set_param(self, owner: int, name: str, value: Any) -> None:
            self.remote = value

    model: Any = Linear(2, 2).initialize()
    model.set_grad("W", numpy.ones((2, 2), "f"))
    proxy = model._params.proxy = Proxy()
    model.finish_update(SGD(0.5, grad_clip=0))
    assert (proxy.remote == 0.5).all()


def test_parameters_without_a_gradient_stay() -> None:
    model, optimizer = chain(Linear(2, 2), Linear(2, 2)).initialize(), Adam(0.1)
    model.layers[0].set_grad("b", numpy.ones(2, "f"))
    before = model.layers[1].get_param("W").copy()
    model.finish_update(optimizer)
    assert list(optimizer.nr_update) == [(model.layers[0].id, "b")]
    assert (model.layers[1].get_param("W") == before).all()


@pytest.mark.skipif(build.problem() is not None, reason=str(build.problem()))
@pytest.mark.parametrize("make", [Adam, RAdam, lambda rate: SGD(rate)], ids=["adam", "radam", "sgd"])
def test_a_step_on_the_device_is_two_launches_and_the_host_waits_for_nothing(make: Any, monkeypatch: Any) -> None:
    ops = make_ops("cuda_emulated", monkeypatch)
    model, optimizer = make_model(ops), make(0.1)
    train(model, optimizer, 2)
    log = []
    device = emulated_device()
    for name in ("launch", "launch_blocks"):
        real = getattr(device, name)
        monkeypatch.setattr(device, name, lambda *a, real=real, **k: (log.append(a[1]), real(*a, **k)))
    monkeypatch.setattr(ndarray, "get", lambda array: log.append("get"))
    monkeypatch.setattr(ops.xp, "asarray", lambda *a, **k: log.append("copy"), raising=False)
    for name in ("__iadd__", "__imul__", "__mul__", "__add__", "__setitem__"):
        monkeypatch.setattr(ndarray, name, lambda *a, name=name: log.append(name))
    model.finish_update(optimizer)
    assert log == ["gradient_squares_f32", "apply_gradients_f32"]
