"""Saving and loading models: dict, msgpack bytes, file. The format is the one of existing model files, bit for bit.

A file is data: loading runs no code from it. Everything is checked before the model is touched.
"""

import contextlib
import functools
import gc
import os
import struct
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, NamedTuple, Optional, Protocol, Tuple, Union

import numpy
from numpy import integer

from ._model_tree import node_path
from .errors import ModelLoadError
from .util import write_atomically

if TYPE_CHECKING:
    from .backends import Ops
    from .model import Model


# msgpack gives the length of bytes in 32 bits. A larger parameter is saved in pieces of PIECE bytes.
MOST_BYTES, PIECE = 2**32 - 1, 2**30

# msgpack of what most attributes are (rates, switches): srsly takes 170 us a call, as it looks for plugins each time.
_CONSTANTS = {None: b"\xc0", False: b"\xc2", True: b"\xc3"}
_FROM_CONSTANTS = {data: value for value, data in _CONSTANTS.items()}


class FilePath(Protocol):
    """A path of any library: something with .open(mode)."""

    def open(self, mode: str) -> Any: ...


@functools.singledispatch
def serialize_attr(_: Any, value: Any, name: str, model: "Model") -> bytes:
    """Bytes of an attribute; register a function for a type to save attributes of that type.

    RAISES: TypeError when the type cannot be saved; the attribute is then left out.
    """
    if value is None or type(value) is bool:
        return _CONSTANTS[value]
    if type(value) is float:
        return b"\xcb" + struct.pack(">d", value)
    import srsly

    return srsly.msgpack_dumps(value)


@functools.singledispatch
def deserialize_attr(_: Any, value: bytes, name: str, model: "Model") -> Any:
    """The inverse of serialize_attr; dispatches on the type of the value that the model has now."""
    if len(value) == 1 and value in _FROM_CONSTANTS:
        return _FROM_CONSTANTS[value]
    if len(value) == 9 and value[:1] == b"\xcb":
        return struct.unpack(">d", value[1:])[0]
    return unpack(value)


def unpack(data: bytes) -> Any:
    """msgpack to Python objects; arrays come back read-only, as views of data."""
    import srsly

    # srsly switches the garbage collector off and forgets it there when the bytes turn out to be bad.
    collecting = gc.isenabled()
    try:
        return srsly.msgpack_loads(data)
    finally:
        (gc.enable if collecting else gc.disable)()


def to_dict(model: "Model") -> Dict[str, Any]:
    nodes = list(model.walk())
    index = {id(node): i for i, node in enumerate(nodes)}
    msg: Dict[str, Any] = {"nodes": [], "attrs": [], "params": [], "shims": []}
    for i, node in enumerate(nodes):
        outside = [name for name, ref in node._refs.items() if ref is not None and id(ref) not in index]
        if outside:
            raise ValueError(f"to_dict: refs must lie inside the tree; got {outside} of {node_path(model, node)}")
        refs = {name: None if ref is None else index[id(ref)] for name, ref in node._refs.items()}
        msg["nodes"].append({"index": i, "name": node.name, "dims": dict(node._dims), "refs": refs})
        msg["attrs"].append(_attrs_to_bytes(node))
        msg["params"].append({name: node.maybe_get_param(name) for name in node.param_names})
        msg["shims"].append([shim.to_bytes() for shim in node._shims])
    return msg


def _attrs_to_bytes(node: "Model") -> Dict[str, bytes]:
    attrs = {}
    for name, value in node._attrs.items():
        # What cannot be saved (functions, files, ...) belongs to the code that builds the model.
        with contextlib.suppress(TypeError):
            attrs[name] = serialize_attr(value, value, name, node)
    return attrs


def to_bytes(model: "Model") -> bytes:
    import srsly

    msg = to_dict(model)
    for node, params in zip(model.walk(), msg["params"]):
        for name, value in params.items():
            if value is None:
                continue
            array = node.ops.to_numpy(value, byte_order="<")
            if array.dtype.hasobject:
                raise TypeError(
                    f"to_bytes: parameters must be arrays of numbers; got {name!r} of "
                    f"{node_path(model, node)} with dtype {array.dtype}"
                )
            params[name] = array if array.nbytes <= MOST_BYTES else _in_pieces(array)
    return srsly.msgpack_dumps(msg)


