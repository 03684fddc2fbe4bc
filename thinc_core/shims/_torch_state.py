"""The state of PyTorch modules as bytes. A file is data: reading it runs no code, and is done wholly or not at all."""

import io
import json
from typing import Any, Dict

from .. import compat
from ..errors import ModelLoadError

LISTED = 5  # names of parameters in a message


def default_serialize_torch_model(model: Any) -> bytes:
    """The state dict (parameters and buffers) of a module, as torch.save writes it."""
    buffer = io.BytesIO()
    compat.torch.save(model.state_dict(), buffer)
    return buffer.getvalue()


def serialize_torch_safetensors(model: Any) -> bytes:
    """The state dict of a module in the safetensors format; a tensor of two names is written twice."""
    save = _safetensors("save")
    own = {name: tensor.detach().clone().contiguous() for name, tensor in model.state_dict().items()}
    return save(own)


def default_deserialize_torch_model(model: Any, state_bytes: bytes, device: Any, weights_only: bool = True) -> Any:
    """Load a state dict into a module and move it to a device. RETURNS: the module.

    state_bytes: of torch.save or in the safetensors format.
    weights_only: False reads files of torch.save with pickle, which runs what they say; only for files of your own.
    RAISES: ModelLoadError when bytes or names or shapes do not fit; the module is then as it was.
    """
    return _loaded(model, _read(state_bytes, device, weights_only), device)


def deserialize_torch_safetensors(model: Any, state_bytes: bytes, device: Any) -> Any:
    """The inverse of serialize_torch_safetensors, which takes no other format."""
    return _loaded(model, _read_safetensors(state_bytes, device), device)


def _loaded(model: Any, state: Dict[str, Any], device: Any) -> Any:
    own = model.state_dict()
    fits = {name: _shape(value) for name, value in state.items()} == {
        name: _shape(value) for name, value in own.items()
    }
    # Hooks of the module may make a state fit that does not look so. Only then is there anything to take back.
    before = {} if fits else {name: _copy(value) for name, value in own.items()}
    try:
        model.load_state_dict(state)
    except Exception as error:
        if not fits:
            model.load_state_dict(before)
        raise ModelLoadError(f"pytorch: {_difference(own, state) or error}") from error
    return model.to(device)


def _read(data: bytes, device: Any, weights_only: bool) -> Dict[str, Any]:
    if _is_safetensors(data):
        return _read_safetensors(data, device)
    wrong = f"pytorch: must be a state dict of tensors; got {len(data)} bytes that are damaged"
    try:
        state = compat.torch.load(io.BytesIO(data), map_location="cpu", weights_only=weights_only)
    except MemoryError:
        raise
    except Exception as error:
        if not weights_only:
            raise ModelLoadError(f"{wrong} ({type(error).__name__})") from error
        # Not what PyTorch says, which is how to run the code of the file.
        raise ModelLoadError(
            f"{wrong} or hold other objects, which are not made because that could run code of the file"
        ) from None
    if not isinstance(state, dict):
        raise ModelLoadError(f"pytorch: must be a state dict of tensors; got a {type(state).__name__}")
    return state


def _read_safetensors(data: bytes, device: Any) -> Dict[str, Any]:
    load = _safetensors("load")
    try:
        return {name: tensor.to(device) for name, tensor in load(data).items()}
    except Exception as error:
        raise ModelLoadError(f"pytorch: must be in the safetensors format; got {len(data)} bytes ({error})") from error


def _is_safetensors(data: bytes) -> bool:
    """The length of a JSON object in 8 bytes, and the object."""
    size = int.from_bytes(data[:8], "little")
    if data[8:9] != b"{" or not 2 <= size <= len(data) - 8:
        return False
    try:
        return isinstance(json.loads(data[8 : 8 + size]), dict)
    except ValueError:
        return False


def _safetensors(name: str) -> Any:
    try:
        from safetensors import torch
    except ImportError as error:
        raise ImportError("safetensors must be installed: pip install safetensors") from error
    return getattr(torch, name)


def _shape(value: Any) -> Any:
    return tuple(value.shape) if hasattr(value, "shape") else type(value)


def _copy(value: Any) -> Any:
    return value.clone() if hasattr(value, "clone") else value


def _difference(own: Dict[str, Any], state: Dict[str, Any]) -> str:
    """What does not fit, by name."""
    missing, extra = [name for name in own if name not in state], [name for name in state if name not in own]
    parts = [f"the saved state lacks {_some(missing)}"] if missing else []
    parts += [f"the module has no {_some(extra)}"] if extra else []
    for name in own:
        if name in state and _shape(own[name]) != _shape(state[name]):
            parts.append(f"parameter {name!r} must have shape {_shape(own[name])}; got {_shape(state[name])}")
    return "; ".join(parts[:LISTED])


def _some(names: Any) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(map(repr, names[:LISTED])) + more
