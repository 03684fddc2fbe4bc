"""Checkpoints: everything a run needs to go on as if it had never stopped, in one file that is replaced atomically."""

import copy
import os
import random
from pathlib import Path
from typing import Any, Dict, Iterable, Mapping, Union

import numpy
import srsly

from .._seeding import set_torch_state, torch_state
from ..model import Model
from ..util import write_atomically
from .errors import UserError
from .loop import TrainState

FORMAT = "thinc_core checkpoint 1"
FOLDER = "checkpoints"  # of a run: the older ones


def write_atomic(path: Union[str, Path], data: Union[bytes, str]) -> None:
    """Write a file so that a reader sees the old content or the new one, never a part, also after a crash.

    RAISES: UserError when the place cannot be written.
    """
    try:
        write_atomically(Path(path), data.encode("utf8") if isinstance(data, str) else data)
    except OSError as err:
        raise UserError(f"{path}: cannot be written: {err.strerror or err}") from None


def check_writable(path: Union[str, Path]) -> None:
    """Fail early when a directory could not be created or written to; nothing is created. RAISES: UserError."""
    path = Path(path)
    try:
        existing = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
    except PermissionError as err:
        raise UserError(f"{path}: cannot be written: permission denied for {err.filename}") from None
    if not existing.is_dir():
        raise UserError(f"{path}: cannot be a directory: {existing} is a file")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise UserError(f"{path}: cannot be written: permission denied for {existing}")


def make_directory(path: Union[str, Path]) -> Path:
    """Create a directory and its parents. RAISES: UserError when that is not possible."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise UserError(f"{path}: cannot create the directory: {err.strerror or err}") from None
    return path


def save_checkpoint(
    path: Union[str, Path], model: Model, optimizer: Any, state: TrainState, config: Mapping[str, Any]
) -> None:
    """Write weights, optimizer, schedules, random generators and position to one file, replacing it atomically."""
    content = {
        "format": FORMAT,
        "config": dict(config),
        "state": state.to_dict(),
        "random": random_state(),
        "optimizer": _on_host(optimizer.state_dict(model), model.ops),
        "model": model.to_bytes(),
    }
    write_atomic(path, srsly.msgpack_dumps(content))


def read_checkpoint(path: Union[str, Path]) -> Dict[str, Any]:
    """The content of a checkpoint file, checked to be one. RAISES: UserError."""
    path = Path(path)
    try:
        content = srsly.msgpack_loads(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path}: there is no checkpoint to resume from") from None
    except OSError as err:
        raise UserError(f"{path}: cannot be read: {err.strerror or err}") from None
    except Exception:  # msgpack raises many kinds for damaged bytes
        content = None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UserError(f"{path}: not a checkpoint of this version, or damaged")
    return content


def restore_checkpoint(content: Mapping[str, Any], model: Model, optimizer: Any) -> TrainState:
    """Put a checkpoint's weights, optimizer state and random state in place.

    RETURNS: where the run stood.  RAISES: UserError when the checkpoint does not fit; everything is then as it was.
    """
    before = model.to_bytes(), copy.deepcopy(optimizer.state_dict(model)), random_state()
    unset = [(node, name) for node in model.walk() for name in node.param_names if node.has_param(name) is None]
    try:
        return _restored(content, model, optimizer)
    except Exception as err:  # whatever may be wrong with a file
        for node, name in unset:
            node.set_param(name, None)
        model.from_bytes(before[0])
        optimizer.load_state_dict(before[1], model)
        set_random_state(before[2])
        raise UserError(f"the checkpoint does not fit or is damaged: {type(err).__name__}: {err}") from err


def _restored(content: Mapping[str, Any], model: Model, optimizer: Any) -> TrainState:
    model.from_bytes(content["model"])
    for node in model.walk():
        for name in node.grad_names:  # an interrupted step may have left some behind
            node.set_grad(name, node.ops.xp.zeros_like(node.get_param(name)))
    optimizer.load_state_dict(content["optimizer"], model)
    set_random_state(content["random"])
    return TrainState.from_dict(content["state"])


class KeptCheckpoints:
    """The older checkpoints of a run, checkpoints/step-00000120.bin and so on; each has the best model of its time."""

    def __init__(self, directory: Path, most: int) -> None:
        """most: how many to keep; the oldest are deleted first."""
        self.folder, self.most = directory / FOLDER, most

    def steps(self) -> Dict[int, Path]:
        """The files that are there by their step, the oldest first."""
        found = {int(path.stem[5:]): path for path in self.folder.glob("step-*.bin") if path.stem[5:].isdigit()}
        return dict(sorted(found.items()))

    def keep(self, checkpoint: Path, step: int, best: Mapping[str, bytes]) -> None:
        """Add a checkpoint that was just written. best: the files of the best model so far."""
        if self.most:
            content = {**read_checkpoint(checkpoint), "best": dict(best)}
            write_atomic(make_directory(self.folder) / f"step-{step:08}.bin", srsly.msgpack_dumps(content))
            self._delete(list(self.steps().values())[: -self.most])

    def forget_after(self, step: int) -> None:
        """Delete what is later than the step that a run starts from."""
        self._delete([path for each, path in self.steps().items() if each > step])

    def _delete(self, paths: Iterable[Path]) -> None:
        for path in paths:
            path.unlink(missing_ok=True)


def random_state() -> Dict[str, Any]:
    """The state of the global generators of Python, NumPy and, where it is imported, PyTorch, as plain data."""
    version, internal, gauss = random.getstate()
    kind, keys, position, has_gauss, cached = numpy.random.get_state()
    return {
        "python": [version, list(internal), gauss],
        "numpy": [kind, [int(key) for key in keys], int(position), int(has_gauss), float(cached)],
        "torch": torch_state(),
    }


def set_random_state(state: Mapping[str, Any]) -> None:
    """The inverse of random_state."""
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    kind, keys, position, has_gauss, cached = state["numpy"]
    numpy.random.set_state((kind, numpy.array(keys, dtype="uint32"), position, has_gauss, cached))
    set_torch_state(state.get("torch", []))


def _on_host(value: Any, ops: Any) -> Any:
    """The same nested dict with NumPy arrays, as files cannot hold those of a GPU."""
    if isinstance(value, dict):
        return {key: _on_host(item, ops) for key, item in value.items()}
    return ops.to_numpy(value) if isinstance(value, ops.xp.ndarray) else value
