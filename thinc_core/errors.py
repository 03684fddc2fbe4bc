"""Exceptions that callers may want to tell apart; each also is the built-in exception that fits."""

import re
from functools import partial
from typing import Any, Optional


class KindError(TypeError, ValueError):
    """A value of the wrong kind, device or dtype. A ValueError too, as callers of typed buffers expect one."""


class ShapeError(ValueError, AssertionError):
    """Shapes that do not fit together. An AssertionError too, which is what some callers learnt to catch."""


class AxisError(ValueError, IndexError):
    """An axis that the array does not have; NumPy's error of this name is both too."""


class LengthsError(ValueError, AssertionError):
    """A sequence length that is not allowed."""


class LengthsSumError(IndexError, AssertionError):
    """Sequence lengths that do not cover exactly the rows there are."""


class ModelLoadError(ValueError):
    """Saved bytes, a file or a dict that cannot be loaded into this model; the model is left as it was."""


class NodeKeyError(KeyError):
    """A dim, parameter, gradient or reference that a node does not have; str() gives the plain sentence."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class LabelError(KeyError, ValueError):
    """A label that is not among the names of a loss; str() gives the plain sentence."""

    __str__ = NodeKeyError.__str__


def short_name(name: str, width: int = 60) -> str:
    """The name in quotes, cut in the middle: names of nested chains grow to kilobytes."""
    if len(name) > width:
        name = f"{name[: width // 2]}...{name[-width // 3 :]}"
    return repr(name)


def add_node_to_error(error: Exception, node: Any, X: Any = None) -> None:
    """Name a node on an exception that leaves it; the names end as the path from the outermost node inwards.

    What begins like the messages of our ops and layers gets the path in front: "tagger > maxout (2nd layer of chain):
    X must have width 96; got (27, 64)". Every exception gets a note with indices: "in node 'tagger'.layers[1]".
    X: what the node was called with, which may explain more than the op inside knew.
    """
    state = error.__dict__
    inner = state.get("_node")
    if inner is node:
        return
    steps: str = state.get("_node_steps", "")
    if inner is None:
        state["_node_name"], state["_node_text"] = short_name(node.name), _plain_text(error, node, X)
        state["_node_path"] = display_name(node)
    else:
        index = next((i for i, layer in enumerate(node._layers) if layer is inner), None)
        if not steps and index is not None and len(node._layers) > 1:
            state["_node_path"] += f" ({_ordinal(index + 1)} layer of {kind_name(node)})"
        steps = (".layers[?]" if index is None else f".layers[{index}]") + steps
        state["_node_path"] = f"{display_name(node)} > {state['_node_path']}"
    state["_node"], state["_node_steps"] = node, steps
    if state["_node_text"] is not None:
        error.args = (f"{state['_node_path']}: {state['_node_text']}",)
    notes = state.setdefault("__notes__", [])
    if state.get("_node_note") in notes:
        notes.remove(state["_node_note"])
    name = short_name(node.name)
    state["_node_note"] = f"in node {name}{steps} ({state['_node_name']})" if steps else f"in node {name}"
    notes.append(state["_node_note"])


# The arguments of an op that are those of the layer too, so that the name of the op is no help.
_OF_THE_LAYER = re.compile(r"\w+: (?=(?:X|dY|dim|parameter|gradient|ref)\b)")


def _plain_text(error: Exception, node: Any, X: Any) -> Optional[str]:
    """The message without the name of the node; None when it is not one of ours, and is left as it is."""
    from .backends.checks import ShapeError

    text = error.args[0] if len(error.args) == 1 else None
    if not isinstance(text, str) or str(error) != text:
        return None
    data: Any = X if hasattr(X, "shape") else getattr(X, "data", None)
    shape: Any = getattr(data, "shape", ())
    wanted = node._dims.get("nI")
    if isinstance(error, ShapeError) and wanted and len(shape) > 1 and shape[-1] != wanted:
        return f"X must have width {wanted}; got {tuple(shape)}"
    for name in (node.name, short_name(node.name)):
        if text.startswith(f"{name}: "):
            return text[len(name) + 2 :]
    if not re.match(r"[\w.]+: ", text):
        return None
    return _OF_THE_LAYER.sub("", text, count=1).replace(f" of node {short_name(node.name)}", "", 1)


def display_name(node: Any) -> str:
    """The name of a node in a path: its kind if the name is but made of those of its children."""
    made_up = any(layer.name in node.name for layer in node._layers)
    return kind_name(node) if made_up else short_name(node.name)[1:-1]


def kind_name(node: Any) -> str:
    """Which layer a node is, such as "chain"; its name if it is none of ours."""
    function: Any = node._func
    while isinstance(function, partial):
        function = next((arg for arg in reversed(function.args) if callable(arg)), function.func)
    package, _, module = (getattr(function, "__module__", None) or "").rpartition(".")
    return module if package == f"{__package__}.layers" else short_name(node.name)[1:-1]


def _ordinal(n: int) -> str:
    return f"{n}{'th' if n % 100 in (11, 12, 13) else {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th')}"


def add_note(error: Exception, note: str) -> None:
    """BaseException.add_note, which Python 3.10 does not have yet."""
    error.__dict__.setdefault("__notes__", []).append(note)


def describe(error: BaseException) -> str:
    """The message of an exception with its notes (node path, config block), on one line each."""
    return "\n".join([str(error), *getattr(error, "__notes__", ())])
