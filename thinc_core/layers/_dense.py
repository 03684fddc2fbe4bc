"""What the dense layers share: the node around a forward function, its initialisation, the layers added behind it."""

from typing import Any, Callable, Dict, Optional, Tuple

from ..initializers import zero_init
from ..model import Model
from ..types import Floats2d
from ..util import partial
from ._checks import as_wide, check_gradient
from ._gradients import backprop_dense
from ._widths import sample_width, set_from_samples
from .chain import chain
from .dropout import Dropout
from .layernorm import LayerNorm

Initializer = Callable[..., Any]
Dense = Model[Floats2d, Floats2d]


def dense(
    name: str,
    forward: Callable[..., Any],
    nO: Optional[int],
    nI: Optional[int],
    init_W: Initializer,
    init_b: Optional[Initializer],
    dropout: Optional[float] = None,
    normalize: bool = False,
    *,
    pieces: Optional[Dict[str, Optional[int]]] = None,
    attrs: Optional[Dict[str, Any]] = None,
    lenient: bool = False,
) -> Dense:
    """A node with weights W (nO, nI) and b (nO,), or (nO, nP, nI) and (nO, nP) with `pieces={"nP": ...}`.

    normalize: put a LayerNorm behind it. dropout: put a Dropout behind that, even at rate 0.
    lenient: sample data that disagree with a dim that is set already are no error.
    """
    init_weights: Any = partial(init, init_W, init_b or zero_init, lenient)
    init_weights.param_shapes = {"W": ("nO", *(pieces or {}), "nI"), "b": ("nO", *(pieces or {}))}
    model: Dense = Model(
        name,
        forward,
        init=init_weights,
        dims={"nO": nO, "nI": nI, **(pieces or {})},
        params={"W": None, "b": None},
        attrs=attrs or {},
    )
    if normalize:
        model = chain(model, LayerNorm(nI=nO))
    if dropout is not None:
        model = chain(model, Dropout(dropout))
    return model


def init(init_W: Initializer, init_b: Initializer, lenient: bool, model: Dense, X: Any = None, Y: Any = None) -> None:
    for dim, sample in (("nI", X), ("nO", Y)):
        width = sample_width(sample)
        if width is not None and not (lenient and model.has_dim(dim)):
            model.set_dim(dim, width)
    shape = (*(model.get_dim(dim) for dim in model.dim_names if dim != "nI"), model.get_dim("nI"))
    model.set_param("W", init_W(model.ops, shape))
    model.set_param("b", init_b(model.ops, shape[:-1]))


def init_stacked(
    init_W: Initializer, init_b: Initializer, n: int, W: str, b: str, model: Model, X: Any = None, Y: Any = None
) -> None:
    """Parameters of n dense layers of the same size, W (n * nO, nI) and b (n * nO,), each drawn by itself."""
    set_from_samples(model, X, Y)
    ops, nO, nI = model.ops, model.get_dim("nO"), model.get_dim("nI")
    model.set_param(W, ops.xp.concatenate([init_W(ops, (nO, nI)) for _ in range(n)]))
    model.set_param(b, ops.xp.concatenate([init_b(ops, (nO,)) for _ in range(n)]))


def activate(
    model: Dense, X: Floats2d, is_train: bool, activation: str, *, takes_Y: bool = False
) -> Tuple[Floats2d, Callable]:
    """The forward pass of a layer that is an elementwise op of X @ W.T + b, whose gradient takes what the op took.

    takes_Y: it takes what the op returned as well.
    """
    ops, W, b = model.ops, model.get_param("W"), model.get_param("b")
    X = as_wide(X, W)
    Y, Z = ops.affine_activation(X, W, b, activation, keep=is_train)

    def backprop(dY: Floats2d, needs_dX: bool = True) -> Any:
        check_gradient(model.name, dY, Y)
        before = ops.affine(X, W, b) if Z is None else Z
        dZ = getattr(ops, f"backprop_{activation}")(dY, before, *((Y,) if takes_Y else ()))
        return backprop_dense(model, dZ, X, W, needs_dX)

    return Y, backprop
