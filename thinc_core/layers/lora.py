"""LoRA: a Linear layer that stays as it is, and a small trained correction of its weights."""

from typing import Any, Callable, Optional, Tuple

from .._marks import skips_dX
from ..backends import checks
from ..config import registry
from ..initializers import glorot_uniform_init, zero_init
from ..model import Model
from ..types import Floats2d
from ..util import partial
from ._checks import check_gradient, float_rows
from ._gradients import accumulate
from ._wrapper import dims_of, init_child
from .linear import forward as linear_forward


@registry.layers("LoRA.v1")
def LoRA(
    layer: Model[Floats2d, Floats2d], *, rank: int = 8, alpha: float = 16.0, init_A: Optional[Callable] = None
) -> Model[Floats2d, Floats2d]:
    """Y = layer(X) + alpha / rank * X @ A.T @ B.T. The parameters of the layer get no gradient.

    layer: a Linear, trained before.  X: (B, nI).  Y: (B, nO).
    Params: A (rank, nI), drawn; B (nO, rank), zeros at first, so that training starts from what the layer does.
    `merge` of this module turns it into a Linear. SOURCE: Hu et al. 2021, arXiv:2106.09685.
    """
    if layer._func is not linear_forward:
        raise ValueError(f"lora: layer must be a Linear; got {layer.name!r}")
    checks.at_least("lora", "rank", rank, 1)
    initialize: Any = partial(init, init_A or glorot_uniform_init)
    initialize.param_shapes = {"A": ("rank", "nI"), "B": ("nO", "rank")}
    more: Any = {"params": {"A": None, "B": None}, "attrs": {"alpha": alpha}, "layers": [layer]}
    return Model(f"lora({layer.name})", forward, init=initialize, dims={**dims_of(layer), "rank": rank}, **more)


@skips_dX
def forward(model: Model[Floats2d, Floats2d], X: Any, is_train: bool) -> Tuple[Floats2d, Callable]:
    ops, layer, scale = model.ops, model.layers[0], _scale(model)
    W, A, B = layer.get_param("W"), model.get_param("A"), model.get_param("B")
    X = float_rows(model, X, W)
    H: Any = scale * ops.gemm(X, A, trans2=True)
    Y: Any = layer(X, is_train)[0] + ops.gemm(H, B, trans2=True)

    def low_rank(dY: Any, needs_dX: bool, dA: Any, dB: Any) -> Any:
        dH: Any = scale * ops.gemm(dY, B)
        ops.gemm(dY, H, out=dB, trans1=True, accumulate=True)
        ops.gemm(dH, X, out=dA, trans1=True, accumulate=True)
        return ops.gemm(dY, W) + ops.gemm(dH, A) if needs_dX else None

    def backprop(dY: Floats2d, needs_dX: bool = True) -> Any:
        check_gradient(model.name, dY, Y)
        return accumulate(model, low_rank, (dY, needs_dX), "A", "B")

    return Y, backprop


def init(init_A: Callable, model: Model[Floats2d, Floats2d], X: Any = None, Y: Any = None) -> None:
    if not model.layers[0].has_param("W"):  # weights trained before are kept
        init_child(model, X, Y)
    model.set_param("A", init_A(model.ops, (model.get_dim("rank"), model.get_dim("nI"))))
    model.set_param("B", zero_init(model.ops, (model.get_dim("nO"), model.get_dim("rank"))))


def merge(model: Model) -> Model:
    """Put a plain Linear with the corrected weights in the place of every LoRA of the tree. RETURNS: the tree.

    Where a LoRA is the root, that is its Linear. What the model predicts stays the same, except for roundings.
    """
    found = [node for node in model.walk() if node._func is forward]
    for node in found:
        layer, BA = node.layers[0], node.ops.gemm(node.get_param("B"), node.get_param("A"))
        layer.set_param("W", layer.get_param("W") + _scale(node) * BA)
        model.replace_node(node, layer)
    return model.layers[0] if model in found else model


def _scale(model: Model) -> Any:
    return model.get_param("A").dtype.type(model.attrs["alpha"] / model.get_dim("rank"))
