"""Exceptions that callers may want to tell apart; each also is the built-in exception that fits."""

from typing import Any, List


class KindError(TypeError, ValueError):
    """A value of the wrong kind: a TypeError, and a ValueError for code that catches those."""


class ModelLoadError(ValueError):
    """Saved bytes, a file or a dict that cannot be loaded into this model; the model is left as it was."""


class NodeKeyError(KeyError):
    """A dim, parameter, gradient or reference that a node does not have; str() gives the plain sentence."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


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
    path: List[str] = state.get("_node_path", [])
    if inner is None:
        path = [short_name(node.name)]
    else:
        index = next((i for i, layer in enumerate(node._layers) if layer is inner), None)
        path = [short_name(node.name), "" if index is None else f"layers[{index}]", *path]
    state["_node"], state["_node_path"] = node, path
    notes = state.setdefault("__notes__", [])
    if inner is not None and state.get("_node_note") in notes:
        notes.remove(state["_node_note"])
    state["_node_note"] = "in node " + " ".join(part for part in path if part)
    notes.append(state["_node_note"])
