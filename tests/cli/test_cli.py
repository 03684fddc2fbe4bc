"""The thinc-core program: what each command prints, and that bad input gives one clear line and exit code 2."""

from __future__ import annotations

import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable, List

import pytest

from thinc_core.about import __version__
from thinc_core.cli import main, split_overrides
from thinc_core.cli.train import describe_output
from thinc_core.training.output import OutputDirectory, read_metrics

ROOT = Path(__file__).parents[2]
SMALL_DIGITS = ["--sizes.hidden", "32", "--corpus.limit=200", "--training.eval_every", "0", "--training.epochs", "3"]
SMALL_TAGGER = ["--sizes.width", "16", "--sizes.depth", "1", "--training.epochs", "6", "--training.batch_size", "4"]

Cli = Callable[..., str]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs a command in an empty directory, checks its exit code, returns stdout and, when it failed, stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object, code: int = 0, stdin: str = "") -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        try:
            got = main([str(argument) for argument in arguments])
        except SystemExit as err:  # argparse
            got = int(err.code or 0)
        captured = capsys.readouterr()
        assert got == code, captured.err
        return captured.out if code == 0 else captured.err

    return run


@pytest.fixture
def digits(cli: Cli, tmp_path: Path) -> Path:
    """A config file of the digits task."""
    cli("init", "digits")
    return tmp_path / "digits.cfg"


@pytest.fixture
def tagger_run(cli: Cli, conllu: Path, tmp_path: Path) -> Path:
    """The output directory of a trained tagger."""
    cli("init", "tagger", "--corpus.train", conllu, "--corpus.dev", conllu)
    cli("train", "tagger.cfg", "--output", "run", *SMALL_TAGGER)
    return tmp_path / "run"


def test_train_prints_a_table_and_writes_everything(cli: Cli, digits: Path, tmp_path: Path) -> None:
    text = cli("train", digits, "--output", "a/run", *SMALL_DIGITS)
    for expected in ("epoch    step", "images/s", "Results", "dev ", "test ", "always", "model-best", "seed 0"):
        assert expected in text
    assert len([line for line in text.splitlines() if line.strip().startswith(("1 ", "2 ", "3 "))]) == 3
    assert {path.name for path in (tmp_path / "a" / "run").iterdir()} >= {
        "model-best",
        "model-last",
        "config.cfg",
        "metrics.jsonl",
        "checkpoint.bin",
    }
    rows = read_metrics(tmp_path / "a" / "run" / "metrics.jsonl")
    assert [row["epoch"] for row in rows if row["kind"] == "evaluation"] == [1, 2, 3]
    assert rows[-1]["learn_rate"] == pytest.approx(0.002)
    assert "nO = 32" in (tmp_path / "a" / "run" / "config.cfg").read_text()


def test_evaluate(cli: Cli, digits: Path, tagger_run: Path, conllu: Path) -> None:
    cli("train", digits, "--output", "d", *SMALL_DIGITS)
    assert "accuracy" in cli("evaluate", "d", "test")
    record = json.loads(cli("evaluate", "d/model-last", "dev", "--json"))
    assert record["images"] == 179
    assert record["accuracy"] == pytest.approx(read_metrics(Path("d/metrics.jsonl"))[-1]["dev_accuracy"], abs=1e-6)
    assert json.loads(cli("evaluate", tagger_run, conllu, "--json"))["accuracy"] > 0.9
    Path("x.py").write_text("x = 1\n")
    assert "x.py: none of its labels" in cli("evaluate", tagger_run, "x.py", code=2)


def test_predict(cli: Cli, tagger_run: Path, conllu: Path) -> None:
    text = "the small dog\n\ndogs see\n"
    Path("in.txt").write_text(text)
    expected = "the/DET small/ADJ dog/NOUN\ndogs/NOUN see/VERB\n"
    assert cli("predict", tagger_run, "in.txt") == expected
    assert cli("predict", tagger_run, "-", stdin=text) == expected
    records = [
        json.loads(line) for line in cli("predict", tagger_run, "-", "--format", "jsonl", stdin=text).splitlines()
    ]
    assert records[1]["tags"] == ["NOUN", "VERB"]
    assert all(0 < p <= 1 for record in records for p in record["probabilities"])
    assert cli("predict", tagger_run, conllu).splitlines()[1] == "dogs/NOUN see/VERB"
    Path("in.jsonl").write_text('{"words": ["it"]}\n["dog"]\n')
    assert cli("predict", tagger_run, "in.jsonl") == "it/PRON\ndog/NOUN\n"
    assert cli("predict", tagger_run, "-") == ""


