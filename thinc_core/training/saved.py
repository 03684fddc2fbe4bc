"""Saved models: a directory of config.cfg (what to build), model.bin (weights) and meta.json (labels, scores)."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Mapping, Union

from .. import about
from ..config import Config
from ..model import Model
from .checkpoints import make_directory, write_atomic
from .errors import UserError
from .settings import load_config, resolve
from .tasks import Task, get_task

FORMAT = "thinc_core model 1"
CONFIG_NAME, WEIGHTS_NAME, META_NAME = "config.cfg", "model.bin", "meta.json"
MODEL_FILES = (CONFIG_NAME, WEIGHTS_NAME, META_NAME)


@dataclass(frozen=True)
class SavedModel:
    """A model read back from its directory, ready to predict."""

    path: Path
    model: Model
    task: Task
    config: Config
    meta: Dict[str, Any]


def save_model(directory: Union[str, Path], model: Model, config: Config, meta: Mapping[str, Any]) -> None:
    """Write a model directory; each file is replaced atomically.

    model.bin is exactly `model.to_bytes()`. meta: task, labels, notes and scores; format and version are added.
    """
    directory = make_directory(directory)
    content = {"format": FORMAT, "thinc_core": about.__version__, **meta}
    write_atomic(directory / CONFIG_NAME, config.to_str())
    write_atomic(directory / WEIGHTS_NAME, model.to_bytes())
    write_atomic(directory / META_NAME, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def find_model(path: Union[str, Path]) -> Path:
    """The model directory that a path means: itself, or the best model of an --output directory. RAISES: UserError."""
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path}: no such model directory")
    for directory in (path, path / "model-best", path / "model-last"):
        if (directory / META_NAME).is_file():
            return directory
    raise UserError(f"{path}: not a saved model (a directory with {CONFIG_NAME}, {WEIGHTS_NAME} and {META_NAME})")


def read_meta(directory: Path) -> Dict[str, Any]:
    """meta.json of a model directory. RAISES: UserError when it is not one of ours."""
    path = directory / META_NAME
    try:
        meta = json.loads(path.read_text(encoding="utf8"))
    except (OSError, ValueError) as err:
        raise UserError(f"{path}: cannot be read: {err}") from None
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise UserError(f"{path}: not made by this program (its format is not {FORMAT!r})")
    if not isinstance(meta.get("labels"), list) or not isinstance(meta.get("notes"), dict):
        raise UserError(f"{path}: damaged: labels or notes are missing")
    return meta


def load_model(path: Union[str, Path]) -> SavedModel:
    """Read a saved model: build it from its config, then put the weights in.

    path: a model directory, or the --output directory of a training run (its best model is taken).
    RAISES: UserError when files are missing, damaged or of another kind.
    """
    directory = find_model(path)
    meta = read_meta(directory)
    config = load_config(directory / CONFIG_NAME)
    try:
        task = get_task(config, meta["labels"], meta["notes"])
    except (KeyError, TypeError, ValueError) as err:
        raise UserError(f"{directory / META_NAME}: damaged: {type(err).__name__}: {err}") from err
    model: Model = resolve(config, ["model"])["model"]
    read_weights(directory / WEIGHTS_NAME, model)
    outputs = model.get_dim("nO") if model.has_dim("nO") else None
    if meta["labels"] and outputs not in (None, len(meta["labels"])):
        raise UserError(
            f"{directory / META_NAME}: damaged: the model has {outputs} outputs for {len(meta['labels'])} labels"
        )
    return SavedModel(directory, model, task, config, meta)


def read_weights(path: Path, model: Model) -> Model:
    """Load model.bin into a model of the same architecture. RAISES: UserError for a truncated or foreign file."""
    try:
        data = path.read_bytes()
    except OSError as err:
        raise UserError(f"{path}: cannot be read: {err.strerror or err}") from None
    try:
        return model.from_bytes(data)
    except Exception as err:  # msgpack raises many kinds for damaged bytes
        reason = " ".join(str(err).split()) or type(err).__name__
        raise UserError(f"{path}: not the weights of this model, or damaged: {reason}") from err
