"""How layers say that they can be run together, where that gives the same result sooner. The tree of nodes stays.

_mixed_tables.py: tables of vectors and the Maxout layer behind them. _hash_tables.py: HashEmbed tables side by side.
_normalized_maxout.py: a Maxout layer and the LayerNorm behind it.
"""

from typing import Any, Callable, Sequence, TypeVar

from ..errors import add_node_to_error
from ..model import Model

ForwardT = TypeVar("ForwardT", bound=Callable[..., Any])


def part(name: str) -> Callable[[ForwardT], ForwardT]:
    """Say which part of a fused step a layer can be, on its forward function: "chain", "getitem", "table",
    "hash table", "maxout" or "layernorm"."""

    def mark(forward: ForwardT) -> ForwardT:
        forward.fused_part = name  # type: ignore[attr-defined]
        return forward

    return mark


def is_part(layer: Model, *names: str) -> bool:
    return getattr(layer._func, "fused_part", None) in names


def column_of(branch: Model) -> Any:
    """The column whose ids a branch looks up, or None when it does something else."""
    if not is_part(branch, "chain") or len(branch._layers) != 2:
        return None
    pick, table = branch._layers
    index = pick._attrs.get("index") if is_part(pick, "getitem") and is_part(table, "table", "hash table") else None
    if not isinstance(index, tuple) or len(index) != 2:
        return None
    every, column = index
    is_column = every in (slice(0, None), slice(None)) and isinstance(column, int) and column >= 0
    return column if is_column else None


def backprop_steps(model: Model, steps: Sequence[Any], callbacks: Sequence[Callable], dY: Any) -> Any:
    """The backward pass of layers, or steps that stand for several of them, one after the other."""
    callback: Any = None
    try:
        for callback in reversed(callbacks):
            dY = callback(dY)
    except Exception as error:
        index = callbacks.index(callback)
        if index < len(steps):  # it may have been edited since
            add_step_to_error(error, steps[index])
        add_node_to_error(error, model)
        raise
    return dY


def add_step_to_error(error: Exception, step: Any, X: Any = None) -> None:
    """Name the layer on an error of a step; of one that stands for several layers, the one that mixes."""
    node = getattr(step, "mixer", step)
    add_node_to_error(error, node, X if node is step or node is step._layers[0] else None)
