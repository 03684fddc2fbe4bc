"""TransformerBlock: self-attention, then two dense layers, each on normalised rows and added to what came in."""

from typing import Any, Callable, Optional, TypeVar, Union

from ..config import registry
from ..model import Model
from ..types import List2d, Padded, Ragged
from .chain import chain
from .dropout import Dropout
from .gelu import Gelu
from .layernorm import LayerNorm
from .linear import Linear
from .residual import residual
from .rmsnorm import RMSNorm
from .self_attention import SelfAttention
from .swiglu import SwiGLU
from .with_array import with_array
from .with_ragged import with_ragged

SeqT = TypeVar("SeqT", bound=Union[Ragged, Padded, List2d])

NORMS = {"LayerNorm": LayerNorm, "RMSNorm": RMSNorm}
ACTIVATIONS = {"Gelu": Gelu, "SwiGLU": SwiGLU}


@registry.layers("TransformerBlock.v1")
def TransformerBlock(
    nO: int,
    *,
    nH: int = 8,
    nF: Optional[int] = None,
    norm: str = "LayerNorm",
    activation: str = "Gelu",
    causal: bool = False,
    rotary: bool = False,
    dropout: Optional[float] = None,
    attention_dropout: float = 0.0,
) -> Model[SeqT, SeqT]:
    """H = X + attention(norm(X)); Y = H + Linear(activation(norm(H))).

    X: Ragged, Padded or list of arrays, nO wide.  Y: the same.
    nH, causal, rotary, attention_dropout: as in SelfAttention.  nF: width between the dense layers; None: 4 * nO.
    norm: "LayerNorm" or "RMSNorm".  activation: "Gelu" or "SwiGLU".
    dropout: probability of zeroing what is about to be added, while training.
    SOURCE: Vaswani et al. 2017, arXiv:1706.03762, with the norms of Xiong et al. 2020, arXiv:2002.04745.
    """
    make_norm: Any = _choose("norm", norm, NORMS)
    make_inner: Any = _choose("activation", activation, ACTIVATIONS)
    width = 4 * nO if nF is None else nF
    attention: Model = SelfAttention(nO, nO, nH=nH, causal=causal, rotary=rotary, dropout=attention_dropout)
    dense = chain(make_norm(nO), make_inner(width, nO), Linear(nO, width))
    if dropout is not None:
        attention, dense = chain(attention, Dropout(dropout)), chain(dense, Dropout(dropout))
    attention = chain(with_array(make_norm(nO)), attention)
    return with_ragged(chain(residual(attention), residual(with_array(dense))))


def _choose(name: str, value: str, choices: dict) -> Callable:
    if value not in choices:
        raise ValueError(f"transformer_block: {name} must be one of {', '.join(choices)}; got {value!r}")
    return choices[value]