def test_predict_digits(cli: Cli, digits: Path) -> None:
    cli("train", digits, "--output", "d", *SMALL_DIGITS)
    pixels = ["0"] * 64
    lines = [",".join(pixels), ",".join([*pixels, "7"]), json.dumps({"pixels": [0] * 64})]
    answers = cli("predict", "d", "-", stdin="\n".join(lines)).splitlines()
    assert len(set(answers)) == 1
    assert len(answers) == 3
    assert "pixels; got 3 values" in cli("predict", "d", "-", stdin="1,2,3\n", code=2)


def test_show(cli: Cli, digits: Path, tagger_run: Path) -> None:
    text = cli("show", digits, "--sizes.hidden", "10")
    assert "W 10x64" in text
    assert "nO=?" in text
    text = cli("show", tagger_run)
    assert "HashEmbed".lower() in text
    assert "5 labels: ADJ DET NOUN PRON VERB" in text
    assert "└─ softmax" in text
    assert "numbers in all" in text


def test_info(cli: Cli) -> None:
    text = cli("info")
    for expected in (__version__, "numpy", "instructions", "blas", "threads", "gpu", "python"):
        assert expected in text


def test_init(cli: Cli) -> None:
    text = cli("init", "digits", "--output", "-", "--training.epochs", "7")
    assert "epochs = 7" in text
    assert text.startswith("# ")
    cli("init", "tagger", "--output", "my.cfg")
    assert "exists already" in cli("init", "tagger", "--output", "my.cfg", code=2)
    assert 'did you mean "digits"' in cli("init", "digit", code=2)
    assert "must be >= 1; got 0" in cli("init", "digits", "--output", "bad.cfg", "--training.epochs", "0", code=2)
    assert not Path("bad.cfg").exists()


def test_resume(cli: Cli, digits: Path) -> None:
    cli("train", digits, "--output", "whole", *SMALL_DIGITS)
    cli("train", digits, "--output", "parts", *SMALL_DIGITS[:-1], "1")
    cli("train", digits, "--output", "parts", *SMALL_DIGITS, "--resume")
    assert Path("parts/model-last/model.bin").read_bytes() == Path("whole/model-last/model.bin").read_bytes()
    assert "holds a training run already" in cli("train", digits, "--output", "parts", *SMALL_DIGITS, code=2)
    assert "different: sizes.hidden" in cli("train", digits, "--output", "parts", "--resume", code=2).replace(
        "corpus.limit, model.*.hidden1.nO, model.*.hidden2.nO, ", ""
    )
    cli("train", digits, "--output", "parts", *SMALL_DIGITS, "--overwrite")


