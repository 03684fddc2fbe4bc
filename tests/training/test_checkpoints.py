"""Files of a run: checkpoints that resume exactly, saved models, metrics, curves; and bad ones."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any, Callable, Dict

import numpy
import pytest
import srsly
from small_jobs import digits_config, tagger_config

from thinc_core.api import Adam, Linear
from thinc_core.config import Config
from thinc_core.training.checkpoints import (
    random_state,
    read_checkpoint,
    restore_checkpoint,
    set_random_state,
    write_atomic,
)
from thinc_core.training.errors import UserError
from thinc_core.training.output import OutputDirectory, read_metrics
from thinc_core.training.plots import plot_learning_curve
from thinc_core.training.run import Run
from thinc_core.training.saved import load_model, save_model


def train(config: Config, path: Path, stop_after: int = 0, **options: Any) -> Run:
    """A whole run, or one that is interrupted after so many updates."""
    output = OutputDirectory(path, **options)
    run = Run.from_config(config)
    steps = {"n": 0}

    def should_stop() -> bool:
        steps["n"] += 1
        return steps["n"] == stop_after

    run.train(output, should_stop=should_stop)
    return run


def files(path: Path) -> Dict[str, bytes]:
    names = ["model-best/model.bin", "model-last/model.bin", "model-best/meta.json", "config.cfg"]
    return {name: (path / name).read_bytes() for name in names}


def without_times(path: Path) -> list[Dict[str, Any]]:
    timed = {"seconds", "rows_per_second"}
    return [{k: v for k, v in row.items() if k not in timed} for row in read_metrics(path / "metrics.jsonl")]


JOBS: Dict[str, Callable[[Path], Config]] = {
    "digits": lambda conllu: digits_config(training__epochs=5),
    "tagger": lambda conllu: tagger_config(conllu, training__epochs=3),
    "schedule": lambda conllu: Config().from_str(
        digits_config()
        .to_str()
        .replace("learn_rate = 0.002", "")
        .replace(
            "[loss]",
            "[optimizer.learn_rate]\n@schedules = \"warmup_linear.v1\"\ninitial_rate = 0.01\nwarmup_steps = 4\n"
            "total_steps = 30\n\n[loss]",
        )
    ),
}  # fmt: skip


@pytest.mark.parametrize("job", list(JOBS))
@pytest.mark.parametrize("stop_after", [1, 7, 10])
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path, conllu: Path, job: str, stop_after: int) -> None:
    config = JOBS[job](conllu)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(config, whole)
    train(config, parts, stop_after=stop_after)
    assert read_checkpoint(parts / "checkpoint.bin")["state"]["step"] == stop_after
    numpy.random.seed(99)
    random.seed(99)
    train(config, parts, resume=True)
    assert files(parts) == files(whole)
    assert without_times(parts) == without_times(whole)
    ends = [read_checkpoint(path / "checkpoint.bin") for path in (whole, parts)]
    for end in ends:
        end["state"].pop("seconds")
    assert ends[0]["model"] == ends[1]["model"]
    numpy.testing.assert_equal(ends[0], ends[1])


def test_the_generator_of_pytorch_is_in_the_checkpoint(torch: Any) -> None:
    before = random_state()
    drawn = torch.rand(3)
    set_random_state(srsly.msgpack_loads(srsly.msgpack_dumps(before)))
    assert torch.equal(torch.rand(3), drawn)
    del before["torch"]  # as in checkpoints of runs without PyTorch: it goes on
    set_random_state(before)
    assert not torch.equal(torch.rand(3), drawn)


def test_resuming_for_more_epochs_and_after_the_end(tmp_path: Path) -> None:
    train(digits_config(training__epochs=4), tmp_path / "whole")
    train(digits_config(training__epochs=2), tmp_path / "parts")
    train(digits_config(training__epochs=2), tmp_path / "parts", resume=True)
    assert len(read_metrics(tmp_path / "parts" / "metrics.jsonl")) < len(
        read_metrics(tmp_path / "whole" / "metrics.jsonl")
    )
    train(digits_config(training__epochs=4), tmp_path / "parts", resume=True)
    assert files(tmp_path / "parts")["model-last/model.bin"] == files(tmp_path / "whole")["model-last/model.bin"]


def test_metrics_written_after_the_last_checkpoint_are_dropped(tmp_path: Path) -> None:
    config = digits_config(training__epochs=2)
    train(config, tmp_path / "a", stop_after=8)
    with (tmp_path / "a" / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"kind": "step", "epoch": 5, "step": 99, "loss": 1}) + '\n{"kind": "st')
    train(config, tmp_path / "a", resume=True)
    train(config, tmp_path / "b")
    assert without_times(tmp_path / "a") == without_times(tmp_path / "b")


def test_resuming_another_run_is_refused(tmp_path: Path) -> None:
    train(digits_config(training__epochs=1), tmp_path)
    output = OutputDirectory(tmp_path, resume=True)
    output.check_config(digits_config(training__epochs=9, training__patience=1))
    with pytest.raises(UserError, match=r"different: optimizer.learn_rate, training.seed"):
        output.check_config(digits_config(training__seed=5, optimizer__learn_rate=1.0))


def test_a_run_is_not_replaced_by_accident(tmp_path: Path) -> None:
    train(digits_config(training__epochs=1), tmp_path)
    before = files(tmp_path)
    with pytest.raises(UserError, match="holds a training run already"):
        OutputDirectory(tmp_path)
    assert files(tmp_path) == before
    train(digits_config(training__epochs=2), tmp_path, overwrite=True)
    assert files(tmp_path) != before


@pytest.mark.parametrize("damage", ["cut", "foreign", "missing"])
def test_damaged_checkpoints_are_refused(tmp_path: Path, damage: str) -> None:
    train(digits_config(training__epochs=1), tmp_path)
    path = tmp_path / "checkpoint.bin"
    data = path.read_bytes()
    path.unlink() if damage == "missing" else path.write_bytes(data[:-9] if damage == "cut" else b"\x01")
    with pytest.raises(UserError, match=r"checkpoint.bin: (not a checkpoint|there is no checkpoint)"):
        OutputDirectory(tmp_path, resume=True)


@pytest.mark.parametrize("part, key", [("state", "step"), ("random", "numpy"), ("optimizer", None), ("model", None)])
def test_a_checkpoint_that_does_not_fit_changes_nothing(tmp_path: Path, part: str, key: Any) -> None:
    run = train(digits_config(training__epochs=1), tmp_path)
    before = run.model.to_bytes(), srsly.msgpack_dumps(run.optimizer.state_dict(run.model)), random_state()
    train(digits_config(training__epochs=2), tmp_path / "other")
    set_random_state(before[2])
    later = read_checkpoint(tmp_path / "other" / "checkpoint.bin")
    bad = {**later, part: {k: v for k, v in later[part].items() if k != key} if key else b"\x91\x01"}
    with pytest.raises(UserError, match="the checkpoint does not fit or is damaged"):
        restore_checkpoint(bad, run.model, run.optimizer)
    after = run.model.to_bytes(), srsly.msgpack_dumps(run.optimizer.state_dict(run.model)), random_state()
    assert after == before
    blank, optimizer = Linear(2, 3), Adam(0.1)  # whose parameters are not set yet
    with pytest.raises(UserError, match="the checkpoint does not fit or is damaged"):
        restore_checkpoint({**bad, "model": Linear(2, 3).initialize().to_bytes()}, blank, optimizer)
    assert blank.has_param("W") is None
    restore_checkpoint(later, run.model, run.optimizer)
    assert run.model.to_bytes() == later["model"]


def test_random_state_is_plain_data_and_comes_back() -> None:
    numpy.random.standard_normal()  # leaves a cached second value
    state = json.loads(json.dumps(random_state()))
    expected = (random.random(), numpy.random.standard_normal(), numpy.random.randint(1 << 30))
    set_random_state(state)
    assert (random.random(), numpy.random.standard_normal(), numpy.random.randint(1 << 30)) == expected


def test_saved_models_predict_the_same(tmp_path: Path, conllu: Path) -> None:
    run = train(tagger_config(conllu), tmp_path)
    sentences = [["the", "dog"], ["it"]]
    saved = load_model(tmp_path)
    assert saved.path == tmp_path / "model-best"
    assert saved.task.labels == ["ADJ", "DET", "NOUN", "PRON", "VERB"]
    assert saved.task.predict(saved.model, sentences) == run.task.predict(run.model, sentences)
    assert saved.meta["scores"]["dev_accuracy"] > 0.9
    assert run.model.copy().from_disk(saved.path / "model.bin").to_bytes() == run.model.to_bytes()


def test_bad_model_directories_are_explained(tmp_path: Path) -> None:
    run = train(digits_config(training__epochs=1), tmp_path / "run")
    good = tmp_path / "good"
    save_model(good, run.model, run.config, run.meta)

    def fails(message: str, name: str = "", content: bytes = b"") -> None:
        before = (good / name).read_bytes() if name else b""
        if name:
            (good / name).write_bytes(content)
        with pytest.raises(UserError, match=message):
            load_model(good if name else tmp_path / "none")
        if name:
            (good / name).write_bytes(before)

    weights = (good / "model.bin").read_bytes()
    fails("no such model directory")
    fails(r"model.bin: not the weights of this model, or damaged", "model.bin", weights[:1000])
    fails(r"model.bin: not the weights of this model, or damaged", "model.bin", b"\x93\x01")
    fails(r"meta.json: cannot be read", "meta.json", b"{")
    fails(r"meta.json: not made by this program", "meta.json", b'{"format": "other"}')
    meta = json.loads((good / "meta.json").read_text())
    more = json.dumps({**meta, "labels": [*meta["labels"], "more"]})
    fails(r"meta.json: damaged: the model has 10 outputs for 11 labels", "meta.json", more.encode())
    fails(r"config.cfg: not a valid config", "config.cfg", b"[[[")
    fails(r"config.cfg: section \[task\] is missing", "config.cfg", b"[model]\n")
    load_model(good)
    (good / "model.bin").unlink()
    with pytest.raises(UserError, match=r"model.bin: cannot be read"):
        load_model(good)
    with pytest.raises(UserError, match="not a saved model"):
        load_model(tmp_path)


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(UserError, match="cannot be a directory"):
        OutputDirectory(file / "below")
    with pytest.raises(UserError, match="cannot be a directory"):
        OutputDirectory(file)
    with pytest.raises(UserError, match="cannot be written"):
        write_atomic(tmp_path / "none" / "x", b"")
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a user whom permissions bind")
def test_directories_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(UserError, match="permission denied"):
            OutputDirectory(tmp_path / "below")
    finally:
        tmp_path.chmod(0o700)


def test_learning_curves_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    train(digits_config(), tmp_path)
    image = (tmp_path / "learning-curve.png").read_bytes()
    assert image.startswith(b"\x89PNG")
    assert len(image) > 10_000
    only_one = [{"kind": "evaluation", "epoch": 1, "loss": 0.5, "dev_loss": 0.4, "dev_accuracy": 0.5, "best": True}]
    plot_learning_curve(tmp_path / "one.png", only_one, "one point", "words")
    assert (tmp_path / "one.png").stat().st_size > 10_000


def test_runs_work_without_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thinc_core.training.output.can_plot", lambda: False)
    train(digits_config(training__epochs=1), tmp_path)
    assert not (tmp_path / "learning-curve.png").exists()
    assert (tmp_path / "model-best" / "model.bin").exists()
