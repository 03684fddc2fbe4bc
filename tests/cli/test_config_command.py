"""thinc-core config: what its actions print, and their exit codes."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Callable

import pytest

from thinc_core.cli import main
from thinc_core.cli._colours import paint_config
from thinc_core.config import Config, registry
from thinc_core.config.file import MISSING

ROOT = Path(__file__).parents[2]
TEXT = """
[sizes]
width = 8

# the rate falls
[optimizer]
@optimizers = "Adam.v1"

[optimizer.learn_rate]
@schedules = "decaying.v1"
base_rate = 0.1
decay = 0.5

[model]
@layers = "chain.v1"

[model.*.hidden]
@layers = "Relu.v1"
nO = ${sizes.width}

[model.*.out]
@layers = "Softmax.v1"
"""
BAD = (
    TEXT.replace("Relu.v1", "Relo.v1")
    .replace("base_rate = 0.1", 'base_rate = "fast"')
    .replace("decay = 0.5", "decay = 0.5\nspeed = 2")
    .replace('"Adam.v1"', '"Adam.v1"\nlearning_rate = 0.1\neps = true')
)
Cli = Callable[..., str]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs `config` beside a.cfg and bad.cfg, checks its exit code, returns stdout, or stderr if there is none."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.cfg").write_text(TEXT)
    (tmp_path / "bad.cfg").write_text(BAD)

    def run(*arguments: str, code: int = 0) -> str:
        try:
            got = main(["config", *arguments])
        except SystemExit as error:
            got = int(error.code or 0)
        captured = capsys.readouterr()
        assert got == code, captured
        return captured.out or captured.err

    return run


def test_help(cli: Cli) -> None:
    assert {"check", "fill", "show", "diff"} <= set(cli("--help").split())
    for action in ("check", "fill", "show", "diff"):
        assert "config file; - reads standard input" in cli(action, "--help")
    assert "the following arguments are required: ACTION" in cli(code=2)


def test_check(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli("check", "a.cfg") == "a.cfg: 3 sections, 5 registered functions, 0 problems\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(TEXT))
    assert cli("check", "-").startswith("-: 3 sections")
    assert cli("check", str(ROOT / "examples" / "tagger.cfg")).endswith(" 0 problems\n")


def test_check_says_everything_that_is_wrong(cli: Cli) -> None:
    lines = cli("check", "bad.cfg", code=2).splitlines()
    name = "model.*.hidden.@layers: registry thinc_core -> layers: there is no 'Relo.v1' (did you mean 'Relu.v1'?)"
    assert name in lines
    text = "\n".join(lines)
    assert "optimizer.learning_rate: unexpected argument: 'learning_rate' (did you mean 'learn_rate'?)" in text
    assert "optimizer.learn_rate.base_rate: must be a number; got 'fast' (str)" in text
    assert "optimizer.eps: must be" in text
    assert "optimizer.learn_rate.speed: unexpected argument: 'speed'" in text
    assert lines[-1] == f"bad.cfg: 3 sections, 5 registered functions, {len(lines) - 1} problems"
    assert registry.problems(Config().from_str(TEXT)) == []


def test_check_of_a_training_config(cli: Cli) -> None:
    """What `train` refuses, though no registered function takes it."""
    example = str(ROOT / "examples" / "textcat.cfg")
    assert cli("check", example).endswith(" 0 problems\n")
    for override, message in (
        ("--training.epocs=10", 'training.epocs: section [training] has no setting "epocs" (did you mean "epochs"?)'),
        ("--training.epochs=true", "training.epochs: must be a whole number; got true"),
        ("--training.patience=-1", "training.patience: must be >= 0; got -1"),
        ("--loss.@losses=CrossEntropy.v1", "loss.from_logits: must be false, as the model of a textcat ends in"),
        ("--loss.@losses=FocalLoss.v1", "loss.from_logits: must be false"),
        ("--corpus.lable=x", 'corpus.lable: section [corpus] has no setting "lable" (did you mean "label"?)'),
        ("--task.name=textct", 'task.name: there is no task "textct" (did you mean "textcat"?)'),
    ):
        assert cli("check", example, override, code=2).startswith(message), override
    probabilities = ("--loss.@losses=CrossEntropy.v1", "--loss.from_logits=false")
    assert cli("check", example, *probabilities).endswith(" 0 problems\n")
    both = cli("check", example, "--training.epocs=10", "--task.name=textct", code=2)
    assert " 2 problems" in both


def test_check_of_overrides(cli: Cli) -> None:
    assert "0 problems" in cli("check", "a.cfg", "--sizes.width", "16")
    line = cli("check", "a.cfg", "--sizes.width=wide", code=2).splitlines()[0]
    assert line == "model.*.hidden.nO: must be a whole number; got 'wide' (str)"


def test_build(cli: Cli, tmp_path: Path) -> None:
    assert cli("check", "a.cfg", "--build").endswith(" 0 problems\n")
    (tmp_path / "b.cfg").write_text('[x]\n@optimizers = "Adam.v1"\ngrad_clip = -1\n')
    assert "0 problems" in cli("check", "b.cfg")
    assert cli("check", "b.cfg", "--build", code=2).startswith("x: ValueError: optimizer: grad_clip must be >= 0")


@pytest.mark.parametrize(
    "text, message",
    [
        ("[a]\nx = ${b.y}\n", "a.cfg: a.x: ${b.y}: there is no section [b] (line 2)"),
        ("[a]\nx = ${size.y}\n[sizes]\n", "a.cfg: a.x: ${size.y}: there is no section [size] (did you mean 'sizes'?)"),
        (
            "[a]\nx = ${b.widht}\n[b]\nwidth = 1\n",
            "a.cfg: a.x: ${b.widht}: section [b] has no \"widht\" (did you mean 'width'?) (line 2)",
        ),
        ("[a]\nx = 1\nx = 2\n", "a.cfg: a.x: key is there twice in its section (line 3)"),
        ("x = 1\n", "a.cfg: "),
        (b"\xff\xfe\x00", "a.cfg: not a config: the file is not UTF-8 text"),
    ],
)
def test_files_that_are_no_config(cli: Cli, tmp_path: Path, text: str | bytes, message: str) -> None:
    (tmp_path / "a.cfg").write_bytes(text if isinstance(text, bytes) else text.encode())
    for action in ("check", "fill", "show"):
        error = cli(action, "a.cfg", code=2)
        assert error.startswith(f"thinc-core: {message}")
        assert error.count("\n") == 1
    assert cli("check", "none.cfg", code=2) == "thinc-core: none.cfg: No such file or directory\n"


def test_fill(cli: Cli, tmp_path: Path) -> None:
    filled = Config().from_str(cli("fill", "a.cfg"))
    assert filled == registry.fill(Config().from_str(TEXT))
    assert filled["model"]["*"]["hidden"]["nO"] == 8
    assert filled["model"]["*"]["hidden"]["normalize"] is False
    kept = cli("fill", "a.cfg", "--variables")
    assert "nO = ${sizes.width}" in kept
    assert Config().from_str(kept) == filled
    assert cli("fill", "a.cfg", "--output", "out.cfg", "--sizes.width", "9") == ""
    assert Config().from_disk(tmp_path / "out.cfg")["model"]["*"]["hidden"]["nO"] == 9
    assert cli("fill", "out.cfg") == (tmp_path / "out.cfg").read_text()
    error = cli("fill", "bad.cfg", code=2)
    assert "unexpected argument: 'learning_rate'" in error
    assert "base_rate: must be a number" in error


def test_show(cli: Cli) -> None:
    whole = cli("show", "a.cfg", "--sizes.width", "5")
    assert Config().from_str(whole) == Config().from_str(TEXT, overrides={"sizes.width": 5})
    assert "nO = ${sizes.width}" in cli("show", "a.cfg", "--variables")
    assert cli("show", "a.cfg", "model.*.hidden.nO") == "8\n"
    assert cli("show", "a.cfg", "optimizer.learn_rate").splitlines() == [
        "[optimizer.learn_rate]",
        '@schedules = "decaying.v1"',
        "base_rate = 0.1",
        "decay = 0.5",
    ]
    error = cli("show", "a.cfg", "optimiser", code=2)
    assert error == 'thinc-core: a.cfg: there is no optimiser (did you mean "optimizer"?)\n'
    assert "there is no sizes.width.x" in cli("show", "a.cfg", "sizes.width.x", code=2)


def test_diff(cli: Cli, tmp_path: Path) -> None:
    assert cli("diff", "a.cfg", "a.cfg") == ""
    changed = TEXT.replace("width = 8", "width = 8.0").replace("decay = 0.5\n", "") + "\n[more]\nwords = [1]\n"
    (tmp_path / "b.cfg").write_text(changed)
    assert cli("diff", "a.cfg", "b.cfg", code=1).splitlines() == [
        "~ sizes.width = 8 -> 8.0",
        "- optimizer.learn_rate.decay = 0.5",
        "~ model.*.hidden.nO = 8 -> 8.0",
        "+ more.words = [1]",
    ]
    (tmp_path / "b.cfg").write_text(TEXT.replace("decay = 0.5", "decay = 0.5\nt = 0.0"))
    assert cli("diff", "a.cfg", "b.cfg", code=1) == "+ optimizer.learn_rate.t = 0.0\n"
    assert cli("diff", "--fill", "a.cfg", "b.cfg", code=1) == "~ optimizer.learn_rate.t = 0 -> 0.0\n"
    assert cli("diff", "a.cfg", "none.cfg", code=2).endswith("No such file or directory\n")


def test_differences() -> None:
    one = Config({"a": {"x": (1, float("nan")), "y": {}}, "b": {"z": True}})
    assert one.diff({"a": {"x": [1, float("nan")], "y": {}}, "b": {"z": True}}) == []
    assert one.diff({"a": {"x": [1, 2]}, "b": {"z": 1}}) == [
        (("a", "x"), (1, one["a"]["x"][1]), [1, 2]),
        (("a", "y"), {}, MISSING),
        (("b", "z"), True, 1),
    ]


def test_colours_only_on_a_terminal(cli: Cli, tmp_path: Path) -> None:
    pty = pytest.importorskip("pty", reason="makes a terminal")
    piped = cli("show", "a.cfg")
    assert "\x1b" not in piped
    command = [sys.executable, "-m", "thinc_core", "config", "show", str(tmp_path / "a.cfg")]
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    environment = {**environment, "TERM": "xterm", "PYTHONPATH": str(ROOT)}
    ours, theirs = pty.openpty()
    subprocess.run(command, env=environment, stdout=theirs, check=True)
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 65536)
        except OSError:  # Linux's way to say that the other end is closed
            break
        if not shown or shown.endswith(b"\n\r\n"):
            break
    os.close(ours)
    assert shown.decode().replace("\r\n", "\n") == paint_config(piped, True)
    assert "\x1b[1m[optimizer]\x1b[0m" in shown.decode()


def test_painting_changes_no_letter() -> None:
    painted = paint_config(TEXT, True)
    for code in ("\x1b[1m", "\x1b[2m", "\x1b[36m", "\x1b[33m", "\x1b[0m"):
        assert code in painted
        painted = painted.replace(code, "")
    assert painted == TEXT == paint_config(TEXT, False)
