"""ClippedLinear: dense layer followed by a line that is cut off below and above."""

from typing import Any, Callable, Optional, Tuple

from .._marks import skips_dX
from ..config import registry
from ..initializers import glorot_uniform_init
from ..model import Model
from ..types import Floats2d
from ._checks import as_wide
from ._dense import dense
from ._fusion import part
from ._gradients import backprop_dense

LINE = ("slope", "offset", "min_val", "max_val")  # attributes, and arguments of the op


@registry.layers("ClippedLinear.v1")
def ClippedLinear(
    nO: Optional[int] = None,
    nI: Optional[int] = None,
    *,
    init_W: Optional[Callable] = None,
    init_b: Optional[Callable] = None,
    dropout: Optional[float] = None,
    normalize: bool = False,
    slope: float = 1.0,
    offset: float = 0.0,
    min_val: float = 0.0,
    max_val: float = 1.0,
) -> Model[Floats2d, Floats2d]:
    """Y = clip(slope * z + offset, min_val, max_val) of z = X @ W.T + b, then optional LayerNorm and Dropout.

    X: (B, nI).  Y: (B, nO).  Params: W (nO, nI), b (nO,).
    slope, offset, min_val, max_val: attributes of the node, which may be changed later.
    dropout: probability in [0, 1) of zeroing an output while training.
    """
    attrs = dict(zip(LINE, (slope, offset, min_val, max_val)))
    init_W = init_W or glorot_uniform_init
    return dense("clipped_linear", forward, nO, nI, init_W, init_b, dropout, normalize, attrs=attrs)


@part("dense")
@skips_dX
def forward(model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool) -> Tuple[Floats2d, Callable]:
    ops, W, b = model.ops, model.get_param("W"), model.get_param("b")
    line = {name: model.attrs[name] for name in LINE}
    X = as_wide(X, W)
    Z = ops.affine(X, W, b)
    Y = ops.clipped_linear(Z, **line, inplace=not is_train)

    def backprop(dY: Floats2d, needs_dX: bool = True) -> Any:
        before = Z if is_train else ops.affine(X, W, b)
        return backprop_dense(model, ops.backprop_clipped_linear(dY, before, **line), X, W, needs_dX)

    return Y, backprop
