"""with_signpost_interval: marks a layer in the timeline of Instruments, the profiler of macOS."""

import importlib.util
from typing import Any, ContextManager, Optional, TypeVar

from ..config import registry
from ..model import Model
from ..util import partial
from ._instrument import instrument

ModelT = TypeVar("ModelT", bound=Model)


@registry.layers("with_signpost_interval.v1")
def with_signpost_interval(layer: ModelT, signposter: Any, name: Optional[str] = None) -> ModelT:
    """The layer itself, in intervals "<name> init", "<name> forward" and "<name> backprop".

    signposter: an os_signpost.Signposter. name: that of the layer by default.
    RAISES: ValueError when the package os_signpost is not installed.
    """
    if importlib.util.find_spec("os_signpost") is None:
        raise ValueError(
            "with_signpost_interval: package os_signpost must be installed; it is not (pip install os-signpost)"
        )
    name = layer.name if name is None else name
    return instrument(
        layer,
        init=partial(_mark, signposter, f"{name} init"),
        forward=partial(_mark, signposter, f"{name} forward"),
        backprop=partial(_mark, signposter, f"{name} backprop"),
    )


def _mark(signposter: Any, message: str, *args: Any) -> ContextManager[None]:
    return signposter.use_interval(message)
