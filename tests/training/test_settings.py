"""Config files: overrides, and messages for everything that can be wrong in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

import pytest

from thinc_core.training.errors import UserError, did_you_mean
from thinc_core.training.settings import (
    TrainingSettings,
    differing_keys,
    load_config,
    parse_config,
    parse_overrides,
    read_section,
    resolve,
)
from thinc_core.training.starters import starter_config

DIGITS = starter_config("digits")


def test_overrides_are_read_as_json() -> None:
    arguments = ["--a.b", "3", "--a.c=x y", "--a.d", "-1.5", "--a.e", "[1, 2]", "--a.f", "None", "--a.g", "true"]
    assert parse_overrides(arguments) == {"a.b": 3, "a.c": "x y", "a.d": -1.5, "a.e": [1, 2], "a.f": None, "a.g": True}


@pytest.mark.parametrize("arguments", [["--a"], ["x.y"], ["--a.b"], ["--a.b", "--c.d", "1"]])
def test_bad_overrides(arguments: list[str]) -> None:
    with pytest.raises(UserError):
        parse_overrides(arguments)


def test_overrides_reach_interpolated_values() -> None:
    config = parse_config(DIGITS, "digits.cfg", {"sizes.hidden": 7})
    assert config["model"]["*"]["hidden1"]["nO"] == 7


@pytest.mark.parametrize(
    "text, overrides, message",
    [
        (DIGITS.replace("[optimizer]", "[optimiser]"), {}, r'\[optimizer\] is missing \(did you mean "optimiser"'),
        (DIGITS.replace("[loss]", "[x]"), {}, r"\[loss\] is missing$"),
        (DIGITS, {"trainin.epochs": 1}, r'no section \[trainin\] \(did you mean "training"'),
        (DIGITS, {"training.epochs.x": 1}, r"no section \[training.epochs\]"),
        (DIGITS, {"training.": 1}, "must follow the dot"),
        ("epochs = 3\n", {}, "not a valid config"),
        (DIGITS + "[task]\nname = 1\n", {}, "not a valid config"),
        (DIGITS.replace("${sizes.hidden}", "${sizes.hiden}"), {}, "not a valid config"),
    ],
)
def test_config_errors_name_file_and_place(text: str, overrides: Dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as info:
        parse_config(text, "my.cfg", overrides)
    assert str(info.value).startswith("my.cfg: ")
    assert "\n" not in str(info.value)


def test_files_that_are_no_configs(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        load_config(tmp_path / "none.cfg")
    binary = tmp_path / "binary.cfg"
    binary.write_bytes(b"\xff\x00")
    with pytest.raises(UserError, match="not UTF-8"):
        load_config(binary)
    with pytest.raises(UserError, match="cannot read"):
        load_config(tmp_path)


@dataclass(frozen=True)
class Example:
    needed: int
    rate: float = 0.5
    path: Optional[str] = None
    names: Tuple[str, ...] = ()
    flag: bool = False


@pytest.mark.parametrize(
    "section, message",
    [
        ({}, "x.needed: this setting is missing"),
        ({"needed": "3"}, 'x.needed: must be a whole number; got "3"'),
        ({"needed": True}, "must be a whole number; got true"),
        ({"needed": 1, "rat": 1}, r'section \[x\] has no setting "rat" \(did you mean "rate"'),
        ({"needed": 1, "rate": None}, "x.rate: must be a number; got null"),
        ({"needed": 1, "path": 3}, "must be a text or null; got 3"),
        ({"needed": 1, "names": ["a", 1]}, "must be a list of texts"),
        ({"needed": 1, "flag": 1}, "must be true or false; got 1"),
        (3, r"section \[x\] is missing"),
    ],
)
def test_sections_are_checked(section: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_section({"x": section}, "x", Example)


def test_sections_become_dataclasses() -> None:
    assert read_section({"x": {"needed": 1, "rate": 2, "names": ["a"]}}, "x", Example) == Example(1, 2, None, ("a",))
    assert read_section(parse_config(DIGITS, "d"), "training", TrainingSettings).batch_size == 64


@pytest.mark.parametrize(
    "key, value, message",
    [
        ("model.*.output.@layers", "Softmx.v1", r'model.\*.output.@layers: no layers .*"Softmx.v1" \(did you mean'),
        ("model.@layers", 3, "no layers are registered"),
        ("model.*.hidden1.nO", "wide", r"model.*hidden1.*nO"),
        ("optimizer.learnrate", 1, "learnrate"),
        ("optimizer.learn_rate", "fast", "learn_rate"),
    ],
)
def test_what_cannot_be_built_is_named(key: str, value: Any, message: str) -> None:
    config = parse_config(DIGITS, "digits.cfg", {key: value})
    with pytest.raises(UserError, match=message):
        resolve(config, ["model", "optimizer", "loss"])


def test_sections_without_a_function() -> None:
    with pytest.raises(UserError, match="must name a registered function"):
        resolve({"model": {"nO": 3}}, ["model"])
    with pytest.raises(UserError, match='no registry "layer"'):
        resolve({"model": {"@layer": "chain.v1"}}, ["model"])


def test_differing_keys() -> None:
    a = parse_config(DIGITS, "a")
    b = parse_config(DIGITS, "b", {"training.epochs": 1, "optimizer.learn_rate": 1})
    assert differing_keys(a, b) == ["optimizer.learn_rate", "training.epochs"]


def test_starters_keep_their_comments_when_values_change() -> None:
    text = starter_config("tagger", {"corpus.train": "a.conllu", "training.epochs": 7})
    assert text.count("\n") == starter_config("tagger").count("\n")
    config = parse_config(text, "tagger.cfg")
    assert config["corpus"]["train"] == "a.conllu"
    assert config["training"]["epochs"] == 7
    with pytest.raises(UserError, match="no such value"):
        starter_config("tagger", {"training.nothing": 1})


def test_hints() -> None:
    assert did_you_mean("epoch", ["epochs", "seed"]) == ' (did you mean "epochs"?)'
    assert did_you_mean("RELU.V1", ["Relu.v1"]) == ' (did you mean "Relu.v1"?)'
    assert did_you_mean("zzz", ["a", "b"]) == " (known: a, b)"
    assert did_you_mean("zzz", map(str, range(100))) == ""