def _in_pieces(array: Any) -> Dict[str, Any]:
    flat, step = array.reshape(-1), max(1, PIECE // array.itemsize)
    return {"pieces": [flat[start : start + step] for start in range(0, flat.size, step)], "shape": list(array.shape)}


def _joined(value: Any) -> Any:
    """A parameter that may have been saved in pieces. RAISES: ValueError when they do not fit together."""
    if not isinstance(value, dict) or set(value) != {"pieces", "shape"}:
        return value
    pieces, shape = value["pieces"], value["shape"]
    if not isinstance(pieces, list) or not pieces or not isinstance(shape, list):
        raise ValueError("pieces of a parameter must be a list with its shape beside it")
    if any(getattr(piece, "ndim", None) != 1 or piece.dtype != pieces[0].dtype for piece in pieces):
        raise ValueError("pieces of a parameter must be vectors of one dtype")
    return numpy.concatenate(pieces).reshape(shape)


def parse(data: bytes, ops: "Ops") -> Dict[str, Any]:
    """The dict in saved bytes. RAISES: ModelLoadError when they are cut short, damaged or no saved model."""
    try:
        msg = unpack(data)
    except Exception as error:
        # msgpack and numpy raise a dozen types here, and all mean the same.
        cause = str(error) or type(error).__name__
        raise ModelLoadError(
            f"from_bytes: must be a saved model; got {len(data)} bytes that are cut short, damaged or something else "
            f"({cause})"
        ) from error
    _check_message(msg, "from_bytes")
    return msg


def _check_message(msg: Any, where: str) -> None:
    """Does msg have the structure that to_dict gives, whatever the model?"""
    if not isinstance(msg, dict) or "nodes" not in msg:
        kind = f"a {type(msg).__name__} without 'nodes'" if isinstance(msg, dict) else f"a {type(msg).__name__}"
        raise ModelLoadError(f"{where}: must be a saved model; got {kind}")
    parts: Dict[str, type] = {"nodes": dict, "attrs": dict, "params": dict, "shims": list}
    for key, wanted in parts.items():
        entries = msg.get(key)
        if not isinstance(entries, (list, tuple)) or not all(isinstance(entry, wanted) for entry in entries):
            raise ModelLoadError(
                f"{where}: {key!r} must be a list with a {wanted.__name__} per node; got {entries!r:.80}"
            )
        if len(entries) != len(msg["nodes"]):
            raise ModelLoadError(
                f"{where}: {key!r} must have one entry per node; got {len(entries)} for {len(msg['nodes'])} nodes"
            )
    fields: Dict[str, type] = {"name": str, "dims": dict, "refs": dict}
    for node in msg["nodes"]:
        for key, wanted in fields.items():
            if not isinstance(node.get(key), wanted):
                raise ModelLoadError(f"{where}: every node must have a {wanted.__name__} {key!r}; got {node!r:.80}")


class _Loaded(NamedTuple):
    """What one node will be given."""

    name: str
    dims: Dict[str, Optional[int]]
    refs: Dict[str, Optional["Model"]]
    attrs: Dict[str, Any]
    params: Dict[str, Any]


def from_dict(model: "Model", msg: Dict[str, Any]) -> None:
    """Load msg: first work out and check everything, then the shims (their loading may fail), then assign."""
    _check_message(msg, "from_dict")
    nodes = list(model.walk())
    if len(nodes) != len(msg["nodes"]):
        raise ModelLoadError(
            f"from_dict: the saved model must have the {len(nodes)} nodes of {nodes[0]._label()}; "
            f"got {len(msg['nodes'])} nodes (was the model built with other settings?)"
        )
    loaded = [_load_node(model, nodes, i, msg) for i in range(len(nodes))]
    _load_shims(model, nodes, msg["shims"])
    for node, new in zip(nodes, loaded):
        node.name = new.name
        node._dims.update(new.dims)
        node._refs.update(new.refs)
        node._attrs.update(new.attrs)
        for name, value in new.params.items():
            node.set_param(name, value)


def _load_node(model: "Model", nodes: List["Model"], i: int, msg: Dict[str, Any]) -> _Loaded:
    node, info = nodes[i], msg["nodes"][i]
    try:
        return _Loaded(
            name=info["name"],
            dims=_load_dims(node, info["dims"]),
            refs=_load_refs(nodes, info["refs"]),
            attrs={
                name: deserialize_attr(node._attrs.get(name), value, name, node)
                for name, value in msg["attrs"][i].items()
            },
            params=_load_params(node, info["dims"], msg["params"][i]),
        )
    except Exception as error:
        raise ModelLoadError(
            f"from_dict: node {i}, {node_path(model, node)}: {error or type(error).__name__}"
        ) from error


def _load_dims(node: "Model", saved: Dict[str, Any]) -> Dict[str, Optional[int]]:
    dims: Dict[str, Optional[int]] = {}
    for name, value in saved.items():
        if name not in node._dims:
            raise ValueError(f"dims must be {list(node._dims)}; got {name!r} in the saved model")
        if value is None:
            continue
        if not isinstance(value, (int, integer)) or value < 0:
            raise ValueError(f"dim {name!r} must be a positive int; got {value!r} in the saved model")
        if node._dims[name] not in (None, value):
            raise ValueError(f"dim {name!r} is {node._dims[name]}; got {value} in the saved model")
        dims[name] = int(value)
    return dims


def _load_refs(nodes: List["Model"], saved: Dict[str, Any]) -> Dict[str, Optional["Model"]]:
    # Written without set_ref: a ref to a parent or a sibling is fine when its target is in the tree.
    for name, index in saved.items():
        if index is not None and not (isinstance(index, int) and 0 <= index < len(nodes)):
            raise ValueError(f"ref {name!r} must be a node number below {len(nodes)}; got {index!r}")
    return {name: None if index is None else nodes[index] for name, index in saved.items()}


def _load_params(node: "Model", dims: Dict[str, Any], saved: Dict[str, Any]) -> Dict[str, Any]:
    known = set(node._has_params)
    missing, extra = known - set(saved), set(saved) - known
    # More parameters than the node has yet are fine: some layers only register theirs in initialize().
    is_complete = bool(known) and all(node._has_params.values())
    if (missing and (extra or missing == known)) or (extra and is_complete):
        raise ValueError(f"parameters must be {sorted(known)}; got {sorted(saved)} in the saved model")
    params: Dict[str, Any] = {}
    for name, value in saved.items():
        if value is None:
            if node.has_param(name):
                raise ValueError(
                    f"parameter {name!r} must be set, as the model's is; got none in the saved model (was it saved "
                    "before initialize()?)"
                )
            params[name] = None
            continue
        is_ours = isinstance(value, dict)  # joined from pieces, which makes an array of its own
        value = _joined(value)
        if not hasattr(value, "shape"):
            raise ValueError(f"parameter {name!r} must be an array; got {type(value).__name__}")
        _check_dtype(node, name, value.dtype)
        expected = _expected_shape(node, name, dims)
        if expected is not None and tuple(value.shape) != expected:
            raise ValueError(f"parameter {name!r} must have shape {expected}; got {tuple(value.shape)}")
        params[name] = node.ops.asarray(value) if is_ours else node.ops.asarray(value).copy()
    return params


def _check_dtype(node: "Model", name: str, dtype: Any) -> None:
    """RAISES: ValueError for anything but numbers, and for integers where the model has floats."""
    present = node.maybe_get_param(name)
    kinds = "f" if present is not None and _kind(present.dtype) == "f" else "fiub"
    if _kind(dtype) not in kinds:
        what = "floats" if kinds == "f" else "numbers"
        raise ValueError(f"parameter {name!r} must be an array of {what}; got dtype {dtype}")


def _kind(dtype: Any) -> str:
    return "f" if str(dtype) == "bfloat16" else str(dtype.kind)


def _expected_shape(node: "Model", name: str, saved_dims: Dict[str, Any]) -> Optional[Tuple[int, ...]]:
    """The shape that the dims imply for a parameter, or None when nothing says so.

    A parameter that is allocated must also keep its shape as long as all dims of the node stay the same; or always, if
    the forward function of the layer says so with an attribute `fixed_shapes`.
    """
    shape = node.shape_of_param(name, saved_dims)
    if shape is not None:
        return shape
    same = bool(node._dims) and all(
        own is not None and saved_dims.get(dim, own) in (own, None) for dim, own in node._dims.items()
    )
    fixed = same or getattr(node._func, "fixed_shapes", False)
    return tuple(node.get_param(name).shape) if fixed and node.has_param(name) else None


def _load_shims(model: "Model", nodes: List["Model"], saved: List[List[Any]]) -> None:
    todo: List[Tuple[Model, Any, Any]] = []
    for node, each in zip(nodes, saved):
        if len(each) != len(node._shims):
            raise ModelLoadError(
                f"from_dict: {node_path(model, node)} must have {len(node._shims)} shims; got {len(each)}"
            )
        todo.extend(zip([node] * len(each), node._shims, each))
    done: List[Tuple[Any, Any]] = []
    for k, (node, shim, data) in enumerate(todo):
        before = None
        if k + 1 < len(todo):
            # A later shim may fail after this one. One that cannot be saved (no model yet) has no way back.
            with contextlib.suppress(Exception):
                before = shim.to_bytes()
        try:
            shim.from_bytes(data)
        except Exception as error:
            for loaded, old in reversed(done):
                if old is not None:
                    loaded.from_bytes(old)
            raise ModelLoadError(f"from_dict: shim of {node_path(model, node)}: {error}") from error
        done.append((shim, before))


def can_from_dict(model: "Model", msg: Dict[str, Any], strict: bool) -> bool:
    try:
        _check_message(msg, "can_from_dict")
    except ModelLoadError:
        return False
    nodes = list(model.walk())
    if len(nodes) != len(msg["nodes"]):
        return False
    return all(_node_fits(node, i, msg, strict) for i, node in enumerate(nodes))


def _node_fits(node: "Model", i: int, msg: Dict[str, Any], strict: bool) -> bool:
    info = msg["nodes"][i]
    if len(msg["shims"][i]) != len(node._shims) or (strict and info["name"] != node.name):
        return False
    for dim, size in info["dims"].items():
        if dim not in node._dims or node._dims[dim] not in (None, size):
            return False
    for name, value in msg["params"][i].items():
        if name not in node._has_params:
            return False
        if node.has_param(name):
            if value is None:
                return False
            shape = value.get("shape", ()) if isinstance(value, dict) else getattr(value, "shape", ())
            if tuple(shape) != tuple(node.get_param(name).shape):
                return False
    return not strict or _attrs_fit(node, msg["attrs"][i])


def _attrs_fit(node: "Model", saved: Dict[str, bytes]) -> bool:
    own = _attrs_to_bytes(node)
    return all(own[name] == value for name, value in saved.items() if name in own)


def _as_path(path: Union[FilePath, str]) -> Any:
    if hasattr(path, "open"):
        return path
    from pathlib import Path

    return Path(os.fspath(path))


def write_file(path: Union[FilePath, str], data: bytes) -> None:
    write_atomically(_as_path(path), data)


def read_file(path: Union[FilePath, str]) -> bytes:
    with _as_path(path).open("rb") as file_:
        return file_.read()


@contextlib.contextmanager
def naming_file(path: Union[FilePath, str]) -> Iterator[None]:
    """Put the file's name in front of what is wrong with it."""
    try:
        yield
    except ModelLoadError as error:
        raise ModelLoadError(f"{path}: {error}") from error
