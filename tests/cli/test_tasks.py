"""Text classification, spans and regression from the command line, from `init` to predictions; and what goes wrong."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest

from thinc_core.cli import main
from thinc_core.training.bio import spans_of
from thinc_core.training.output import read_metrics
from thinc_core.training.stdlib_docs import read_docstrings
from thinc_core.training.stdlib_functions import TARGET, read_functions, write_table
from thinc_core.training.stdlib_source import read_stdlib
from thinc_core.training.stdlib_spans import spans_of_file

Cli = Callable[..., str]
SMALL = {
    "textcat": ["--sizes.width", "32", "--training.epochs", "6", "--training.batch_size=16"],
    "spans": ["--sizes.width", "32", "--sizes.depth", "2", "--training.epochs", "3", "--training.batch_size=4",
              "--optimizer.use_averages=false", "--optimizer.learn_rate=0.005"],
    "regression": ["--sizes.hidden", "16", "--training.epochs", "30", "--training.batch_size=16"],
}  # fmt: skip


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs a command in an empty directory, checks its exit code, returns stdout or, when it failed, stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object, code: int = 0, stdin: str = "") -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        got = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert got == code, captured.err
        return captured.out if code == 0 else captured.err

    return run


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real data of each task in the formats that the tasks read: train and test files."""
    folder = tmp_path_factory.mktemp("data")
    texts = read_docstrings(["mailbox", "turtle", "unittest"])
    parts: Dict[str, List[Any]] = {"train": [], "test": []}
    for i, text in enumerate(texts):
        parts["test" if i % 5 == 0 else "train"].append(text)
    for name, part in parts.items():
        lines = (json.dumps({"text": text, "label": label}) + "\n" for text, label in part)
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf8")
        with (folder / f"{name}.csv").open("w", encoding="utf8", newline="") as file:
            csv.writer(file).writerows([("topic", "body"), *((label, text) for text, label in part)])
        for i, (text, label) in enumerate(part):
            (folder / name / label).mkdir(parents=True, exist_ok=True)
            (folder / name / label / f"{i:04}.txt").write_text(text, encoding="utf8")
    files = read_stdlib(9_000, seed=5, tag=spans_of_file)
    for name, chosen in (("train", files[1:]), ("test", files[:1])):
        sentences = (s for file in chosen for s in file if _fits(s.words))
        blocks = ("\n".join(f"{word}\t{tag}" for word, tag in zip(*s)) for s in sentences)
        (folder / f"{name}.conll").write_text("\n\n".join(blocks) + "\n", encoding="utf8")
    functions = [row for file in read_functions(600, seed=2) for row in file]
    write_table(folder / "functions.csv", functions[60:])
    write_table(folder / "functions-test.csv", functions[:60])
    return folder


def _fits(words: List[str]) -> bool:
    """Whether a word a line can hold these: strings of several lines do not fit."""
    return all(word.split() == [word] for word in words)


def metrics(run: str) -> List[Dict[str, Any]]:
    return [row for row in read_metrics(Path(run) / "metrics.jsonl") if row["kind"] == "evaluation"]


