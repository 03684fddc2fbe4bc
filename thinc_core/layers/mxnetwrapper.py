"""MXNetWrapper: the name of a layer that existing code may import; what it wrapped is gone."""

from typing import Any, Callable, Optional, Type

from ..config import registry
from ..model import Model
from ..shims.mxnet import refuse


@registry.layers("MXNetWrapper.v1")
def MXNetWrapper(
    mxnet_model: Any,
    convert_inputs: Optional[Callable] = None,
    convert_outputs: Optional[Callable] = None,
    model_class: Type[Model] = Model,
    model_name: str = "mxnet",
) -> Model[Any, Any]:
    """Raises ImportError: MXNet is archived, and installs on no Python that this library runs on."""
    refuse()
