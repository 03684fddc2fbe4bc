"""Rows of the table of layers: those that the original does not have."""

from typing import Any, Callable, Tuple

from thinc_core.layers import (
    GRU,
    BatchNorm,
    Conv1D,
    Linear,
    LoRA,
    RMSNorm,
    SelfAttention,
    SwiGLU,
    TransformerBlock,
    activation,
)
from thinc_core.layers._activations import ACTIVATIONS
from thinc_core.model import Model

from .case import EVERY, NI, NO, SEQUENCES, Case, dense_case


def configured(
    make: Callable[..., Model], kinds: Tuple[str, ...] = ("array",), label: str = "", fixed: Any = (), **settings: Any
) -> Case:
    """A row of a layer that is made of settings alone. It keeps its width unless the settings say nO."""
    name, square = make.__name__, settings.get("nO", NI) == NI
    config = {"@layers": f"{name}.v1", **settings}
    return Case(f"{name}{label}", lambda: make(**settings), kinds, square, config=config, fixed=fixed)


def lora() -> Model:
    return LoRA(Linear(NO, NI), rank=2)


LINEAR = {"@layers": "Linear.v1", "nO": NO, "nI": NI}
PACKED = ("ragged", "padded")
ROWS = ("array", "ragged")
KINKED = ("relu", "leaky_relu", "selu", "relu_k")  # no derivative at 0, which a Padded is padded with

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
    *[configured(activation, EVERY[: 3 if name in KINKED else 4], f"-{name}", name=name) for name in ACTIVATIONS],
    configured(Conv1D, ROWS, nO=NO, nI=NI),
    configured(Conv1D, ROWS, "-even", nO=NO, nI=NI, kernel_size=4, dilation=2),
    configured(Conv1D, ROWS, "-causal", nO=NO, nI=NI, kernel_size=2, dilation=2, padding="causal"),
    configured(GRU, ("padded",), nO=NO, nI=NI),
    configured(GRU, ("padded",), "-deep", nO=NO + 1, nI=NI, bi=True, depth=2),
    Case("LoRA", lora, config={"@layers": "LoRA.v1", "layer": LINEAR, "rank": 2}, fixed=("W", "b")),
]
