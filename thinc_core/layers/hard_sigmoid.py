"""HardSigmoid: dense layer followed by a piecewise linear sigmoid."""

from typing import Callable, Optional

from ..config import registry
from ..model import Model
from ..types import Floats2d
from .clipped_linear import ClippedLinear


@registry.layers("HardSigmoid.v1")
def HardSigmoid(
    nO: Optional[int] = None,
    nI: Optional[int] = None,
    *,
    init_W: Optional[Callable] = None,
    init_b: Optional[Callable] = None,
    dropout: Optional[float] = None,
    normalize: bool = False,
) -> Model[Floats2d, Floats2d]:
    """Y = clip(0.2 z + 0.5, 0, 1) of z = X @ W.T + b, then optional LayerNorm and Dropout: a ClippedLinear.

    X: (B, nI).  Y: (B, nO).  Params: W (nO, nI), b (nO,).
    dropout: probability in [0, 1) of zeroing an output while training.
    """
    return ClippedLinear(
        nO,
        nI,
        init_W=init_W,
        init_b=init_b,
        dropout=dropout,
        normalize=normalize,
        slope=0.2,
        offset=0.5,
    )
