"""StaticVectors: vectors trained elsewhere, read from a memory-mapped file and never changed."""

import os
from typing import Any, Callable, Optional, Tuple, Union

from ..config import registry
from ..initializers import glorot_uniform_init
from ..model import Model
from ..types import Floats2d, Ints1d, Ints2d
from ..util import partial
from ._gradients import accumulate
from ._vectors_file import look_up, mapped
from ._widths import sample_width

InT = Union[Ints1d, Ints2d]


@registry.layers("StaticVectors.v1")
def StaticVectors(
    path: str,
    nO: Optional[int] = None,
    *,
    keys: Optional[str] = None,
    column: Optional[int] = None,
    project: bool = True,
    init_W: Optional[Callable] = None,
) -> Model[InT, Floats2d]:
    """Y[b] = vectors[row of X[b]] @ W.T, or without W when `project` is false. An id without a row gives zeros.

    X: (B,) ids, or (B, columns) when `column` says which one to look at.  Y: (B, nO).
    Params: W (nO, nM), with `project`; nM is the width of the vectors, which are no parameters: the model is saved
        with the path of their file, not with them.
    path: .npy file of (nV, nM) floats.  keys: .npy file of (nV,) integers, the ids of the rows, such as hashes of
        words, in any order; None: an id is the number of a row.
    """
    dims = {"nO": nO, "nM": None}
    if not project and nO is not None:
        raise ValueError(f"static_vectors: nO must be None without a projection; got {nO}")
    initialize: Any = partial(init, init_W or glorot_uniform_init)
    initialize.param_shapes = {"W": ("nO", "nM")}
    attrs = {"path": os.fspath(path), "keys": keys and os.fspath(keys), "column": column}
    params = {"W": None} if project else {}
    return Model("static_vectors", forward, init=initialize, dims=dims, params=params, attrs=attrs)


def forward(model: Model[InT, Floats2d], X: Any, is_train: bool) -> Tuple[Floats2d, Callable]:
    ops, column = model.ops, model.attrs["column"]
    W: Any = model.get_param("W") if model.param_names else None
    ids: Any = ops.to_numpy(X if column is None or not X.size else X[:, column]).reshape(-1)
    found = look_up(model.attrs["path"], model.attrs["keys"], ids)
    V: Any = ops.asarray(found, dtype="float32" if W is None else W.dtype)

    def project(dY: Any, dW: Any) -> None:
        ops.gemm(dY, V, out=dW, trans1=True, accumulate=True)

    def backprop(dY: Floats2d) -> InT:
        if W is not None:
            accumulate(model, project, (dY,), "W")
        return ops.alloc(X.shape, dtype="int32")

    return V if W is None else ops.gemm(V, W, trans2=True), backprop


def init(init_W: Callable, model: Model[InT, Floats2d], X: Any = None, Y: Any = None) -> None:
    width = mapped(model.attrs["path"]).shape[1]
    model.set_dim("nM", width)
    if not model.param_names:
        model.set_dim("nO", width)
        return
    if sample_width(Y) is not None:
        model.set_dim("nO", sample_width(Y))
    model.set_param("W", init_W(model.ops, (model.get_dim("nO"), width)))
