"""The program around the measurements: options, files, comparison, pictures. No timing decides anything here."""

import json

import numpy
import pytest

from benchmarks import bench_optimizers, cli, compare, report, timing
from benchmarks.result import OURS, Result, Target
from benchmarks.timing import Plan, Side, Timing, paired

ROW = ["ops", "--only", "/relu/,/gemm/gemm/", "--sizes", "8x17,2x16x12", "--peers", "numpy"]


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    """As few rounds as there can be."""
    monkeypatch.setattr("benchmarks.machine.Plan", lambda: Plan(budget=0, slot=0, least=2, most=2))


def result(name="relu", ours=2.0, copy=1.0, noise=0.0, **fields):
    costs = {OURS: Timing(ours, noise), "copy": Timing(copy), "thinc": Timing(4 * copy), "torch": Timing(2.5 * copy)}
    values = {"family": "activations", "dtype": "f32", "rate": "GB/s", "work": 1.0, "shape": (4000, 96)}
    return Result("ops", name, "4000x96", costs, [Target("copy", 1.3)], **{**values, **fields})


def write(path, results, **circumstances):
    path.write_text("".join(json.dumps({**each.record(), **circumstances}) + "\n" for each in results))
    return str(path)


def test_list_measures_nothing(capsys):
    assert cli.main(["--list", "--only", "/mish/,mlp"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "ops/activations/mish 4000x96 f32" in lines
    assert "models/mlp train" in lines
    assert not any("relu" in line for line in lines)


def test_steps_of_optimizers(tmp_path, monkeypatch):
    small = bench_optimizers.Pattern("sparse", (3, 8), 4, 2, rows=0.5)
    monkeypatch.setattr(bench_optimizers, "PATTERNS", (small,))
    path = tmp_path / "results.jsonl"
    assert cli.main(["optimizers", "--peers", "none", "--json", str(path)]) == 0
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["name"] for row in rows] == ["Adam: sparse", "Adam, clip + averages: sparse"]
    assert {row["size"] for row in rows} == {"2 of 4 x 3x8"}
    gradient = small.gradient(numpy.random.default_rng(0))
    assert gradient.shape == (3, 8)
    assert not gradient.all()


@pytest.mark.parametrize(
    "arguments, problem",
    [
        (["--peers", "jax"], "--peers must be of"),
        (["--sizes", "tiny"], "--sizes must be"),
        (["--dtype", "f16"], "--dtype must be"),
        (["--threads", "0"], "--threads must be"),
        (["--only", "nothing"], "no row matches"),
        (["--from", "missing.jsonl"], "cannot read missing.jsonl"),
        (["--compare", "missing.jsonl", *ROW], "cannot read missing.jsonl"),
        (["--chart", "chart.bmp"], "must end in .svg or .png"),
        (["--chart", "missing/chart.svg"], "no folder"),
        (["--json", "missing/results.jsonl", *ROW], "cannot write missing/results.jsonl"),
    ],
)
def test_wrong_options_end_with_one_sentence(arguments, problem):
    with pytest.raises(SystemExit, match=problem):
        cli.main(arguments)


def test_run_writes_json_that_can_be_read_back_and_compared(tmp_path, capsys):
    path = tmp_path / "results.jsonl"
    assert cli.main([*ROW, "--json", str(path), "--markdown"]) == 0
    out = capsys.readouterr().out
    assert "8x17 f32" in out
    assert "GFLOP/s" in out
    assert "| | thinc_core | numpy |" in out
    record = json.loads(path.read_text().splitlines()[0])
    assert record["name"] == "relu"
    assert {"machine", "isa", "blas", "commit", "numpy", "threads"} <= set(record)
    assert cli.main(["--from", str(path), "--compare", str(path)]) == 0
    assert "0 slower" in capsys.readouterr().out


def test_two_numbers_of_threads_show_the_speed_up(capsys):
    assert cli.main(["ops", "--only", "/relu/", "--sizes", "8x17", "--peers", "none", "--threads", "1,2"]) == 0
    assert "speed-up" in capsys.readouterr().out


def test_interruption_leaves_what_was_measured(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    path = tmp_path / "results.jsonl"
    monkeypatch.setattr("benchmarks.machine.Setup.peak", interrupted)
    assert cli.main([*ROW, "--json", str(path)]) == 130
    assert {json.loads(line)["name"] for line in path.read_text().splitlines()} == {"relu"}


def test_a_regression_is_told_from_noise_and_from_a_slower_machine():
    old = [result(str(k)) for k in range(9)]
    assert not any(change.slower for change in compare.changes(old, [result(str(k)) for k in range(9)]))
    slower_machine = [result(str(k), ours=4.0, copy=2.0) for k in range(9)]
    assert not any(change.slower or change.faster for change in compare.changes(old, slower_machine))
    one = [result("0", ours=3.0), *old[1:]]
    assert [change.slower for change in compare.changes(old, one)] == [True] + [False] * 8
    noisy = [result("0", ours=3.0, noise=0.6), *old[1:]]
    assert not any(change.slower for change in compare.changes(old, noisy))
    assert [change.faster for change in compare.changes(one, old)] == [True] + [False] * 8


def test_stored_regression_sets_the_exit_status(tmp_path, capsys):
    old = write(tmp_path / "old.jsonl", [result(str(k)) for k in range(9)], machine="m")
    new = write(tmp_path / "new.jsonl", [result(str(k), ours=3.0 if k == 4 else 2.0) for k in range(9)], machine="m")
    assert cli.main(["--from", new, "--compare", old]) == 1
    assert "1 slower" in capsys.readouterr().out


def test_files_that_say_nothing_are_refused(tmp_path):
    garbled, empty = tmp_path / "garbled.jsonl", tmp_path / "empty.jsonl"
    garbled.write_text('{"suite": "ops"}\nnot json\n')
    empty.write_text("\n")
    with pytest.raises(SystemExit, match=r"garbled\.jsonl:1: no result of this program"):
        compare.read(garbled)
    with pytest.raises(SystemExit, match="holds no results"):
        compare.read(empty)
    old = write(tmp_path / "old.jsonl", [result()], machine="another")
    with pytest.raises(SystemExit, match="measured with machine another"):
        cli.main([*ROW, "--compare", old])


def test_targets_say_by_how_much():
    one = result()
    assert [str(verdict) for verdict in one.verdicts()] == ["MISSED copy 2 > 1.3"]
    assert "**missed by 54%**" in report.target_table([one])
    assert report.verdict_counts([one, result(ours=1.2)]) == (1, 2)
    unmeasured = Result("models", "bag of words train", "", {}, note="cannot be measured")
    assert "cannot be measured" in report.row(unmeasured)
    assert Result.from_record(one.record()).record() == one.record()


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_charts(tmp_path, kind):
    pytest.importorskip("matplotlib")
    sweep = [result(name, shape=(n, 96)) for name in ("relu", "mish") for n in (8, 4000)]
    for index, each in enumerate(sweep):
        each.size = f"{each.shape[0]}x96"
        each.costs[OURS].best = 1e-6 * (index + 1)
    path = write(tmp_path / "results.jsonl", sweep)
    pictures = []
    for turn in range(2):
        chart, curves = tmp_path / f"chart{turn}.{kind}", tmp_path / f"curves{turn}.{kind}"
        assert cli.main(["--from", path, "--chart", str(chart), "--curves", str(curves)]) == 0
        pictures.append((chart.read_bytes(), curves.read_bytes()))
    assert pictures[0] == pictures[1]
    assert len(pictures[0][0]) < 100_000


def test_charts_need_matplotlib(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(SystemExit, match=r"pip install 'thinc_core\[cli\]'"):
        cli.main(["--chart", str(tmp_path / "chart.svg")])


def test_sides_take_turns_and_are_reset():
    log = []
    sides = {name: Side(lambda name=name: log.append(name), lambda: log.append("reset")) for name in "ab"}
    found = paired(sides, Plan(budget=0, slot=0, least=2, most=2), lambda key: log.append(key.upper()))
    assert set(found) == {"a", "b"}
    rounds = [entry for entry in log if entry in "AB"]
    assert rounds == ["A", "B", "A", "B", "B", "A"]
    assert log[log.index("A") + 1] == "reset"
    assert timing.summary([2.0, 1.0, 4.0]) == Timing(1.0, 1.0)
