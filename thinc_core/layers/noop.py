"""noop: passes everything on unchanged."""

from typing import Callable, Tuple, TypeVar

from ..config import registry
from ..model import Model
from ._gradients import identity
from ._widths import keeps_width

InOutT = TypeVar("InOutT")


@registry.layers("noop.v1")
def noop(*layers: Model) -> Model[InOutT, InOutT]:
    """Y = X, the same object. Layers given to it are held, for refs and saving, but neither run nor initialised."""
    return Model("noop", forward, layers=layers)


@keeps_width
def forward(model: Model[InOutT, InOutT], X: InOutT, is_train: bool) -> Tuple[InOutT, Callable]:
    return X, identity
