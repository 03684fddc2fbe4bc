"""ParametricAttention_v2: parametric attention whose keys are computed from the rows by a layer of their own."""

from typing import Any, Callable, Optional, Tuple

from ..config import registry
from ..model import Model
from ..types import Floats2d, Ragged
from ._batches import array_of
from ._checks import check_gradient, float_rows
from ._ragged import lengths_and_shape
from .noop import noop
from .parametricattention import attend
from .parametricattention import init as init_query

KEY_TRANSFORM_REF = "key_transform"


@registry.layers("ParametricAttention.v2")
def ParametricAttention_v2(
    *, key_transform: Optional[Model[Floats2d, Floats2d]] = None, nO: Optional[int] = None
) -> Model[Ragged, Ragged]:
    """Y[t] = a[t] * X[t], a = softmax of key_transform(X) @ Q over the rows of each sequence.

    X, Y: Ragged with (T, nO) rows.  Params: Q (nO,).
    key_transform: from nO to nO columns; None: the rows are their own keys.
    """
    layer = noop() if key_transform is None else key_transform
    return Model(
        "para-attn",
        forward,
        init=init,
        dims={"nO": nO},
        params={"Q": None},
        layers=[layer],
        refs={KEY_TRANSFORM_REF: layer},
    )


def forward(model: Model[Ragged, Ragged], Xr: Ragged, is_train: bool) -> Tuple[Ragged, Callable]:
    lengths, _ = lengths_and_shape(model, Xr)
    X = float_rows(model, Xr.dataXd, model.get_param("Q"))
    K, backprop_keys = model.get_ref(KEY_TRANSFORM_REF)(X, is_train)
    attention, get_dK = attend(model, K, lengths)

    def backprop(dYr: Ragged) -> Ragged:
        dY: Any = dYr.dataXd
        check_gradient(model.name, dY, X)
        return Ragged(dY * attention + backprop_keys(get_dK((X * dY).sum(axis=1, keepdims=True))), lengths)

    return Ragged(X * attention, lengths), backprop


def init(model: Model[Ragged, Ragged], X: Optional[Ragged] = None, Y: Optional[Ragged] = None) -> None:
    init_query(model, X, Y)
    layer = model.get_ref(KEY_TRANSFORM_REF)
    for dim in ("nI", "nO"):
        if layer.has_dim(dim) is not False:
            layer.set_dim(dim, model.get_dim("nO"))
    layer.initialize(X=array_of(X), Y=array_of(Y))


init.param_shapes = {"Q": ("nO",)}  # type: ignore[attr-defined]
