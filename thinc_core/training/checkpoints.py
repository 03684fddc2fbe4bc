"""Checkpoints: everything a run needs to go on as if it had never stopped, in one file that is replaced atomically."""

import os
import random
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Tuple, Union

import numpy
import srsly

from ..model import Model
from .errors import UserError
from .loop import TrainState

FORMAT = "thinc_core checkpoint 1"


def write_atomic(path: Union[str, Path], data: Union[bytes, str]) -> None:
    """Write a file so that a reader sees the old content or the new one, never a part, also after a crash.

    RAISES: UserError when the place cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data.encode("utf8") if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as err:
        raise UserError(f"{path}: cannot be written: {err.strerror or err}") from None
    finally:
        temporary.unlink(missing_ok=True) if temporary.parent.is_dir() else None


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
        "optimizer": _portable_keys(optimizer.state_dict(), model),
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
    """Put a checkpoint's weights, optimizer state and random state in place. RETURNS: where the run stood."""
    model.from_bytes(content["model"])
    for node in model.walk():
        for name in node.grad_names:  # an interrupted step may have left some behind
            node.set_grad(name, node.ops.xp.zeros_like(node.get_param(name)))
    optimizer.load_state_dict(_model_keys(content["optimizer"], model))
    set_random_state(content["random"])
    return TrainState.from_dict(content["state"])


def random_state() -> Dict[str, Any]:
    """The state of Python's and NumPy's global generators, as plain data."""
    version, internal, gauss = random.getstate()
    kind, keys, position, has_gauss, cached = numpy.random.get_state()
    return {
        "python": [version, list(internal), gauss],
        "numpy": [kind, [int(key) for key in keys], int(position), int(has_gauss), float(cached)],
    }


def set_random_state(state: Mapping[str, Any]) -> None:
    """The inverse of random_state."""
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    kind, keys, position, has_gauss, cached = state["numpy"]
    numpy.random.set_state((kind, numpy.array(keys, dtype="uint32"), position, has_gauss, cached))


# The optimizer keeps its state under (model.id, parameter name), and ids are counted up per process. In a file the
# position of the node in model.walk() stands for the id, as "3/W".


def _portable_keys(value: Any, model: Model) -> Any:
    positions = {node.id: index for index, node in enumerate(model.walk())}

    def rename(key: Any) -> Any:
        return f"{positions[key[0]]}/{key[1]}" if isinstance(key, tuple) and key[0] in positions else key

    return _map_keys(value, rename, lambda key: not (isinstance(key, tuple) and key[0] not in positions))


def _model_keys(value: Any, model: Model) -> Any:
    ids = [node.id for node in model.walk()]
    names = {f"{index}/{name}": (ids[index], name) for index, name in _parameters(model)}
    return _map_keys(value, lambda key: names.get(key, key), lambda key: True)


def _parameters(model: Model) -> List[Tuple[int, str]]:
    return [(index, name) for index, node in enumerate(model.walk()) for name in node.param_names]


def _map_keys(value: Any, rename: Callable[[Any], Any], keep: Callable[[Any], bool]) -> Any:
    if isinstance(value, dict):
        return {rename(key): _map_keys(item, rename, keep) for key, item in value.items() if keep(key)}
    return value
