"""The GPU program, run dry on the emulator: every stage works, says that it is dry, and shows no time."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Dict, List

import emulated_gpu
import numpy
import pytest

import thinc_core.api
from benchmarks import cli, machine
from benchmarks.gpu import budget, card, correctness, load, memory, models, sanitizer, summary
from benchmarks.gpu import ops as gpu_ops
from benchmarks.result import OURS, Result, Target
from benchmarks.timing import Timing
from thinc_core.backends import CupyOps, gpu_problem, use_ops
from thinc_core.backends.cuda import _device

DRY = ["gpu", "--backend", "emulated"]
COUNTED = ("step, launches", "compute-sanitizer")  # figures that are no times


@pytest.fixture
def dry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulator is there, and thinc_core itself stands for the original, which has the same interface."""
    if emulated_gpu.problem() is not None:
        pytest.skip(str(emulated_gpu.problem()))
    monkeypatch.setattr(machine, "available_peers", lambda wanted: ["thinc"])
    monkeypatch.setattr(machine, "load", lambda names: {"thinc": thinc_core.api})
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0")


def run(*arguments: str, code: int = 0) -> None:
    with use_ops("numpy"):
        assert cli.main([*DRY, *arguments]) == code


def records(path: Path) -> List[Dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.skipif(gpu_problem() is None, reason="this machine has a GPU")
def test_without_a_gpu_one_sentence_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["gpu"])
    assert caught.value.code == 2
    said = capsys.readouterr()
    assert said.err == f"benchmarks: {gpu_problem()}\n"
    assert said.out == ""