LOGITS = ["--loss.@losses=CrossEntropy.v1", "--loss.from_logits=false", "--model.*.output.@layers=Linear.v1"]
BAD_TRAINING = {
    "unknown layer": (["--model.*.output.@layers", "Softmx.v1"], 'did you mean "Softmax.v1"'),
    "wrong type of a layer": (["--model.*.hidden1.nO", "wide"], "hidden1"),
    "wrong type of a setting": (["--training.epochs", "many"], "training.epochs: must be a whole number"),
    "unknown setting": (["--training.epoch", "3"], 'did you mean "epochs"'),
    "unknown section": (["--trainin.epochs", "3"], 'did you mean "training"'),
    "unknown task": (["--task.name", "digit"], 'did you mean "digits"'),
    "no data": (["--corpus.train", "none.csv", "--corpus.dev", "none.csv"], "none.csv: no such file"),
    "no GPU": (["--gpu-id", "0"], "--gpu-id 0: require_gpu"),
    "no value": (["--training.epochs"], "a value must follow"),
    "below a file": (["--output", "digits.cfg/x"], "cannot be a directory"),
    "nothing to resume": (["--resume", "--output", "new"], "there is no checkpoint to resume from"),
    "resume without output": (["--resume"], "--output must name"),
    "batch size": (["--training.batch_size", "0"], "training.batch_size: must be >= 1; got 0"),
    "batch unit": (["--training.batch_unit", "pages"], "training.batch_unit: must be one of items, words"),
    "no epochs": (["--training.epochs", "0"], "training.epochs: must be >= 1; got 0"),
    "negative seed": (["--training.seed", "-1"], "training.seed: must be from 0 to 4294967295; got -1"),
    "huge seed": (["--training.seed", "99999999999999999999"], "training.seed: must be from 0 to"),
    "negative patience": (["--training.patience", "-1"], "training.patience: must be >= 0"),
    "negative limit": (["--corpus.limit", "-1"], "corpus.limit: must be >= 0"),
    "too few outputs": (["--model.*.output.nO", "7"], "[model]: fails on the training data: output must have shape"),
    "no probabilities": (["--model.*.output.@layers", "Mish.v1"], "[loss]: cannot be used"),
    "logits": (["--loss.@losses", "CrossEntropy.v1"], "loss.from_logits: must be false"),
    "no probabilities for any loss": (LOGITS, "[model]: fails on the training data: model: output must be in [0, 1]"),
    "no dropout rate": (["--sizes.dropout", "NaN"], "('dropout')"),
    "smoothing": (["--loss.label_smoothing", "3"], "[loss]: cannot be used"),
    "no learning rate": (["--optimizer.learn_rate", "NaN"], "[optimizer]: cannot be built: optimizer: learn_rate must"),
    "no memory": (["--sizes.hidden", "99999999999999"], "not enough memory"),
}


@pytest.mark.parametrize("case", list(BAD_TRAINING))
def test_bad_input_gives_one_line_and_leaves_nothing(cli: Cli, digits: Path, tmp_path: Path, case: str) -> None:
    if case == "no GPU" and os.environ.get("THINC_CORE_REQUIRE_GPU") == "1":
        pytest.skip("this machine has a GPU")
    before = sorted(tmp_path.rglob("*"))
    arguments, message = BAD_TRAINING[case]
    output = [] if "--output" in arguments or case == "resume without output" else ["--output", "new"]
    text = cli("train", digits, *output, *arguments, code=2)
    assert message in text
    assert text.startswith("thinc-core: ")
    assert text.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_bad_files(cli: Cli, digits: Path, tagger_run: Path) -> None:
    Path("missing.cfg").write_text(digits.read_text().replace("[optimizer]", "[optimiser]"))
    assert "missing.cfg: section [optimizer] is missing" in cli("train", "missing.cfg", code=2)
    assert "none.cfg" in cli("train", "none.cfg", code=2)
    Path("bad.conllu").write_text("1\tdog\n")
    assert "bad.conllu:1: " in cli("evaluate", tagger_run, "bad.conllu", code=2)
    assert "bad.conllu:1: " in cli("predict", tagger_run, "bad.conllu", code=2)
    assert "none.txt: no such file" in cli("predict", tagger_run, "none.txt", code=2)
    assert "names no test data" in cli("evaluate", tagger_run, "test", code=2)
    Path("bad.txt").write_bytes(b"\xff\xfe\n")
    assert "not UTF-8" in cli("predict", tagger_run, "bad.txt", code=2)
    Path("bad.txt.gz").write_bytes(gzip.compress(b"a b\n" * 999)[:-20] + bytes(20))
    assert "bad.txt.gz: cannot be read" in cli("predict", tagger_run, "bad.txt.gz", code=2)
    Path("no.gz").write_bytes(b"plain")
    assert "no.gz: cannot be read" in cli("predict", tagger_run, "no.gz", code=2)
    Path("foreign.conllu").write_text("\t".join(["1", "a", "a", "FOREIGN", *"______"]))
    assert "foreign.conllu: none of its labels" in cli("evaluate", tagger_run, "foreign.conllu", code=2)
    weights = tagger_run / "model-best" / "model.bin"
    weights.write_bytes(weights.read_bytes()[:500])
    assert "model.bin: not the weights of this model, or damaged" in cli("predict", tagger_run, "-", code=2)
    assert "not a saved model" in cli("show", ".", code=2)


