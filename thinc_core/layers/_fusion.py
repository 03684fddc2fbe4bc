"""How layers say that they can be run together, where that gives the same result sooner. The tree of nodes stays.

_distinct_rows.py: rows of ids that occur again. _mixed_tables.py: tables of vectors and the Maxout layer behind them.
_hash_tables.py: HashEmbed tables side by side.
_normalized_maxout.py: a Maxout layer, the LayerNorm and the Dropout behind it. _windows.py: windows in front of it.

What a layer can take part in is marked on its forward function.
"""

from typing import Any, Callable, Tuple

from .._marks import ForwardT, mark, marked
from ..errors import add_node_to_error
from ..model import Model
from ._batches import add_up


def part(name: str) -> Callable[[ForwardT], ForwardT]:
    """Say which part of a fused step a layer can be, on its forward function: "chain", "getitem", "table",
    "hash table", "maxout", "layernorm", "dropout", or "dense", whose product reads rows that overlap."""

    def decorate(forward: ForwardT) -> ForwardT:
        mark(forward, "fused_part", name)
        return forward

    return decorate


def is_part(layer: Model, *names: str) -> bool:
    return marked(layer._func, "fused_part") in names


def adds(forward: Callable[..., Any], plus: Callable[..., Any]) -> None:
    """Say that plus(layer, X, is_train, added) gives added + layer(X) in one pass, for layers with this function."""
    mark(forward, "plus", plus)


def adds_to_gradient(forward: ForwardT) -> ForwardT:
    """Say that the backprop of this forward function takes a second array, to add to the gradient that it returns."""
    mark(forward, "adds_gradient", True)
    return forward


def run_plus(layer: Any, X: Any, is_train: bool, added: Any) -> Tuple[Any, Callable]:
    """added + layer(X), and the backprop of the layer. Neither array is written to."""
    plus = marked(layer._func, "plus")
    try:
        if plus is not None:
            return plus(layer, X, is_train, added)
        Y, backprop = layer._func(layer, X, is_train)
        return add_up([added, Y]), backprop
    except Exception as error:
        if isinstance(layer, Model):
            add_node_to_error(error, layer, X)
        raise


def backprop_plus(layer: Any, backprop: Callable, dY: Any, added: Any) -> Any:
    """added + what the backprop of the layer returns."""
    if marked(layer._func, "adds_gradient"):
        return backprop(dY, added)
    return add_up([added, backprop(dY)])


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
