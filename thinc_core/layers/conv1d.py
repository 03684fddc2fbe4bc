"""Conv1D: every row from a window of rows around or before it, with the same weights everywhere."""

from typing import Any, Callable, Optional, Tuple, TypeVar, Union

import numpy

from .._marks import skips_dX
from ..config import registry
from ..initializers import glorot_uniform_init, zero_init
from ..model import Model
from ..types import Floats2d, Ragged
from ..util import partial
from ._checks import float_rows
from ._gradients import backprop_dense
from ._ragged import window_rows
from ._widths import set_from_samples

InT = TypeVar("InT", bound=Union[Ragged, Floats2d])


@registry.layers("Conv1D.v1")
def Conv1D(
    nO: Optional[int] = None,
    nI: Optional[int] = None,
    *,
    kernel_size: int = 3,
    dilation: int = 1,
    padding: str = "same",
    init_W: Optional[Callable] = None,
    init_b: Optional[Callable] = None,
) -> Model[InT, InT]:
    """Y[t] = b + sum over k of X[t + k * dilation - before] @ W[:, k].T, zeros standing beyond the ends.

    X: (T, nI), all rows as one sequence; or Ragged, each sequence by itself.  Y: the same, nO wide.
    Params: W (nO, nK, nI), the kernel size nK in the middle; b (nO,).
    padding: "same", before = dilation * (nK - 1) // 2; or "causal", all of it, so that no row sees those after it.
    """
    if padding not in ("same", "causal"):
        raise ValueError(f"conv1d: padding must be 'same' or 'causal'; got {padding!r}")
    if kernel_size < 1 or dilation < 1:
        raise ValueError(f"conv1d: kernel_size and dilation must be >= 1; got {kernel_size} and {dilation}")
    params, dims = {"W": None, "b": None}, {"nO": nO, "nI": nI, "nK": kernel_size}
    initialize: Any = partial(init, init_W or glorot_uniform_init, init_b or zero_init)
    initialize.param_shapes = {"W": ("nO", "nK", "nI"), "b": ("nO",)}
    attrs = {"dilation": dilation, "padding": padding}
    return Model("conv1d", forward, init=initialize, dims=dims, params=params, attrs=attrs)


@skips_dX
def forward(model: Model[InT, InT], Xs: Any, is_train: bool) -> Tuple[Any, Callable]:
    ops, W = model.ops, model.get_param("W")
    nO, nK, nI = W.shape
    X = float_rows(model, Xs.dataXd if isinstance(Xs, Ragged) else Xs, W)
    lengths = Xs.lengths if isinstance(Xs, Ragged) else numpy.asarray([len(X)])
    reach = model.attrs["dilation"] * (nK - 1)
    first = reach if model.attrs["padding"] == "causal" else reach // 2
    rows = window_rows(model, lengths, len(X), numpy.arange(nK) * model.attrs["dilation"] - first)
    zero = ops.alloc((1, X.shape[1]), dtype=X.dtype)
    windows = ops.xp.concatenate([X, zero])[rows].reshape(len(X), nK * nI)
    Y = ops.affine(windows, W.reshape(nO, -1), model.get_param("b"))

    def backprop(dYs: Any, needs_dX: bool = True) -> Any:
        dY: Any = dYs.data if isinstance(dYs, Ragged) else dYs
        backprop_dense(model, dY, windows, W, needs_dX=False)
        if not needs_dX:
            return None
        dX, d_windows = ops.alloc(X.shape, dtype=X.dtype), ops.gemm(dY, W.reshape(nO, -1))
        ops.scatter_add(dX, rows, d_windows.reshape(len(X), nK, nI))  # which leaves out rows below 0
        return Ragged(dX, Xs.lengths) if isinstance(Xs, Ragged) else dX

    return Ragged(Y, Xs.lengths) if isinstance(Xs, Ragged) else Y, backprop


def init(init_W: Callable, init_b: Callable, model: Model[InT, InT], X: Any = None, Y: Any = None) -> None:
    set_from_samples(model, X, Y)
    nO, nK, nI = (model.get_dim(dim) for dim in ("nO", "nK", "nI"))
    model.set_param("W", init_W(model.ops, (nO, nK * nI)).reshape(nO, nK, nI))
    model.set_param("b", init_b(model.ops, (nO,)))