def test_a_byte_order_mark_is_no_content(cli: Cli, digits: Path, tagger_run: Path, tmp_path: Path) -> None:
    digits.write_text(digits.read_text(), encoding="utf-8-sig")
    cli("show", digits)
    command = [sys.executable, "-m", "thinc_core", "predict", str(tagger_run), "-", "--format", "jsonl"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C", "PYTHONUTF8": "0"}
    done = subprocess.run(command, input="\ufeffgr\u00fcn\n".encode(), capture_output=True, env=environment, check=True)
    assert json.loads(done.stdout)["words"] == ["gr\u00fcn"]
    command = [sys.executable, "-m", "thinc_core", "show", str(tagger_run)]
    assert b"maxout" in subprocess.run(command, capture_output=True, env=environment, check=True).stdout


def test_debug_shows_the_traceback(cli: Cli) -> None:
    assert "Traceback" in cli("train", "none.cfg", "--debug", code=2)
    assert "Traceback" not in cli("train", "none.cfg", code=2)


def test_usage(cli: Cli) -> None:
    assert __version__ in cli("--version")
    assert "train a model" in cli("--help")
    assert "--section.key" in cli("train", "--help")
    cli(code=2)
    assert "invalid choice" in cli("trian", code=2)
    assert "takes no config values" in cli("info", "--a.b", "1", code=2)


def test_overrides_may_stand_anywhere() -> None:
    plain = ["train", "a.cfg", "--output", "x"]
    overrides = ["--a.b", "-1", "--c.d=2"]
    assert split_overrides(["train", "--a.b", "-1", "a.cfg", "--c.d=2", "--output", "x"]) == (plain, overrides)
    assert split_overrides(["--a.b"]) == ([], ["--a.b"])
    assert split_overrides(["x", "--", "--a.b", "c"]) == (["x", "--", "--a.b", "c"], [])


def program(*arguments: str) -> List[str]:
    return [sys.executable, "-m", "thinc_core", *arguments]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), "PYTHONUNBUFFERED": "1"}


@pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX does")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_runs_are_saved_and_can_go_on(cli: Cli, digits: Path, tmp_path: Path, number: int) -> None:
    arguments = ["train", str(digits), "--output", "cut", "--sizes.hidden", "32", "--training.patience", "0"]
    command = program(*arguments, "--training.epochs", "100000")
    process = subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    metrics = tmp_path / "cut" / "metrics.jsonl"
    deadline = time.monotonic() + 30
    while not (metrics.is_file() and metrics.stat().st_size > 300):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"interrupted" in stderr
    assert b"--resume" in stderr
    assert b"Traceback" not in stderr
    epochs = json.loads((tmp_path / "cut" / "model-last" / "meta.json").read_text())["epoch"] + 1
    cli(*arguments, "--training.epochs", epochs, "--resume")
    cli("train", digits, "--output", "whole", *arguments[4:], "--training.epochs", epochs)
    for name in ("model-last", "model-best"):
        assert Path(f"cut/{name}/model.bin").read_bytes() == Path(f"whole/{name}/model.bin").read_bytes()


def test_a_run_stopped_before_its_first_evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model-last").mkdir()
    (tmp_path / "model-last" / "meta.json").write_text("{}")
    monkeypatch.setattr("thinc_core.training.plots.can_plot", lambda: True)
    text = describe_output(OutputDirectory(tmp_path))
    assert f"model    {tmp_path / 'model-last'}" in text
    assert "not drawn: nothing was evaluated yet" in text


def test_the_module_runs_and_stops_when_nobody_reads(tagger_run: Path, tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("the dog\n" * 20_000)
    command = program("predict", str(tagger_run), str(tmp_path / "long.txt"))
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == b"the/DET dog/NOUN\n"
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait(timeout=30) == 0
