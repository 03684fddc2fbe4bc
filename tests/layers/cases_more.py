"""Rows of the table of layers: those that the original does not have."""

from typing import Any, Callable, Tuple

from thinc_core.layers import (
    BatchNorm,
    RMSNorm,
    SelfAttention,
    SwiGLU,
    TransformerBlock,
)
from thinc_core.model import Model

from .case import NI, NO, SEQUENCES, Case, dense_case


def configured(
    make: Callable[..., Model], kinds: Tuple[str, ...] = ("array",), label: str = "", fixed: Any = (), **settings: Any
) -> Case:
    """A row of a layer that is made of settings alone. It keeps its width unless the settings say nO."""
    name, square = make.__name__, settings.get("nO", NI) == NI
    config = {"@layers": f"{name}.v1", **settings}
    return Case(f"{name}{label}", lambda: make(**settings), kinds, square, config=config, fixed=fixed)


PACKED = ("ragged", "padded")

CASES = [
    configured(RMSNorm, nI=NI),
    # While training, the statistics are those of the batch: test_batchnorm.py.
    configured(BatchNorm, nI=NI, frozen=True, fixed=("mean", "var")),
    dense_case(SwiGLU),
    configured(SelfAttention, PACKED, nO=6, nI=NI, nH=2),
    configured(SelfAttention, PACKED, "-causal", nO=4, nI=NI, nH=2, causal=True, rotary=True),
    configured(TransformerBlock, SEQUENCES, nO=NI, nH=2),
    configured(
        TransformerBlock,
        SEQUENCES,
        "-modern",
        nO=NI,
        nH=1,
        nF=NO,
        norm="RMSNorm",
        activation="SwiGLU",
        causal=True,
        rotary=True,
        dropout=0.0,
    ),
]
