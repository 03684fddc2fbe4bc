"""Parameters of a model as a safetensors file, which other programs read and write, and back.

A tensor is called after the place of its layer in the tree and its parameter: "W" of the model itself,
"layers.0.layers.2.W" of the third layer of its first. Names of layers do not matter. Besides parameters the file holds
the dims, as text; attributes stay those of the model. What a shim holds is a tensor of bytes, "layers.1.shims.0".

Needs the package safetensors: pip install 'thinc_core[safetensors]'.
"""

import json
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Tuple, Union

import numpy

from . import _model_io, _model_tree
from .errors import ModelLoadError

if TYPE_CHECKING:
    from .model import Model

__all__ = ["from_safetensors", "load_safetensors", "save_safetensors", "to_safetensors"]

FORMAT = "thinc_core.1"


def save_safetensors(model: "Model", path: Union[_model_io.FilePath, str]) -> None:
    """Write to_safetensors(model) to a file. A file of that name is replaced only when all is written."""
    _model_io.write_file(path, to_safetensors(model))


def load_safetensors(
    model: "Model", path: Union[_model_io.FilePath, str], *, strict: bool = True, rename: Mapping[str, str] = {}
) -> "Model":
    """from_safetensors for a file. RAISES: ModelLoadError naming the file, the model then unchanged."""
    with _model_io.naming_file(path):
        return from_safetensors(model, _model_io.read_file(path), strict=strict, rename=rename)


def to_safetensors(model: "Model") -> bytes:
    """The parameters of the whole tree. RAISES: ValueError for a parameter that is not allocated yet."""
    tensors: Dict[str, Any] = {}
    dims: Dict[str, Dict[str, Optional[int]]] = {}
    for place, node in places(model):
        dims[place] = dict(node._dims)
        for name in node.param_names:
            if not node.has_param(name):
                raise ValueError(
                    f"to_safetensors: every parameter must be allocated; got {name!r} of "
                    f"{_model_tree.node_path(model, node)} without one (call initialize())"
                )
            tensors[place + name] = numpy.ascontiguousarray(node.ops.to_numpy(node.get_param(name), byte_order="<"))
        for k, shim in enumerate(node._shims):
            tensors[f"{place}shims.{k}"] = numpy.frombuffer(shim.to_bytes(), dtype="uint8")
    text = {"format": FORMAT, "dims": json.dumps({place: each for place, each in dims.items() if each})}
    return bytes(_library().save(tensors, metadata=text))


def from_safetensors(model: "Model", data: bytes, *, strict: bool = True, rename: Mapping[str, str] = {}) -> "Model":
    """Load what to_safetensors gave, or the tensors of another program.

    strict: every tensor of the file must have a place in the model, and every parameter a tensor. Otherwise those
        without stay as they are.
    rename: {our name: its name} where the file calls a tensor otherwise.
    RETURNS: the model.
    RAISES: ModelLoadError when the data is damaged or a name, shape or dtype does not fit, the model then unchanged.
    """
    tensors, dims = _parse(data)
    nodes = list(places(model))
    missing, used = _find(nodes, tensors, rename)
    extra = sorted(set(tensors) - set(used.values()))
    if strict and (missing or extra):
        parts = [f"{what} {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}"
                 for what, names in (("lacks", missing), ("has besides", extra)) if names]  # fmt: skip
        raise ModelLoadError(f"from_safetensors: the file must have the tensors of the model; it {' and '.join(parts)}")
    msg: Dict[str, Any] = {"nodes": [], "attrs": [{} for _ in nodes], "params": [], "shims": []}
    index = {id(node): i for i, (_, node) in enumerate(nodes)}
    for i, (place, node) in enumerate(nodes):
        refs = {name: index.get(id(ref)) for name, ref in node._refs.items()}
        msg["nodes"].append({"index": i, "name": node.name, "dims": dims.get(place, dict(node._dims)), "refs": refs})
        found = {name: tensors[used[place + name]] for name in node.param_names if place + name in used}
        msg["params"].append({name: found.get(name, node.maybe_get_param(name)) for name in node.param_names})
        shims = [used.get(f"{place}shims.{k}") for k in range(len(node._shims))]
        msg["shims"].append(
            [shim.to_bytes() if name is None else tensors[name].tobytes() for shim, name in zip(node._shims, shims)]
        )
    return model.from_dict(msg)


def places(model: "Model") -> List[Tuple[str, "Model"]]:
    """Every node and what its tensors' names start with, in breadth-first order; a shared layer has its first place."""
    found: Dict[int, str] = {id(model): ""}
    nodes = list(_model_tree.walk_bfs(model))
    for node in nodes:
        for index, child in enumerate(node._layers):
            found.setdefault(id(child), f"{found[id(node)]}layers.{index}.")
    return [(found[id(node)], node) for node in nodes]


def _find(
    nodes: List[Tuple[str, "Model"]], tensors: Mapping[str, Any], rename: Mapping[str, str]
) -> Tuple[List[str], Dict[str, str]]:
    """Names of ours that the file lacks, and what those that it has are called there."""
    names = [place + name for place, node in nodes for name in node.param_names]
    names += [f"{place}shims.{k}" for place, node in nodes for k in range(len(node._shims))]
    unknown = sorted(set(rename) - set(names))
    if unknown:
        raise ValueError(f"from_safetensors: rename must have names of the model; got {unknown[0]!r}")
    theirs = {name: rename.get(name, name) for name in names}
    return [name for name in names if theirs[name] not in tensors], {
        name: its for name, its in theirs.items() if its in tensors
    }


def _parse(data: bytes) -> Tuple[Dict[str, Any], Dict[str, Dict[str, Optional[int]]]]:
    """The tensors and the dims of each place, if the file was written here."""
    library = _library()
    try:
        tensors: Dict[str, Any] = library.load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        text = header.get("__metadata__") or {}
        dims = json.loads(text["dims"]) if text.get("format") == FORMAT else {}
        for each in dims.values():
            each.items()
    except Exception as error:  # its own SafetensorError, and what damaged text gives
        raise ModelLoadError(
            f"from_safetensors: must be a safetensors file; got {len(data)} bytes that are cut short, damaged or "
            f"something else ({error})"
        ) from error
    return tensors, dims


def _library() -> Any:
    try:
        import safetensors.numpy
    except ImportError:
        raise ImportError(
            "safetensors: the package must be installed (pip install 'thinc_core[safetensors]')"
        ) from None
    return safetensors.numpy
