"""GradScaler: the scale, steps that are left out, training that recovers from overflow."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any, List

import numpy
import pytest
from any_backend import make_ops
from cuda_emulation import build
from fake_cupy import ndarray
from small_jobs import digits_config

from thinc_core.api import SGD, Adam, CategoricalCrossentropy, GradScaler, Model, Padded, Ragged, Relu, Softmax, chain
from thinc_core.backends import NumpyOps, get_matmul_precision, use_ops
from thinc_core.training.batching import Batch
from thinc_core.training.errors import UserError
from thinc_core.training.loop import fit, update
from thinc_core.training.run import OutputDirectory, Run
from thinc_core.training.settings import TrainingSettings, read_section
from thinc_core.util import fix_random_seed

KEY = (1, "W")


def step(optimizer: Any, gradient: List[float], weights: Any, dtype: str = "float32") -> None:
    """One iteration of a training loop, with the gradient of the loss as the gradient of the weights."""
    dY = optimizer.grad_scaler.scale(numpy.array(gradient, dtype=dtype))
    optimizer(KEY, weights, dY)
    optimizer.grad_scaler.update()


def test_the_scale_goes_down_at_once_and_up_in_time() -> None:
    scaler = GradScaler(8.0, growth_interval=3)
    optimizer, scales = SGD(0.1), []
    optimizer.grad_scaler = scaler
    for bad in (0, 0, 0, 1, 0, 0, 0, 0, 1, 1):
        step(optimizer, [numpy.inf if bad else 1.0], numpy.zeros(1, "f"))
        scales.append(scaler.get_scale())
    assert scales == [8, 8, 16, 8, 8, 8, 16, 16, 8, 4]


def test_defaults_are_those_of_pytorch() -> None:
    expected = {"scale": 65536.0, "growth_tracker": 0, "backoff_factor": 0.5}
    assert GradScaler().state_dict() == {**expected, "growth_factor": 2.0, "growth_interval": 2000}


@pytest.mark.parametrize("make", [Adam, lambda rate: SGD(rate)], ids=["adam", "sgd"])
def test_a_step_that_is_left_out_is_as_if_it_had_not_been(make: Any) -> None:
    """So is every gradient that is scaled by a power of two."""
    gradients = [[0.5, -3.0], [numpy.nan, 1.0], [2.0, 0.25], [1.0, numpy.inf], [0.1, 0.2]]
    scaled, plain = make(0.1), make(0.1)
    scaled.grad_scaler = GradScaler()
    one, other = numpy.ones(2, "f"), numpy.ones(2, "f")
    for gradient in gradients:
        step(scaled, gradient, one)
        if numpy.isfinite(gradient).all():
            plain(KEY, other, numpy.array(gradient, "f"))
    numpy.testing.assert_array_equal(one, other)
    scaled.grad_scaler.settle()
    assert scaled.nr_update == plain.nr_update == {KEY: 3}
    numpy.testing.assert_array_equal(scaled.averages[KEY], plain.averages[KEY])


def test_a_step_knows_how_the_one_before_went() -> None:
    """Also when no gradient is scaled in between."""
    optimizer, weights = SGD(0.5, grad_clip=0), numpy.zeros(1, "f")
    optimizer.grad_scaler = GradScaler()
    step(optimizer, [numpy.inf], weights)
    optimizer(KEY, weights, numpy.full(1, 2.0**15, "f"))
    assert weights.tolist() == [-0.5]
    assert optimizer.nr_update == {KEY: 1}


def test_an_overflow_in_one_parameter_stops_all() -> None:
    model = chain(Relu(3, 2), Softmax(2, 3)).initialize()
    optimizer = Adam(0.1)
    optimizer.grad_scaler = GradScaler()
    for node in model.layers:
        for name in ("W", "b"):
            node.set_grad(name, numpy.ones_like(node.get_param(name)))
    model.layers[1].get_grad("b")[1] = numpy.inf
    before = model.to_bytes()
    model.finish_update(optimizer)
    assert optimizer.grad_scaler.found_inf
    assert model.to_bytes() == before
    assert not any(node.get_grad(name).any() for node in model.layers for name in ("W", "b"))
    optimizer.grad_scaler.update()
    assert not optimizer.grad_scaler.found_inf
    assert optimizer.grad_scaler.get_scale() == 2.0**15
    assert set(optimizer.nr_update.values()) == {0}


def test_update_must_not_be_forgotten() -> None:
    optimizer = SGD(0.1)
    optimizer.grad_scaler = GradScaler()
    weights = numpy.ones(2, "f")
    optimizer(KEY, weights, numpy.ones(2, "f"))
    optimizer((2, "b"), weights, numpy.ones(2, "f"))
    with pytest.raises(
        RuntimeError, match=r"update\(\) must be called after every step; got a second step of \(1, 'W'\)"
    ):
        optimizer(KEY, weights, numpy.ones(2, "f"))


def test_what_can_be_scaled() -> None:
    scaler, X, n = GradScaler(4.0), numpy.ones((3, 2), "f"), numpy.array([3], "i")
    assert (scaler.scale(X) == 4).all()
    assert (X == 1).all()
    assert [each.tolist() for each in scaler.scale([X[0], (X[1],)][:1])] == [[4, 4]]
    ragged = scaler.scale(Ragged(X, n))
    assert isinstance(ragged, Ragged)
    assert (ragged.data == 4).all()
    padded = scaler.scale(Padded(X[:, None], n, n, n))
    assert isinstance(padded, Padded)
    assert (padded.data == 4).all()
    with pytest.raises(TypeError, match=r"^GradScaler.scale: dY must be an array, a Ragged or a Padded; got str"):
        scaler.scale("x")


@pytest.mark.parametrize(
    "settings, text",
    [
        ({"init_scale": 0}, "init_scale must be > 0; got 0"),
        ({"backoff_factor": 1.0}, r"backoff_factor must be in \(0, 1\); got 1.0"),
        ({"growth_factor": 1.0}, "growth_factor must be > 1"),
        ({"growth_interval": 0}, "growth_interval must be >= 1"),
    ],
)
def test_bad_settings(settings: Any, text: str) -> None:
    with pytest.raises(ValueError, match=f"^GradScaler: {text}"):
        GradScaler(**settings)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_copies_and_saved_states_go_on_alike(duplicate: Any) -> None:
    optimizer = Adam(0.1)
    optimizer.grad_scaler = GradScaler(growth_interval=2)
    weights = numpy.ones(2, "f")
    step(optimizer, [1, 1], weights)
    step(optimizer, [numpy.inf, 1], weights)
    resumed = Adam(0.1)
    resumed.load_state_dict(pickle.loads(pickle.dumps(optimizer.state_dict())))
    copied = duplicate(optimizer)
    assert copied.grad_scaler is not optimizer.grad_scaler
    results = []
    for each in (optimizer, copied, resumed):
        mine = weights.copy()
        for _ in range(3):
            step(each, [0.5, 0.25], mine)
        results.append((mine.tolist(), each.grad_scaler.state_dict(), dict(each.nr_update)))
    assert results[0] == results[1] == results[2]
    assert results[0][2] == {KEY: 4}


def test_a_scale_stays_a_number() -> None:
    optimizer = SGD(0.1)
    optimizer.grad_scaler = GradScaler(1e-29)
    for _ in range(20):
        step(optimizer, [numpy.nan], numpy.zeros(1, "f"))
    assert numpy.float32(1 / optimizer.grad_scaler.get_scale()) < numpy.inf


# Real training


def half_precision_model(ops: Any) -> Model:
    fix_random_seed(0)
    with use_ops(ops):
        model = chain(Relu(12, 4), Softmax(2, 12)).initialize()
    for node in model.walk():
        for name in node.param_names:
            node.set_param(name, ops.asarray(ops.to_numpy(node.get_param(name)).astype("float16")))
    return model


def points(ops: Any) -> Batch:
    X = numpy.random.default_rng(0).normal(size=(60, 4))
    Y = (X[:, 0] > X[:, 1]).astype("int32")
    return Batch(ops.asarray(X.astype("float16")), ops.asarray(Y), 60)


@pytest.mark.filterwarnings("ignore:overflow encountered", "ignore:invalid value encountered")
@pytest.mark.parametrize("make", [lambda: Adam(0.02), lambda: SGD(0.5)], ids=["adam", "sgd"])
def test_training_in_float16_recovers_from_overflow(ops: Any, make: Any) -> None:
    """It begins with gradients that are infinite, and learns all the same."""
    model, optimizer, batch = half_precision_model(ops), make(), points(ops)
    optimizer.grad_scaler = GradScaler(2.0**28, growth_interval=30)
    loss, losses, scales = CategoricalCrossentropy(), [], []
    start = model.to_bytes()
    with use_ops(ops):
        for _ in range(60):
            losses.append(float(update(model, optimizer, loss, batch)) / 60)
            scales.append(optimizer.grad_scaler.get_scale())
            if scales[-1] == 2.0 ** (28 - len(scales)):
                assert model.to_bytes() == start
    assert scales[0] == 2.0**27
    assert min(scales) <= 2.0**20
    assert max(scales[20:]) > min(scales)  # it tries again
    assert numpy.isfinite(losses).all()
    assert losses[-1] < 0.5 * losses[0]
    dtypes = {node.get_param(name).dtype.name for node in model.walk() for name in node.param_names}
    assert dtypes == {"float16"}
    skipped = sum(later < earlier for earlier, later in zip([2.0**28, *scales], scales))
    assert set(optimizer.nr_update.values()) == {60 - skipped}


def test_small_gradients_survive_in_float16() -> None:
    """What is rounded to zero without a scale, moves the weights with one."""
    for scale, moved in ((1.0, False), (2.0**16, True)):
        optimizer, weights = SGD(1e6, grad_clip=0), numpy.zeros(1, "float16")
        optimizer.grad_scaler = GradScaler(scale)
        dY = optimizer.grad_scaler.scale(numpy.full(1, 1e-5, "float16"))
        optimizer(KEY, weights, dY * numpy.float16(1e-3))  # a gradient of 1e-8: float16 ends at 6e-8
        assert bool(weights.any()) is moved


@pytest.mark.skipif(build.problem() is not None, reason=str(build.problem()))
def test_a_scaled_step_on_the_device_copies_nothing_to_the_host(monkeypatch: Any) -> None:
    """The answer is asked for when the next gradient is scaled."""
    ops: Any = make_ops("cuda_emulated", monkeypatch)
    model, optimizer, batch = half_precision_model(ops), Adam(0.02), points(ops)
    optimizer.grad_scaler = GradScaler()
    read = []
    real = type(ops)._read_later

    def read_later(self: Any, X: Any) -> Any:
        answer = real(self, X)
        return lambda: (read.append(True), answer())[1]

    monkeypatch.setattr(type(ops), "_read_later", read_later)
    with use_ops(ops):
        update(model, optimizer, CategoricalCrossentropy(), batch)
        Y, backprop = model.begin_update(batch.X)
        dY = optimizer.grad_scaler.scale(ops.asarray(numpy.full(Y.shape, 1e-3, Y.dtype)))
        assert read == [True]
        backprop(dY)
        monkeypatch.setattr(ndarray, "get", lambda array: pytest.fail("a copy to the host"))
        monkeypatch.setattr(ndarray, "__bool__", lambda array: pytest.fail("a copy to the host"))
        model.finish_update(optimizer)
        optimizer.grad_scaler.update()
        assert read == [True]


# The setting


def test_the_setting_is_checked() -> None:
    assert read_section({"training": {}}, "training", TrainingSettings).mixed_precision == "float32"
    with pytest.raises(UserError, match="mixed_precision: must be one of float32, tf32, bfloat16, float16; got"):
        read_section({"training": {"mixed_precision": "fp16"}}, "training", TrainingSettings)


@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16", "float16"])
def test_updates_run_in_the_precision_asked_for(precision: str) -> None:
    seen = []

    class Watched(NumpyOps):
        def softmax(self, *args: Any, **kwargs: Any) -> Any:
            seen.append(get_matmul_precision())
            return super().softmax(*args, **kwargs)

    with use_ops(Watched()):
        run = Run.from_config(digits_config(training__mixed_precision=precision, training__epochs=1))
        seen.clear()
        state = fit(run.model, run.optimizer, run.loss, run.corpus.train, run.corpus.dev, run.settings)
    assert seen[: state.step] == [precision] * state.step
    assert seen[state.step :] == ["float32"] * (len(seen) - state.step)
    assert len(seen) > state.step
    assert (run.optimizer.grad_scaler is not None) == (precision == "float16")
    assert get_matmul_precision() == "float32"


def test_scaled_training_on_the_cpu_gives_the_same_bits() -> None:
    """Products are float32 there, and a power of two changes no digit."""
    weights = []
    for precision in ("float32", "float16"):
        run = Run.from_config(digits_config(training__mixed_precision=precision))
        run.train()
        weights.append(run.model.to_bytes())
    assert weights[0] == weights[1]


def test_resuming_keeps_the_scale(tmp_path: Path) -> None:
    config = digits_config(training__mixed_precision="float16")
    whole = Run.from_config(config)
    whole.train(OutputDirectory(tmp_path / "whole"))
    first = Run.from_config(config)
    count = iter(range(100))
    first.train(OutputDirectory(tmp_path / "parts"), should_stop=lambda: next(count) == 8)
    first.optimizer.grad_scaler.settle()
    assert first.optimizer.grad_scaler.state_dict()["growth_tracker"] == 9
    again = Run.from_config(config)
    again.train(OutputDirectory(tmp_path / "parts", resume=True))
    assert again.model.to_bytes() == whole.model.to_bytes()
    assert again.optimizer.grad_scaler.state_dict() == whole.optimizer.grad_scaler.state_dict()
