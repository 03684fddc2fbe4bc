"""The commands with --gpu-id, on an emulated GPU: what the GPU learns is what the CPU learns, and either reads it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, Callable, List

import numpy
import pytest

from thinc_core.backends import CupyOps, NumpyOps, use_ops
from thinc_core.cli import main
from thinc_core.training import loop
from thinc_core.training.output import read_metrics
from thinc_core.training.saved import load_model

DIGITS = ["--sizes.hidden=16", "--corpus.limit=150", "--training.epochs=4", "--training.batch_size=10"]
DIGITS += ["--training.eval_every=7", "--sizes.dropout=0.1", "--optimizer.learn_rate=0.01"]
TAGGER = ["--sizes.width=16", "--sizes.depth=1", "--training.epochs=6", "--training.batch_size=4"]

Cli = Callable[..., str]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs a command in an empty directory and returns what it printed; ops are again those of the CPU afterwards."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object, code: int = 0, stdin: str = "") -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        with use_ops("numpy"):
            got = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert got == code, captured.err
        return captured.out if code == 0 else captured.err

    return run


@pytest.fixture(params=["digits", "tagger"])
def task(request: Any, cli: Cli, conllu: Path) -> List[str]:
    """The arguments of a small job: config and overrides."""
    if request.param == "digits":
        cli("init", "digits")
        return ["digits.cfg", *DIGITS]
    cli("init", "tagger", "--corpus.train", conllu, "--corpus.dev", conllu)
    return ["tagger.cfg", *TAGGER]


def weights(path: str) -> List[Any]:
    model = load_model(path).model
    return [model.ops.to_numpy(node.get_param(name)) for node in model.walk() for name in node.param_names]


def test_training_gives_the_models_and_scores_of_the_cpu(gpu: None, cli: Cli, task: List[str]) -> None:
    text = cli("train", *task, "--output", "on_gpu", "--gpu-id", "0")
    assert "parameters on cupy, gpu 0: emulated device; seed" in text
    cli("train", *task, "--output", "on_cpu")
    for ours, theirs in zip(weights("on_gpu/model-last"), weights("on_cpu/model-last")):
        numpy.testing.assert_allclose(ours, theirs, rtol=0, atol=0.002)
    rows, expected = (read_metrics(Path(name) / "metrics.jsonl") for name in ("on_gpu", "on_cpu"))
    assert [row["kind"] for row in rows] == [row["kind"] for row in expected]
    for row, other in zip(rows, expected):
        assert row["loss"] == pytest.approx(other["loss"], rel=1e-3)
        assert row.get("dev_loss", 0) == pytest.approx(other.get("dev_loss", 0), rel=1e-3)
    assert max(row["dev_accuracy"] for row in rows if row["kind"] == "evaluation") > 0.6  # ten labels


def test_saved_models_go_from_either_device_to_the_other(gpu: None, cli: Cli, task: List[str]) -> None:
    devices = {"gpu": ["--gpu-id", "1"], "cpu": []}
    inputs = "the small dog\ndogs see it\n" if task[0] == "tagger.cfg" else ",".join(["3"] * 64) + "\n"
    for trained, device in devices.items():
        cli("train", *task, "--output", trained, *device)
        scores, answers = [], []
        for used in devices.values():
            scores.append(json.loads(cli("evaluate", trained, "dev", "--json", *used)))
            lines = cli("predict", trained, "-", "--format", "jsonl", *used, stdin=inputs).splitlines()
            answers.append([json.loads(line) for line in lines])
        assert scores[0]["loss"] == pytest.approx(scores[1]["loss"], rel=1e-4)
        assert scores[0]["accuracy"] == scores[1]["accuracy"]
        key = "tags" if task[0] == "tagger.cfg" else "label"
        assert [each[key] for each in answers[0]] == [each[key] for each in answers[1]]
        assert len(answers[0]) == len(inputs.splitlines())


@pytest.mark.parametrize("task", ["digits"], indirect=True)
def test_a_run_goes_on_where_it_stopped_on_either_device(gpu: None, cli: Cli, task: List[str]) -> None:
    cli("train", *task, "--output", "whole", "--gpu-id", "0")
    cli("train", *task, "--training.epochs=2", "--output", "parts", "--gpu-id", "0")
    cli("train", *task, "--output", "parts", "--resume", "--gpu-id", "0")
    assert Path("parts/model-last/model.bin").read_bytes() == Path("whole/model-last/model.bin").read_bytes()
    cli("train", *task, "--training.epochs=2", "--output", "moved", "--gpu-id", "0")
    cli("train", *task, "--output", "moved", "--resume")
    for ours, theirs in zip(weights("moved/model-last"), weights("whole/model-last")):
        numpy.testing.assert_allclose(ours, theirs, rtol=0, atol=0.002)


def test_losses_are_read_together(gpu: None, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not one after each update, which would make the GPU wait for the host; none is missing in the end."""
    copied: List[int] = []
    to_numpy = CupyOps.to_numpy

    def counted(self: Any, data: Any, **options: Any) -> Any:
        copied.append(data.size)
        return to_numpy(self, data, **options)

    cli("init", "digits")
    job = ["train", "digits.cfg", *DIGITS, "--training.eval_every=0", "--training.epochs=2", "--gpu-id", "0"]
    monkeypatch.setattr(CupyOps, "to_numpy", counted)
    monkeypatch.setattr(loop, "STEPS_PER_READ", 8)
    cli(*job, "--output", "run")
    assert [size for size in copied if size < 10] == [8, 7, 1, 8, 6]  # up to updates 8, 15 (an epoch), 16, 24 and 30
    losses = [row["loss"] for row in read_metrics(Path("run/metrics.jsonl")) if row["kind"] == "evaluation"]
    monkeypatch.setattr(loop, "STEPS_PER_READ", 1)
    cli(*job, "--output", "again")
    assert losses == [row["loss"] for row in read_metrics(Path("again/metrics.jsonl")) if row["kind"] == "evaluation"]


def test_a_loss_that_is_no_number_names_its_step(gpu: None, cli: Cli) -> None:
    cli("init", "digits")
    job = ["train", "digits.cfg", *DIGITS, "--optimizer.learn_rate=1e30"]
    on_cpu = cli(*job, code=2)
    assert "training: the loss became" in on_cpu
    assert cli(*job, "--gpu-id", "0", code=2) == on_cpu


def test_a_number_that_no_gpu_has(gpu: None, cli: Cli) -> None:
    cli("init", "digits")
    text = cli("train", "digits.cfg", "--gpu-id", "7", code=2)
    assert text == ("thinc-core: --gpu-id 7: gpu: gpu_id must be in [0, 2), the devices that CUDA sees; got 7\n")


def test_info_says_what_there_is(gpu: None, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    text = cli("info")
    for expected in ("2 CUDA devices", "gpu 1 ", "emulated device, compute capability 9.0, 0.5 of 1.0 GiB free"):
        assert expected in text
    assert "driver for CUDA 13.0, runtime 13.0, kernels compiled by NVRTC 13.0" in text
    assert "modes" not in text
    monkeypatch.setenv("THINC_CORE_CHECK", "1")
    assert "modes" in cli("info")


def test_the_cpu_is_left_alone(gpu: None, cli: Cli, task: List[str]) -> None:
    """Without --gpu-id nothing goes to the GPU, although there is one."""
    cli("train", *task, "--output", "run")
    assert all(type(node.ops) is NumpyOps for node in load_model("run").model.walk())
