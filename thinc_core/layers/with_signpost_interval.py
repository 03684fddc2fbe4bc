"""with_signpost_interval: a layer's work as intervals on the timeline of Instruments, the profiler of macOS."""

import importlib.util
from typing import Any, Callable, ContextManager, Optional, TypeVar

from ..config import registry
from ..model import Model
from ..util import partial
from ._instrument import instrument

LayerT = TypeVar("LayerT", bound=Model)


@registry.layers("with_signpost_interval.v1")
def with_signpost_interval(layer: LayerT, signposter: Any, name: Optional[str] = None) -> LayerT:
    """The same layer; what it does is recorded as `<name> init`, `<name> forward` and `<name> backprop`.

    signposter: of the package os_signpost, which opens the intervals.  name: None takes the layer's own.
    RAISES: ValueError without that package, which exists on macOS only.
    """
    if importlib.util.find_spec("os_signpost") is None:
        advice = "on macOS: pip install os-signpost; elsewhere with_debug takes functions of yours"
        raise ValueError(f"with_signpost_interval: package os_signpost must be installed ({advice})")
    intervals = {stage: _interval(signposter, f"{name or layer.name} {stage}") for stage in STAGES}
    return instrument(layer, **intervals)


STAGES = ("init", "forward", "backprop")


def _interval(signposter: Any, label: str) -> Callable[..., ContextManager[Any]]:
    """What opens an interval with this label, whatever it is called with."""
    return partial(_open, signposter, label)


def _open(signposter: Any, label: str, *given: Any) -> ContextManager[Any]:
    opened: ContextManager[Any] = signposter.use_interval(label)
    return opened
