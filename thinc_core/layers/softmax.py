"""Softmax: dense layer followed by a softmax over its outputs."""

from typing import Any, Callable, Optional, Tuple

from .._marks import skips_dX
from ..config import registry
from ..initializers import zero_init
from ..model import Model
from ..types import Floats2d
from ._checks import as_wide, check_gradient
from ._dense import dense
from ._fusion import part
from ._gradients import backprop_dense

NORMALIZE_ATTR = "softmax_normalize"
TEMPERATURE_ATTR = "softmax_temperature"


@registry.layers("Softmax.v1")
def Softmax(
    nO: Optional[int] = None,
    nI: Optional[int] = None,
    *,
    init_W: Optional[Callable] = None,
    init_b: Optional[Callable] = None,
) -> Model[Floats2d, Floats2d]:
    """Y = softmax(X @ W.T + b); the incoming gradient must be the one with respect to the logits, as losses give it.

    X: (B, nI).  Y: (B, nO), rows sum to 1.  Params: W (nO, nI), b (nO,), zeros at first.
    """
    return Softmax_v2(nO, nI, init_W=init_W, init_b=init_b)


@registry.layers("Softmax.v2")
def Softmax_v2(
    nO: Optional[int] = None,
    nI: Optional[int] = None,
    *,
    init_W: Optional[Callable] = None,
    init_b: Optional[Callable] = None,
    normalize_outputs: bool = True,
    temperature: float = 1.0,
) -> Model[Floats2d, Floats2d]:
    """Softmax whose logits are divided by a temperature.

    normalize_outputs: without it, predict returns the logits, undivided, and there is no backprop for them.
    """
    validate_temperature(temperature)
    attrs = {NORMALIZE_ATTR: normalize_outputs, TEMPERATURE_ATTR: temperature}
    return dense("softmax", forward, nO, nI, init_W or zero_init, init_b, attrs=attrs, lenient=True)


@part("dense")
@skips_dX
def forward(model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool) -> Tuple[Floats2d, Callable]:
    ops, W, temperature = model.ops, model.get_param("W"), model.attrs[TEMPERATURE_ATTR]
    validate_temperature(temperature)
    X = as_wide(X, W)
    if not (model.attrs[NORMALIZE_ATTR] or is_train):
        return ops.affine(X, W, model.get_param("b")), no_backprop
    Y = ops.affine_softmax(X, W, model.get_param("b"), temperature)

    def backprop(dY: Floats2d, needs_dX: bool = True) -> Any:
        check_gradient("softmax", dY, Y)
        dZ = dY / temperature if temperature != 1.0 else dY
        return backprop_dense(model, dZ, X, W, needs_dX)

    return Y, backprop


def validate_temperature(temperature: float) -> None:
    """RAISES: ValueError unless temperature > 0."""
    if temperature <= 0.0:
        raise ValueError(f"softmax: softmax temperature must be greater than zero; got {temperature}")


def no_backprop(dY: Floats2d) -> Floats2d:
    raise ValueError("softmax: backprop is not supported for outputs that are not normalized (normalize_outputs=False)")
