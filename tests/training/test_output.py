"""What a run leaves behind beside its models: logs of several kinds, older checkpoints, scores and confusion."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List

import numpy
import pytest
from small_jobs import digits_config

from thinc_core.config import Config
from thinc_core.training.checkpoints import KeptCheckpoints
from thinc_core.training.errors import UserError
from thinc_core.training.loggers import make_loggers
from thinc_core.training.output import OutputDirectory, read_metrics
from thinc_core.training.plots import plot_confusion
from thinc_core.training.run import Run


def train(config: Config, path: Path, stop_after: int = 0, **options: Any) -> Run:
    run, steps = Run.from_config(config), iter(range(1, 10_000))
    run.train(OutputDirectory(path, **options), should_stop=lambda: next(steps) == stop_after)
    return run


def test_a_run_that_was_killed_goes_on_from_its_last_evaluation(tmp_path: Path) -> None:
    config = digits_config(training__epochs=3, training__eval_every=4)
    train(config, tmp_path / "whole")

    def killed(event: Any) -> None:
        if event.state.step == 11 and event.kind == "step":
            raise MemoryError

    with pytest.raises(MemoryError):
        Run.from_config(config).train(OutputDirectory(tmp_path / "cut"), [killed])
    (tmp_path / "cut" / "model-last" / ".model.bin.0123abcd.tmp").write_bytes(b"half")  # what a kill may leave
    train(config, tmp_path / "cut", resume=True)
    assert models(tmp_path / "cut") == models(tmp_path / "whole")
    whole, cut = (read_metrics(tmp_path / name / "metrics.jsonl") for name in ("whole", "cut"))
    assert [row["loss"] for row in cut] == [row["loss"] for row in whole]
    assert [row["step"] for row in cut] == [row["step"] for row in whole]


def scalars(folder: Path) -> Dict[str, Dict[int, float]]:
    """What is in the event files of TensorBoard: values by tag and step, later files first to be believed."""
    event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")
    found: Dict[str, Dict[int, float]] = {}
    for path in sorted(folder.glob("events.out.tfevents.*"), key=lambda path: path.stat().st_mtime_ns):
        data, at = path.read_bytes(), 0
        while at < len(data):
            size = int.from_bytes(data[at : at + 8], "little")
            event = event_pb2.Event.FromString(data[at + 12 : at + 12 + size])
            at += size + 16
            if event.session_log.status == 1:  # a purge: what comes later than this step is void
                found = {tag: {k: v for k, v in by.items() if k < event.step} for tag, by in found.items()}
            for value in event.summary.value:
                found.setdefault(value.tag, {})[event.step] = value.simple_value
    return found


def test_csv_and_tensorboard_have_what_the_metrics_have(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    config = digits_config(training__epochs=4, training__loggers=["csv", "tensorboard"])
    train(config, tmp_path, stop_after=17)
    train(config, tmp_path, resume=True)
    rows = read_metrics(tmp_path / "metrics.jsonl")
    evaluations = [row for row in rows if row["kind"] == "evaluation"]
    with (tmp_path / "metrics.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [float(row["dev_accuracy"]) for row in table] == [row["dev_accuracy"] for row in evaluations]
    assert [int(row["step"]) for row in table] == [row["step"] for row in evaluations]
    events = scalars(tmp_path / "tensorboard")
    for name in ("loss", "dev_loss", "dev_accuracy", "learn_rate"):
        expected = {row["step"]: pytest.approx(row[name], rel=1e-6) for row in evaluations}
        assert events[f"evaluation/{name}"] == expected
    assert events["step/loss"] == {row["step"]: pytest.approx(row["loss"]) for row in rows if row["kind"] == "step"}
    train(digits_config(training__epochs=1, training__loggers=["tensorboard"]), tmp_path, overwrite=True)
    assert len(scalars(tmp_path / "tensorboard")["evaluation/loss"]) == 1
    assert not (tmp_path / "metrics.csv").exists()


def test_unknown_loggers_and_missing_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r'no logger "tensorbord" .did you mean "tensorboard"'):
        make_loggers(["tensorbord"], tmp_path)
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(UserError, match=r"pip install 'thinc_core\[tensorboard\]'"):
        train(digits_config(training__loggers=["tensorboard"]), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def models(path: Path) -> List[bytes]:
    names = ("model-best/model.bin", "model-last/model.bin", "model-best/meta.json", "model-last/meta.json")
    return [(path / name).read_bytes() for name in names]


def test_going_back_to_an_older_checkpoint_gives_the_same_run(tmp_path: Path) -> None:
    config = digits_config(training__epochs=4, training__keep_checkpoints=2, training__eval_every=5)
    whole, back = tmp_path / "whole", tmp_path / "back"
    train(config, whole)
    train(config, back)
    kept = KeptCheckpoints(back, 2).steps()
    assert list(kept) == [25, 28]
    expected = models(whole)
    assert models(back) == expected
    for name in ("model-best", "model-last"):
        (back / name / "model.bin").write_bytes(b"what came later")
    train(config, back, resume=True, checkpoint=kept[25])
    assert models(back) == expected
    assert list(KeptCheckpoints(back, 2).steps()) == [25, 28]
    train(digits_config(training__epochs=1, training__keep_checkpoints=1), back, overwrite=True)
    assert list(KeptCheckpoints(back, 2).steps()) == [7]


def test_scores_of_labels_and_confusion(tmp_path: Path) -> None:
    run = train(digits_config(training__epochs=6), tmp_path)
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert list(scores) == ["dev", "test"]
    assert list(scores["test"]["labels"]) == [str(digit) for digit in range(10)]
    assert run.corpus.test is not None
    right = sum(row["recall"] * row["true"] for row in scores["test"]["labels"].values())
    assert right == pytest.approx(scores["test"]["accuracy"] * len(run.corpus.test))
    if (tmp_path / "learning-curve.png").exists():
        assert (tmp_path / "confusion.png").read_bytes().startswith(b"\x89PNG")


def test_confusion_of_many_labels_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for n in (2, 40):
        matrix = numpy.diag(numpy.arange(n) * 1000)
        plot_confusion(tmp_path / "c.png", matrix, [f"a label with a long name {i}" for i in range(n)], "title")
        assert (tmp_path / "c.png").stat().st_size > 5_000


def test_nothing_heavy_is_imported_to_train() -> None:
    code = (
        "import sys, thinc_core.training, thinc_core.training.tasks\n"
        "print([name for name in ('matplotlib', 'tensorboardX', 'torch', 'tqdm') if name in sys.modules])"
    )
    command, root = [sys.executable, "-c", code], Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.strip() == "[]"