def records(text: str) -> List[Dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_textcat(cli: Cli, data: Path) -> None:
    cli("init", "textcat", "--corpus.train", data / "train.jsonl")
    text = cli("train", "textcat.cfg", "--output", "run", *SMALL["textcat"])
    for expected in ("textcat: ", "3 labels", "macro_f", 'always "', "confusion.png"):
        assert expected in text or expected == "confusion.png"
    assert max(row["dev_accuracy"] for row in metrics("run")) > 0.8
    scores = json.loads(cli("evaluate", "run", data / "test.jsonl", "--json", "--labels"))
    assert scores["accuracy"] > 0.8
    assert set(scores["labels"]) == {"mailbox", "turtle", "unittest"}
    folders = json.loads(cli("evaluate", "run", data / "test", "--json"))
    assert (folders["accuracy"], folders["texts"]) == (scores["accuracy"], scores["texts"])
    table = cli("evaluate", "run", data / "test.jsonl", "--labels")
    assert "micro average" in table
    assert "macro average" in table
    lines = (
        "Move the turtle forward by the distance.\n" + '{"text": "Return the message of the mailbox with this key."}\n'
    )
    answers = records(cli("predict", "run", "--format", "jsonl", stdin=lines))
    assert [answer["label"] for answer in answers] == ["turtle", "mailbox"]
    assert all(0.3 < answer["probability"] <= 1 for answer in answers)
    assert cli("predict", "run", stdin=lines).startswith("turtle  ")
    assert "3 labels: mailbox turtle unittest" in cli("show", "run")


def test_textcat_from_csv_and_folders_learns_the_same(cli: Cli, data: Path) -> None:
    cli("init", "textcat")
    small = [*SMALL["textcat"][:2], "--training.epochs=1", "--corpus.limit=40"]
    columns = ["--corpus.text", "body", "--corpus.label", "topic"]
    dev = {"csv": ["--corpus.dev", data / "test.csv", *columns], "folders": ["--corpus.dev", data / "test"]}
    cli("train", "textcat.cfg", "--output", "csv", "--corpus.train", data / "train.csv", *dev["csv"], *small)
    cli("train", "textcat.cfg", "--output", "folders", "--corpus.train", data / "train", *dev["folders"], *small)
    assert metrics("csv")[0]["rows"] == metrics("folders")[0]["rows"] == 40
    assert cli("evaluate", "csv", data / "test.csv", "--json")
    predicted = records(cli("predict", "csv", data / "test.csv", "--format", "jsonl"))
    with (data / "test.csv").open(newline="") as file:
        assert [answer["text"] for answer in predicted] == [row["body"] for row in csv.DictReader(file)]


def test_spans(cli: Cli, data: Path) -> None:
    cli("init", "spans", "--corpus.train", data / "train.conll")
    text = cli("train", "spans.cfg", "--output", "run", *SMALL["spans"])
    for expected in ("spans: ", "dev span_f", "precision", "no spans"):
        assert expected in text
    assert max(row["dev_span_f"] for row in metrics("run")) > 0.7
    scores = json.loads(cli("evaluate", "run", data / "test.conll", "--json", "--labels"))
    assert scores["span_f"] > 0.6
    assert scores["labels"]["CALLEE"]["f1"] > 0.6
    answers = records(cli("predict", "run", "--format", "jsonl", stdin="x = os . path . join ( a )\n"))
    assert answers[0]["words"][2:7] == ["os", ".", "path", ".", "join"]
    assert {"start": 2, "end": 7, "label": "CALLEE", "text": "os . path . join"} in answers[0]["spans"]
    assert "[os . path . join CALLEE]" in cli("predict", "run", "-", stdin="x = os . path . join ( a )\n")
    tagged = records(cli("predict", "run", data / "test.conll", "--format", "jsonl"))
    assert sum(len(each["words"]) for each in tagged) == scores["words"]
    spans = [(s["start"], s["end"], s["label"]) for s in tagged[3]["spans"]]
    assert spans == spans_of(tagged[3]["tags"])
    assert json.loads(cli("evaluate", "run", json.__file__, "--json"))["span_f"] > 0.5


def test_regression(cli: Cli, data: Path) -> None:
    cli("init", "regression", "--corpus.train", data / "functions.csv", "--corpus.test", data / "functions-test.csv")
    text = cli("train", "regression.cfg", "--output", "run", *SMALL["regression"], "--training.eval_every=0")
    for expected in ("regression: ", "1 number\n", "dev r2", "mae", "always the mean"):
        assert expected in text
    scores = json.loads(cli("evaluate", "run", data / "functions-test.csv", "--json"))
    assert scores["r2"] > 0.8
    with (data / "functions-test.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    truths = [float(row.pop(TARGET)) for row in rows]
    as_json = "".join(json.dumps(row) + "\n" for row in rows)
    answers = [record[TARGET] for record in records(cli("predict", "run", "--format", "jsonl", stdin=as_json))]
    assert sum(abs(a - b) for a, b in zip(answers, truths)) / len(truths) == pytest.approx(scores["mae"], rel=1e-4)
    header = ",".join(rows[0])[::1] + "\n" + ",".join(rows[0].values()) + "\n"
    assert float(cli("predict", "run", "-", stdin=header)) == pytest.approx(answers[0], rel=1e-4)
    assert cli("predict", "run", "-") == ""
    assert "--confusion: the labels" in cli("evaluate", "run", "test", "--confusion", "c.png", code=2)
    assert not Path("c.png").exists()


@pytest.mark.parametrize("task", ["textcat", "spans", "regression"])
def test_a_resumed_run_equals_an_uninterrupted_one(cli: Cli, data: Path, task: str) -> None:
    train = data / {"textcat": "train.jsonl", "spans": "test.conll", "regression": "functions-test.csv"}[task]
    cli("init", task, "--corpus.train", train)
    small = [*SMALL[task], "--training.eval_every=4", "--training.patience=0", "--corpus.limit=60"]
    small += [] if task == "regression" else ["--sizes.width=16"]
    epochs = small.index("--training.epochs") + 1
    cli("train", f"{task}.cfg", "--output", "whole", *small[:epochs], 3, *small[epochs + 1 :])
    cli("train", f"{task}.cfg", "--output", "parts", *small[:epochs], 1, *small[epochs + 1 :])
    cli("train", f"{task}.cfg", "--output", "parts", *small[:epochs], 3, *small[epochs + 1 :], "--resume")
    for name in ("model-last", "model-best"):
        assert Path(f"parts/{name}/model.bin").read_bytes() == Path(f"whole/{name}/model.bin").read_bytes()
    assert [row["loss"] for row in metrics("parts")][-1] == [row["loss"] for row in metrics("whole")][-1]


BAD = {
    "textcat": {
        "empty": ({"t.jsonl": ""}, [], "t.jsonl: no texts found"),
        "columns": ({"t.csv": "a,b\n1,2\n"}, [], 't.csv: there is no column "text"'),
        "one label": ({"t.jsonl": '{"text": "x", "label": "y"}\n' * 20}, [], "two different labels; got ['y']"),
        "too few": ({"t.jsonl": '{"text": "x", "label": "y"}\n' * 3}, [], "too few to hold some out for dev, 3"),
        "key": ({"t.jsonl": ""}, ["--corpus.lable", "x"], 'no setting "lable" (did you mean "label"?)'),
        "features": ({"t.jsonl": ""}, ["--task.features", '["lowr"]'], '"lowr" (did you mean "lower"?)'),
        "topics": ({}, ["--corpus.train=null", "--corpus.topics", '["nosuch"]'], "no Python source of nosuch"),
        "task": ({}, ["--task.name", "textcats"], 'there is no task "textcats" (did you mean "textcat"?)'),
    },
    "spans": {
        "empty": ({"t.conll": ""}, [], "t.conll: no sentences found"),
        "columns": ({"t.conll": "a B-X\nb\n"}, [], "t.conll:2: every line must have as many"),
        "tags": ({"t.conll": "a NOUN\n"}, [], 't.conll:1: a tag must be O or a letter'),
        "column": ({"t.conll": "a O\n"}, ["--corpus.tag_column", "7"], "there is no column 7 for the tag"),
    },
    "regression": {
        "empty": ({"t.csv": ""}, [], "t.csv: the first line must name the columns; the file is empty"),
        "no rows": ({"t.csv": "x,bytecode\n"}, [], "t.csv: no rows found below the header"),
        "target": ({"t.csv": "x,bytecod\n1,2\n"}, [], 'no column "bytecode" (did you mean "bytecod"?)'),
        "text": ({"t.csv": "x,bytecode\n" + "1,two\n" * 19}, [], 'column "bytecode" must be a number; got "two"'),
        "huge": ({"t.csv": "x,bytecode\n" + "1,1e300\n" * 19}, [], "must be at most 3.4e+38, as models hold float32"),
        "alone": ({"t.csv": "bytecode\n" + "1\n" * 20}, [], "there must be columns beside bytecode"),
        "ignore": ({"t.csv": "x,bytecode\n" + "1,2\n" * 20}, ["--task.ignore", '["y"]'], 'has no column "y"'),
        "loss": (
            {"t.csv": "x,bytecode\n" + "1,2\n5,9\n" * 20},
            ["--loss.@losses", "CategoricalCrossentropy.v3"],
            "[loss]: cannot be used",
        ),
        "logger": ({"t.csv": "x,bytecode\n" + "1,2\n" * 20}, ["--training.loggers", '["csvv"]'], 'no logger "csvv"'),
    },
}  # fmt: skip


@pytest.mark.parametrize("task", list(BAD))
def test_bad_input_gives_one_line_and_leaves_nothing(cli: Cli, tmp_path: Path, task: str) -> None:
    cli("init", task)
    for name, (files, arguments, message) in BAD[task].items():
        for path, content in files.items():
            Path(path).write_text(content)
        train = [f"--corpus.train={path}" for path in files]
        before = sorted(tmp_path.rglob("*"))
        text = cli("train", f"{task}.cfg", "--output", "new", *train, *arguments, code=2)
        assert message in text, name
        assert text.startswith("thinc-core: "), name
        assert text.count("\n") == 1, name
        assert sorted(tmp_path.rglob("*")) == before, name


def test_labels_and_categories_that_training_has_not_seen(cli: Cli, data: Path) -> None:
    cli("init", "textcat", "--corpus.train", data / "train.jsonl")
    cli("train", "textcat.cfg", "--output", "run", *SMALL["textcat"][:2], "--training.epochs=1", "--corpus.limit=60")
    Path("new.jsonl").write_text('{"text": "x", "label": "new"}\n{"text": "turtle", "label": "turtle"}\n')
    scores = json.loads(cli("evaluate", "run", "new.jsonl", "--json", "--labels"))
    assert scores["texts"] == 2
    assert scores["accuracy"] <= 0.5
    Path("new.jsonl").write_text('{"text": "x", "label": "new"}\n')
    assert "new.jsonl: none of its labels is among those" in cli("evaluate", "run", "new.jsonl", code=2)
    assert "-:2: not valid JSON" in cli("predict", "run", "-", stdin='{"text": "a"}\n{"text"\n', code=2)
    assert '-:1: there is no "text" (did you mean "txt"?)' in cli("predict", "run", "-", stdin='{"txt": "a"}\n', code=2)
    cli("predict", "run", "-", stdin='{"text": ""}\n')


def test_profile_and_older_checkpoints(cli: Cli, data: Path) -> None:
    cli("init", "regression", "--corpus.train", data / "functions-test.csv")
    options = [
        *SMALL["regression"],
        "--training.eval_every=10",
        "--training.keep_checkpoints=2",
        "--training.loggers",
        '["csv"]',
    ]
    text = cli("train", "regression.cfg", "--output", "run", *options, "--profile")
    assert "backward ms" in text
    names = {each.name for each in Path("run").iterdir()}
    assert {"profile.txt", "profile.json", "metrics.csv", "checkpoints"} <= names
    kept = sorted(Path("run/checkpoints").iterdir())
    assert len(kept) == 2
    before = Path("run/model-last/model.bin").read_bytes()
    cli("train", "regression.cfg", "--output", "run", *options, "--resume", "--checkpoint", kept[0])
    assert Path("run/model-last/model.bin").read_bytes() == before
    assert "only --resume" in cli("train", "regression.cfg", "--output", "new", "--checkpoint", kept[0], code=2)
