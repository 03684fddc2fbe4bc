"""SelfAttention: every row of a sequence becomes a mixture of the rows it attends to, by several heads."""

from typing import Any, Callable, Optional, Tuple, TypeVar, Union

from .._marks import skips_dX
from ..backends.reference.attention import weights_size
from ..config import registry
from ..initializers import glorot_uniform_init, zero_init
from ..model import Model
from ..types import Padded, Ragged
from ..util import partial
from ._checks import as_wide
from ._dense import init_stacked
from ._gradients import backprop_dense
from ._padded import by_sequence

SeqT = TypeVar("SeqT", bound=Union[Ragged, Padded])


@registry.layers("SelfAttention.v1")
def SelfAttention(
    nO: Optional[int] = None,
    nI: Optional[int] = None,
    *,
    nH: int = 8,
    causal: bool = False,
    rotary: bool = False,
    dropout: float = 0.0,
    init_W: Optional[Callable] = None,
    init_b: Optional[Callable] = None,
) -> Model[SeqT, SeqT]:
    """Y = concatenated heads @ W.T + b, a head being softmax(Q K^T / sqrt(D)) V of its D = nO / nH columns.

    X: Ragged or Padded, nI wide; nothing is attended to beyond the ends of a sequence.  Y: the same, nO wide.
    Params: W_in (3 * nO, nI), b_in (3 * nO,), for queries, keys and values; W (nO, nO), b (nO,).
    nH: heads.  causal: a row sees itself and those before it.  rotary: turn queries and keys by their positions.
    dropout: probability of zeroing an attention weight while training.
    SOURCE: Vaswani et al. 2017, arXiv:1706.03762; Su et al. 2021, arXiv:2104.09864.
    """
    return Model(
        "self_attention",
        forward,
        init=partial(init, init_W or glorot_uniform_init, init_b or zero_init),
        dims={"nO": nO, "nI": nI, "nH": nH},
        params={"W_in": None, "b_in": None, "W": None, "b": None},
        attrs={"causal": causal, "rotary": rotary, "dropout_rate": dropout},
    )


@skips_dX
def forward(model: Model[SeqT, SeqT], Xs: SeqT, is_train: bool) -> Tuple[SeqT, Callable]:
    ops: Any = model.ops
    W_in, W, nH, causal = model.get_param("W_in"), model.get_param("W"), model.get_dim("nH"), model.attrs["causal"]
    rows, lengths, pick, restore = by_sequence(model, Xs)
    X, heads = as_wide(rows, W_in), (lengths, 2 * nH, model.get_dim("nO") // nH)
    QKV = ops.affine(X, W_in, model.get_param("b_in"))
    QKV = ops.rotary(QKV, *heads, inplace=True) if model.attrs["rotary"] else QKV
    rate = model.attrs["dropout_rate"] if is_train else 0
    mask = ops.get_dropout_mask((weights_size(nH, ops._host(model.name, "lengths", lengths)),), rate) if rate else None
    Y, weights = ops.attention(QKV, lengths, nH, causal=causal, mask=mask, keep=is_train)

    def backprop(dYs: SeqT, needs_dX: bool = True) -> Any:
        kept = ops.attention(QKV, lengths, nH, causal=causal)[1] if weights is None else weights
        dY = backprop_dense(model, pick(dYs), Y, W, needs_dX=True)
        dQKV = ops.backprop_attention(dY, QKV, kept, lengths, nH, causal=causal, mask=mask)
        dQKV = ops.backprop_rotary(dQKV, *heads, inplace=True) if model.attrs["rotary"] else dQKV
        return restore(backprop_dense(model, dQKV, X, W_in, needs_dX, "W_in", "b_in"))

    return restore(ops.affine(Y, W, model.get_param("b"))), backprop


def init(init_W: Callable, init_b: Callable, model: Model[SeqT, SeqT], X: Any = None, Y: Any = None) -> None:
    init_stacked(init_W, init_b, 3, "W_in", "b_in", model, X, Y)
    nO, nH = model.get_dim("nO"), model.get_dim("nH")
    if nO % nH or (model.attrs["rotary"] and nO // nH % 2):
        parts = "an even number of columns (rotary)" if model.attrs["rotary"] else "the same number of columns"
        raise ValueError(f"self_attention: each head must have {parts}; got nO={nO} and nH={nH}")
    model.set_param("W", init_W(model.ops, (nO, nO)))
    model.set_param("b", init_b(model.ops, (nO,)))
