"""Exceptions that callers may want to tell apart; each also is the built-in exception that fits."""

from typing import Any


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


def add_node_to_error(error: Exception, node: Any) -> None:
    """Note on an exception that passes through `node`; the note ends as the path from the outermost node inwards."""
    state = error.__dict__
    inner = state.get("_node")
    if inner is node:
        return
    steps: str = state.get("_node_steps", "")
    if inner is None:
        state["_node_name"] = short_name(node.name)
    else:
        index = next((i for i, layer in enumerate(node._layers) if layer is inner), None)
        steps = (".layers[?]" if index is None else f".layers[{index}]") + steps
    state["_node"], state["_node_steps"] = node, steps
    notes = state.setdefault("__notes__", [])
    if state.get("_node_note") in notes:
        notes.remove(state["_node_note"])
    name = short_name(node.name)
    state["_node_note"] = f"in node {name}{steps} ({state['_node_name']})" if steps else f"in node {name}"
    notes.append(state["_node_note"])


def add_note(error: Exception, note: str) -> None:
    """BaseException.add_note, which Python 3.10 does not have yet."""
    error.__dict__.setdefault("__notes__", []).append(note)


def describe(error: BaseException) -> str:
    """The message of an exception with its notes (node path, config block), on one line each."""
    return "\n".join([str(error), *getattr(error, "__notes__", ())])
