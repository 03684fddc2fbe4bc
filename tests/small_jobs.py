"""Small configs and corpora that the tests of training and of the command line share."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict

from thinc_core.config import Config
from thinc_core.training.settings import parse_config
from thinc_core.training.starters import starter_config

CONLLU = """\
# text = the small dog saw it
1\tthe\tthe\tDET\t_\t_\t_\t_\t_\t_
2\tsmall\tsmall\tADJ\t_\t_\t_\t_\t_\t_
3-4\tdogs\t_\t_\t_\t_\t_\t_\t_\t_
3\tdog\tdog\tNOUN\t_\t_\t_\t_\t_\t_
3.1\tghost\t_\t_\t_\t_\t_\t_\t_\t_
4\tsaw\tsee\tVERB\t_\t_\t_\t_\t_\t_
5\tit\tit\tPRON\t_\t_\t_\t_\t_\t_

1\tdogs\tdog\tNOUN\t_\t_\t_\t_\t_\t_
2\tsee\tsee\tVERB\t_\t_\t_\t_\t_\t_

"""
SMALL_DIGITS = {
    "sizes.hidden": 32,
    "training.epochs": 3,
    "corpus.limit": 200,
    "training.batch_size": 32,
    "training.eval_every": 0,
}
SMALL_TAGGER = {"sizes.width": 16, "sizes.depth": 2, "training.epochs": 2, "training.batch_size": 4}


def write_conllu(folder: Path) -> Path:
    """A CoNLL-U file of 40 sentences of two kinds."""
    path = folder / "small.conllu"
    path.write_text(CONLLU * 20, encoding="utf8")
    return path


def digits_config(**overrides: Any) -> Config:
    """The digits starter config, small enough for a test. overrides: "training__epochs" for training.epochs."""
    return parse_config(starter_config("digits"), "digits.cfg", {**SMALL_DIGITS, **_dotted(overrides)})


def tagger_config(train: Path, **overrides: Any) -> Config:
    """The tagger starter config on a CoNLL-U file, small enough for a test."""
    paths = {"corpus.train": str(train), "corpus.dev": str(train)}
    return parse_config(starter_config("tagger"), "tagger.cfg", {**SMALL_TAGGER, **paths, **_dotted(overrides)})


def _dotted(overrides: Dict[str, Any]) -> Dict[str, Any]:
    return {key.replace("__", "."): value for key, value in overrides.items()}