def test_all_stages_run_and_show_no_time(dry: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "gpu.jsonl"
    run("--json", str(path))
    out = capsys.readouterr().out
    assert "DRY RUN ON THE EMULATOR" in out
    found = records(path)
    families = {record["family"] for record in found}
    assert families == {
        "probe",
        "correctness",
        "ops in cache",
        "ops beyond cache",
        "steps",
        "models",
        "memory",
        "sanitizer",
    }
    for record in found:
        assert record["backend"] == "emulator (dry run)"
        assert "error" not in record["note"].lower() or "got bfloat16" in record["note"]
        if record["family"] != "correctness" and not any(name in record["name"] for name in COUNTED):
            assert record["cost"] == {}
            assert record["note"]
    assert not any(f" {unit}" in out for unit in ("us", "ms", "GB/s", "TFLOP/s", "words/s"))
    ran = {record["name"]: record["note"] for record in found}
    assert ran["relu"] == "dry run: ours, copy, thinc ran"
    assert ran["tagger train"] == "dry run: ours, thinc ran"
    for line in ("every op is right in every dtype", "LSTM gradients are right", "the deterministic mode"):
        assert "met (" in next(each for each in out.splitlines() if line in each)
    assert out.count("not measured") > 5


def test_figures_of_a_device(dry: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The rows that a dry run leaves out, with the real class of the card; what cannot run becomes a row."""
    monkeypatch.setattr(card, "EmulatedCard", card.Card)
    path = tmp_path / "gpu.jsonl"
    only = "relu,layernorm,gather_add,affine,mlp"
    with use_ops("numpy"):
        cli.main([*DRY, "probe", "ops", "models", "--only", only, "--json", str(path)])
    found = {(record["family"], record["name"]): record for record in records(path)}
    beyond = found["ops beyond cache", "layernorm"]
    assert beyond["targets"] == [{"peer": "copy", "limit": 1 / 0.85}]
    assert set(beyond["cost"]) == set(beyond["host_us"]) == {"ours", "copy", "thinc"}
    assert found["ops in cache", "relu"]["targets"] == [
        {"peer": "thinc", "limit": 1.0},
        {"peer": "torch", "limit": 1.0},
    ]
    assert found["ops in cache", "affine"]["rate"] == "TFLOP/s"
    assert set(found["models", "mlp train"]["cost"]) == {"ours", "thinc"}
    assert found["ops", "geometric mean over ops"]["ratio"]["thinc"] > 0
    assert "loading kernels failed" in found["probe", "loading"]["note"]
    assert found["probe", "copy of 1 GiB"]["work"] == 2 * card.DRY.filler / 1e9


def test_json_to_the_output_is_alone_there(dry: None, capsys: pytest.CaptureFixture[str]) -> None:
    run("correctness", "--only", "relu", "--json", "-")
    lines = capsys.readouterr().out.splitlines()
    assert {json.loads(line)["name"] for line in lines} >= {"relu", "backprop_relu"}


def test_a_wrong_op_is_found_and_sets_the_status(
    dry: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mish = CupyOps.mish
    monkeypatch.setattr(CupyOps, "mish", lambda self, *args, **more: mish(self, *args, **more) * 1.0001)
    run("correctness", "--only", "mish,swish", code=1)
    out = capsys.readouterr().out
    assert "MISSED limit" in next(line for line in out.splitlines() if line.startswith("mish "))
    assert not any(line.startswith("swish") for line in out.splitlines())
    assert "correctness f32" in out


@pytest.mark.parametrize("odd", [lambda X: not X.flags.c_contiguous, lambda X: X.data.ptr % 16 != 0])
def test_a_fault_in_one_layout_is_found(dry: None, monkeypatch: pytest.MonkeyPatch, odd: Any) -> None:
    relu = CupyOps.relu
    monkeypatch.setattr(CupyOps, "relu", lambda self, X, **more: relu(self, -X if X.size and odd(X) else X, **more))
    run("correctness", "--only", "relu f32", code=1)


def test_an_op_that_raises_is_wrong_too(
    dry: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(self: Any, X: Any, **more: Any) -> Any:
        raise RuntimeError("too many resources")

    monkeypatch.setattr(CupyOps, "erf", broken)
    run("correctness", "ops", "--only", "erf", "--peers", "none", code=1)
    assert capsys.readouterr().out.count("RuntimeError: too many resources") > 2


def test_what_there_is_no_time_for_is_named(dry: None, capsys: pytest.CaptureFixture[str]) -> None:
    run("correctness", "ops", "--only", "relu", "--budget", "0")
    out = capsys.readouterr().out
    assert "no time was left in correctness for " in out
    assert "no time was left in ops for " in out
    now = [0.0]
    shares = budget.Budget(100, lambda: now[0])
    taken = []
    for item in shares.items("correctness", "abcdef"):
        taken.append(item)
        now[0] += 15
    assert taken == ["a", "b", "c"]  # the stage ends at 35 seconds
    assert shares.summary() == ["no time was left in correctness for 3: d, e, f"]
    assert shares.left("ops") == pytest.approx(100 * budget.SHARES["ops"] - 45)


def test_interruption_leaves_what_was_measured(dry: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    path = tmp_path / "gpu.jsonl"
    monkeypatch.setattr(gpu_ops, "measure", interrupted)
    run("correctness", "ops", "--only", "relu_k", "--json", str(path), code=130)
    assert {record["name"] for record in records(path)} == {"relu_k", "backprop_relu_k"}


def test_a_stage_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["gpu", "speed"])
    assert caught.value.code == 2
    assert "no stage speed; there are probe, correctness, ops, models, sanitizer, compiled" in capsys.readouterr().err


def test_every_file_of_kernels_is_loaded(gpu: None) -> None:
    stems = {path.stem for path in _device.SOURCES.glob("*.cu")}
    assert set(load.FIRST) == stems
    assert set(load.measure()) == {*stems, "context", "total"}


def test_kernels_of_a_call_are_counted(gpu: None) -> None:
    made = card.EmulatedCard(0, card.DRY)
    X = made.ops.asarray2f([[1.0, 2.0]])
    assert made.kernels(lambda: made.ops.relu(made.ops.mish(X))) == 2
    assert "kernel" not in vars(_device.current_device(made.xp))


def test_kernels_and_waits_of_a_profile() -> None:
    events = [("aten::add", "DeviceType.CPU"), ("cuLaunchKernel", "DeviceType.CPU"), ("relu_f32", "DeviceType.CUDA")]
    events += [("Memcpy HtoD", "DeviceType.CUDA"), ("ampere_sgemm", "DeviceType.CUDA")]
    events += [("cudaStreamSynchronize", "DeviceType.CPU"), ("cudaDeviceSynchronize", "DeviceType.CPU")]
    assert models.counts(events) == {"kernels": 2, "waits": 1}


def test_launches_are_judged_where_all_could_be_counted() -> None:
    row = models.launch_row(card.EmulatedCard.__new__(card.EmulatedCard), "tagger", 50, {"kernels": 70, "waits": 0})
    assert [str(verdict) for verdict in row.verdicts()] == ["MISSED limit 1.17 > 1"]
    assert models.sync_row(card.EmulatedCard.__new__(card.EmulatedCard), "tagger", {"waits": 0}).verdicts()[0].met


REPORTS = {
    "========= COMPUTE-SANITIZER\n========= ERROR SUMMARY: 0 errors\n": (0, ""),
    "========= Invalid __global__ read of size 4 bytes\n========= ERROR SUMMARY: 2 errors\n": (
        2,
        "Invalid __global__ read of size 4 bytes",
    ),
    "========= RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings)\n": (0, ""),
    "no driver\n": (None, "it printed no summary: no driver"),
}


@pytest.mark.parametrize("text", REPORTS)
def test_reports_of_compute_sanitizer(text: str) -> None:
    assert sanitizer.errors_in(text) == REPORTS[text]


@pytest.mark.skipif(sys.platform != "linux", reason="a shell script takes the place of the tool")
def test_the_sanitizer_runs_the_small_set(dry: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a script for the tool that runs the program, as the tool does, and ends with its summary."""
    script = tmp_path / "compute-sanitizer"
    script.write_text('#!/bin/sh\nshift 4\n"$@" && echo "========= ERROR SUMMARY: 3 errors"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    tool = sanitizer.Tool(card.EmulatedCard.__new__(card.EmulatedCard), "memcheck", lambda: 120)
    result = tool.run()
    assert result.costs[OURS].best == 3, result.note
    assert [verdict.met for verdict in result.verdicts()] == [False]
    slow = sanitizer.Tool(tool.card, "memcheck", lambda: 0)
    monkeypatch.setattr(sanitizer.subprocess, "run", lambda *args, timeout, **more: (_ for _ in ()).throw(
        sanitizer.subprocess.TimeoutExpired("x", timeout)))  # fmt: skip
    assert slow.run().note == "no end after 1 s"


def row(name: str, family: str, ours: float, targets: List[Target], **others: float) -> Result:
    costs = {OURS: Timing(ours), **{side: Timing(cost) for side, cost in others.items()}}
    return Result("gpu", name, "8192x96", costs, targets, family, "f32")


def test_the_summary_names_the_worst_row() -> None:
    never_slower = [Target("thinc", 1.0), Target("torch", 1.0)]
    rows = [
        row("relu", "ops in cache", 1.0, never_slower, thinc=10.0, torch=2.0),
        row("mish", "ops in cache", 3.0, never_slower, thinc=30.0, torch=2.0),
        row("relu", "ops beyond cache", 1.0, [Target("copy", 1 / 0.85)], copy=0.9),
        row("gather_add K=4", "ops beyond cache", 1.0, [Target("copy", 1 / 0.7)], copy=0.5),
    ]
    lines = summary.lines([*rows, gpu_ops.geometric_mean(rows)])
    text = {line.strip().rsplit("  ", 1)[0].strip(): line for line in lines}
    assert "MISSED in 1 of 2 rows, worst mish" in text["8192 x 96: never slower than PyTorch"]
    assert "met (2 rows)" in text["8192 x 96: never slower than the original"]
    assert "met (" in text["pointwise ops and row norms: 85% of copy bandwidth"]
    assert "MISSED in 1 of 1 rows, worst gather_add K=4" in text["gathers: 70% of copy bandwidth"]
    assert "met (" in text["8192 x 96: geometric mean 5 times the original"]
    assert summary.failed(rows)
    assert not summary.failed(rows[:1])


def test_memory_that_is_not_given_back(gpu: None) -> None:
    made = card.EmulatedCard(0, card.DRY)
    seen = iter([1 << 28, 7])
    assert memory.left_behind(made, lambda: next(seen)) == 7
    with pytest.raises(AssertionError, match="are in the pool as 0"):
        memory.left_behind(made, lambda: 0)
    kept = memory.row(card.Card.__new__(card.Card), "memory kept", 3 << 20)
    assert [str(verdict) for verdict in kept.verdicts()] == ["MISSED limit 1.5 > 1"]


def test_distances() -> None:
    wide = numpy.array([3.0, 4.0])
    assert correctness.distance(wide.astype("f"), wide) == 0
    assert correctness.distance(numpy.array([3.0, 4.5], "f"), wide) == pytest.approx(0.1)
    for wrong in (numpy.array([3.0, numpy.nan], "f"), numpy.zeros(3, "f")):
        assert correctness.distance(wrong, wide) == correctness.WRONG
    whole = numpy.array([1, 2])
    assert (correctness.distance(whole, whole), correctness.distance(whole + 1, whole)) == (0, correctness.WRONG)
