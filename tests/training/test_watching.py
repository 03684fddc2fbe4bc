"""Looking inside a run: statistics of layers, alarms that name the layer, and the profile."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy
import pytest
from small_jobs import digits_config, tagger_config

from thinc_core.api import Adam, CategoricalCrossentropy, Linear, Relu, Softmax, chain, fix_random_seed
from thinc_core.model import Model
from thinc_core.training.batching import Split
from thinc_core.training.errors import UserError
from thinc_core.training.instruments import Both, layer_paths
from thinc_core.training.layer_statistics import LayerStatistics
from thinc_core.training.loop import TrainState, fit, train_steps
from thinc_core.training.output import OutputDirectory
from thinc_core.training.profiling import TIMED, WARM_UP, Profiler
from thinc_core.training.progress import make_bar
from thinc_core.training.run import Run
from thinc_core.training.settings import TrainingSettings


def small_model(seed: int = 0) -> Model:
    fix_random_seed(seed)
    return chain(Relu(8), Softmax(2)).initialize(X=numpy.zeros((2, 3), dtype="float32"))


def small_split() -> Split:
    X = numpy.random.default_rng(0).normal(size=(40, 3)).astype("float32")
    return Split(X, (X[:, 0] > 0).astype("int32"))


def parameters(model: Model) -> list[Any]:
    return [node.get_param(name) for node in model.walk() for name in node.param_names]


def run(model: Model, around: Any = None, epochs: int = 2, optimizer: Any = None) -> Model:
    settings = TrainingSettings(epochs=epochs, batch_size=10)
    options = {} if around is None else {"around": around}
    optimizer = Adam(0.01) if optimizer is None else optimizer
    fit(model, optimizer, CategoricalCrossentropy(), small_split(), small_split(), settings, **options)
    return model


def gradient_of_b() -> float:
    """Of the softmax, whose first weights are zeros: the mean of 1/2 - truth."""
    truths = numpy.eye(2)[small_split().Y]
    return float(numpy.linalg.norm((0.5 - truths).mean(axis=0)))


def test_statistics_are_those_of_the_arrays(tmp_path: Path) -> None:
    model = small_model()
    before = {name: model.layers[0].get_param(name).copy() for name in ("W", "b")}
    settings = TrainingSettings(batch_size=40)
    statistics = LayerStatistics(1, tmp_path / "s.jsonl")
    steps = train_steps(
        model, Adam(0.01), CategoricalCrossentropy(), small_split(), settings, TrainState(), around=statistics
    )
    next(steps)
    record = json.loads((tmp_path / "s.jsonl").read_text())
    assert record["step"] == 1
    assert [row["layer"] for row in record["layers"]] == ["chain", "chain > 1 relu", "chain > 2 softmax"]
    relu, after = record["layers"][1], model.layers[0].get_param("W")
    Y = numpy.maximum(small_split().X @ before["W"].T + before["b"], 0)
    assert relu["mean"] == pytest.approx(Y.mean(), rel=1e-4)
    assert relu["std"] == pytest.approx(Y.std(), rel=1e-4)
    assert relu["zeros"] == pytest.approx((Y == 0).mean())
    assert relu["W"]["norm"] == pytest.approx(numpy.linalg.norm(after), rel=1e-5)
    step = numpy.linalg.norm(after - before["W"]) / numpy.linalg.norm(before["W"])
    assert relu["W"]["update"] == pytest.approx(step, rel=1e-4)
    assert record["layers"][2]["b"]["gradient"] == pytest.approx(gradient_of_b(), rel=1e-4)


def test_watching_changes_no_weight_and_leaves_nothing(tmp_path: Path) -> None:
    plain, watched = small_model(), small_model()
    functions = [node._func for node in watched.walk()]
    profiler = Profiler()
    run(plain, epochs=8)
    run(watched, Both(profiler, LayerStatistics(3, tmp_path / "s.jsonl")), epochs=8)
    for a, b in zip(parameters(watched), parameters(plain)):  # rounded otherwise where layers are run together
        numpy.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    assert [node._func for node in watched.walk()] == functions
    steps = [json.loads(line)["step"] for line in (tmp_path / "s.jsonl").read_text().splitlines()]
    assert steps == list(range(3, 33, 3))
    assert len(profiler.timed) == TIMED


def test_profile(tmp_path: Path) -> None:
    profiler, model = Profiler(), small_model()
    run(model, profiler, epochs=7)  # 28 updates
    assert (len(profiler.plain), len(profiler.timed)) == (WARM_UP, TIMED)
    profiler.save(tmp_path)
    text = (tmp_path / "profile.txt").read_text()
    for expected in ("chain", "  1 relu", "  2 softmax", "loss, optimizer and the rest", "peak", f"{TIMED} updates"):
        assert expected in text
    relu = profiler.layers["chain > 1 relu"]
    assert (relu.calls, relu.parameters, relu.output) == (TIMED, 4 * (8 * 3 + 8), 4 * 10 * 8)
    assert relu.peak >= relu.output
    assert profiler.layers["chain"].peak >= relu.peak
    layers = sum(each.forward + each.backward for each in profiler.layers.values())
    assert layers == pytest.approx(sum(profiler.timed), rel=0.2)  # what is between the spans counts to none
    events = json.loads((tmp_path / "profile.json").read_text())["traceEvents"]
    assert len(events) == TIMED * (1 + 3 * 2)
    outer, inner = ([event for event in events if event["name"] == name] for name in ("update", "chain > 1 relu"))
    assert all(event["ph"] == "X" and event["dur"] >= 0 for event in events)
    assert outer[0]["ts"] <= inner[0]["ts"] <= inner[0]["ts"] + inner[0]["dur"] <= outer[0]["ts"] + outer[0]["dur"]


def test_an_exception_takes_the_instruments_off(tmp_path: Path) -> None:
    model = small_model()
    functions = [node._func for node in model.walk()]
    for around in (Profiler(_seen=WARM_UP), Profiler(_seen=WARM_UP + TIMED), LayerStatistics(1, tmp_path / "s")):
        with pytest.raises(RuntimeError), around(model, 1):
            raise RuntimeError
        assert [node._func for node in model.walk()] == functions


def test_paths_name_layers_once() -> None:
    shared = Linear(3, 3)
    model = chain(shared, chain(shared, Relu(3, 3)))
    inner = "chain > 2 chain"
    assert list(layer_paths(model).values()) == ["chain", "chain > 1 linear", inner, f"{inner} > 2 relu"]


@pytest.mark.parametrize("where", ["parameter", "output", "gradient"])
def test_alarms_name_the_layer(where: str, tmp_path: Path) -> None:
    model, split = small_model(), small_split()
    if where == "parameter":
        model.layers[1].get_param("b")[1] = numpy.nan
        message = r"the loss became nan at step 1 .*; first in the parameter \w of .*softmax"
    elif where == "output":
        split.X[3, 1] = numpy.nan
        message = r"the loss became nan at step 1 .*; first in "
    else:
        forward = model.layers[0]._func

        def broken(layer: Model, X: Any, is_train: bool) -> Any:
            Y, callback = forward(layer, X, is_train)
            return Y, lambda dY: callback(dY * numpy.inf)

        model.layers[0]._func = broken
        message = "the gradient of [Wb] of chain > 1 relu is not finite at step 1"
    settings = TrainingSettings(batch_size=40)
    around = {"around": LayerStatistics(1, tmp_path / "s.jsonl")} if where == "gradient" else {}
    optimizer = Adam(0.01)
    with pytest.raises(UserError, match=message), numpy.errstate(all="ignore"):
        list(train_steps(model, optimizer, CategoricalCrossentropy(), split, settings, TrainState(), **around))


def test_statistics_of_a_resumed_run(tmp_path: Path, conllu: Path) -> None:
    config = tagger_config(conllu, training__epochs=2, training__statistics_every=2)

    def train(path: Path, stop_after: int = 0, resume: bool = False) -> None:
        steps = iter(range(1, 1000))
        Run.from_config(config).train(
            OutputDirectory(path, resume=resume), should_stop=lambda: next(steps) == stop_after
        )

    train(tmp_path / "whole")
    train(tmp_path / "parts", stop_after=5)
    with (tmp_path / "parts" / "statistics.jsonl").open("a") as file:
        file.write('{"step": 6, "layers": []}\n{"st')  # of updates that are lost with a kill
    train(tmp_path / "parts", resume=True)
    whole, parts = ((tmp_path / name / "statistics.jsonl").read_text() for name in ("whole", "parts"))
    assert whole == parts
    assert whole.count("\n") == 10


def test_digits_profile_without_output() -> None:
    profiler = Profiler()
    Run.from_config(digits_config(training__epochs=4)).train(around=profiler)
    assert "layernorm" in profiler.table()


@pytest.mark.skipif(os.name == "nt", reason="has pseudo-terminals of its own")
def test_a_terminal_that_does_not_know_its_width_shows_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.openpty()  # 0 columns
    os.set_blocking(reader, False)
    with open(writer, "w", encoding="utf8") as terminal:
        monkeypatch.setattr("sys.stderr", terminal)
        bar = make_bar("epoch 1", 10, 0, terminal)
        bar.set_postfix_str("loss 0.5")
        bar.update(5)
        bar.close()
        shown = os.read(reader, 4096).decode()
    os.close(reader)
    assert "epoch 1" in shown
