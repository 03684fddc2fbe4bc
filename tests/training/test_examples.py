"""Everything in examples/ runs: scripts as they are, configs on slices of their data."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from optional import import_or_skip

from thinc_core.training.run import Run
from thinc_core.training.settings import load_config
from thinc_core.training.starters import starter_config

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
EWT = ROOT.parent / "shared" / "data" / "ud_english_ewt"
SMALL = {"sizes.width": 32, "sizes.depth": 1, "training.epochs": 1}


def load_script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_digits_script(capsys: pytest.CaptureFixture[str]) -> None:
    assert load_script("digits").main(["--epochs", "3"]) > 0.9
    assert "test accuracy" in capsys.readouterr().out


def test_tagger_script(conllu: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert load_script("tagger").main([str(conllu), str(conllu), "--epochs", "6"]) > 0.9
    assert "held-out words" in capsys.readouterr().out


@pytest.mark.torch
def test_transformer_script(conllu: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("torch", "transformers"):
        import_or_skip(name)
    paths = ["--corpus.train", str(conllu), "--corpus.dev", str(conllu)]
    sizes = ["--sizes.width", "16", "--sizes.depth", "1", "--sizes.heads", "2", "--optimizer.learn_rate", "0.01"]
    assert load_script("transformer_tagger").main([*paths, *sizes, "--training.epochs", "6"]) > 0.9
    assert "held-out words" in capsys.readouterr().out


def test_textcat_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert load_script("textcat").main(["--epochs", "4", "--topics", "mailbox", "turtle"]) > 0.85
    assert "precision" in capsys.readouterr().out
    for label, text in (("yes", "of course it is"), ("no", "never was there")):
        (tmp_path / label).mkdir()
        for i in range(4):
            (tmp_path / label / f"{i}.txt").write_text(f"{text} {i}")
    assert load_script("textcat").main([str(tmp_path), str(tmp_path), "--epochs", "5"]) == 1


def test_spans_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert load_script("spans").main(["--words", "9000", "--epochs", "3"]) > 0.6
    assert " = " in capsys.readouterr().out
    (tmp_path / "a.conll").write_text("Ada B-PER\nLovelace I-PER\nwrote O\n\nwrote O\nAda B-PER\n" * 20)
    assert load_script("spans").main([str(tmp_path / "a.conll")] * 2 + ["--epochs", "8"]) == 1


def test_regression_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert load_script("regression").main(["--rows", "500", "--epochs", "30"]) > 0.8
    (tmp_path / "a.csv").write_text("x,y\n" + "".join(f"{i},{3 * i}\n" for i in range(60)))
    assert load_script("regression").main([str(tmp_path / "a.csv"), "y", "--epochs", "60"]) > 0.9


def test_textcat_config() -> None:
    changes = {"corpus.topics": ["mailbox", "turtle"], "sizes.width": 32, "training.epochs": 4}
    result = Run.from_config(load_config(EXAMPLES / "textcat.cfg", {**changes, "training.batch_size": 16})).train()
    assert result.scores()[1][1].accuracy > 0.8 > result.baseline()[1].accuracy


def test_spans_config_on_the_standard_library() -> None:
    changes = {**SMALL, "sizes.depth": 2, "corpus.words": 30_000, "training.batch_size": 4}
    changes.update({"optimizer.learn_rate": 0.005, "optimizer.use_averages": False})
    result = Run.from_config(load_config(EXAMPLES / "spans.cfg", changes)).train()
    assert result.scores()[1][1].values["span_f"] > 0.5
    assert result.baseline()[1].main == 0


def test_regression_config() -> None:
    changes = {"corpus.rows": 800, "training.epochs": 30, "sizes.hidden": 32, "training.batch_size": 8}
    result = Run.from_config(load_config(EXAMPLES / "regression.cfg", changes)).train()
    assert result.scores()[1][1].values["r2"] > 0.85


def test_digits_config() -> None:
    config = load_config(EXAMPLES / "digits.cfg", {"sizes.hidden": 64, "training.epochs": 5})
    assert Run.from_config(config).train().scores()[1][1].accuracy > 0.9


def test_tagger_config_on_the_standard_library() -> None:
    config = load_config(EXAMPLES / "tagger.cfg", {**SMALL, "corpus.words": 40_000, "training.batch_size": 8})
    run = Run.from_config(config)
    result = run.train()
    assert result.scores()[1][1].accuracy > 0.85 > result.baseline()[1].accuracy


def test_ewt_config() -> None:
    if not EWT.is_dir():
        pytest.skip(f"needs the English Web Treebank in {EWT}")
    paths = {f"corpus.{part}": str(EWT / f"en_ewt-{part}.conllu.gz") for part in ("train", "dev")}
    config = load_config(EXAMPLES / "tagger_ewt.cfg", {**SMALL, **paths, "corpus.limit": 400})
    run = Run.from_config(config)
    assert (len(run.corpus.dev), run.corpus.dev.n_rows, len(run.corpus.labels)) == (2001, 25147, 17)
    assert run.train().state.best_score > 0.4


@pytest.mark.parametrize("task", ["digits", "tagger", "textcat", "spans", "regression"])
def test_configs_are_what_init_writes(task: str) -> None:
    assert (EXAMPLES / f"{task}.cfg").read_text(encoding="utf8") == starter_config(task)


def test_the_ewt_config_is_the_tagger_config_with_other_data() -> None:
    config = load_config(EXAMPLES / "tagger_ewt.cfg")
    changes = {f"corpus.{part}": config["corpus"][part] for part in ("train", "dev")}
    text = starter_config("tagger", {**changes, "training.epochs": config["training"]["epochs"]})
    assert (EXAMPLES / "tagger_ewt.cfg").read_text(encoding="utf8") == text
