"""with_nvtx_range: marks a layer in the timeline of NVIDIA's profilers."""

from typing import Any, ContextManager, Optional, TypeVar

from ..config import registry
from ..model import Model
from ..util import partial, use_nvtx_range
from ._instrument import instrument

ModelT = TypeVar("ModelT", bound=Model)


@registry.layers("with_nvtx_range.v1")
def with_nvtx_range(
    layer: ModelT, name: Optional[str] = None, *, forward_color: int = -1, backprop_color: int = -1
) -> ModelT:
    """The layer itself, in ranges "<name> forward" and "<name> backprop"; without CuPy there are none.

    name: that of the layer by default. forward_color, backprop_color: of the ranges; -1 lets the profiler choose.
    """
    name = layer.name if name is None else name
    return instrument(
        layer,
        forward=partial(_mark, f"{name} forward", forward_color),
        backprop=partial(_mark, f"{name} backprop", backprop_color),
    )


def _mark(message: str, color: int, *args: Any) -> ContextManager[None]:
    return use_nvtx_range(message, color)
