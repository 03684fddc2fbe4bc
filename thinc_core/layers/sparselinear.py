"""SparseLinear: a linear layer over bags of hashed keys, such as the words of a text."""

from functools import partial
from typing import Any, Callable, Optional, Tuple

from ..backends import checks
from ..config import registry
from ..model import Model
from ..types import Floats1d, Floats2d, Ints1d
from ._checks import check_gradient, check_items, on_device
from ._gradients import accumulate_marked
from ._widths import sample_width

InT = Tuple[Ints1d, Floats1d, Ints1d]
SparseT = Model[InT, Floats2d]


@registry.layers("SparseLinear.v1")
def SparseLinear(nO: Optional[int] = None, length: int = 2**18) -> SparseT:
    """SparseLinear_v2 as older models have it: neighbouring outputs share weights, of which only length + nO are used.

    length: a power of two, or most of the weights stay unused.
    """
    return _layer(nO, length, v1_indexing=True)


@registry.layers("SparseLinear.v2")
def SparseLinear_v2(nO: Optional[int] = None, length: int = 2**18) -> SparseT:
    """Y[s, o] = b[o] + sum over the keys k of bag s of values[k] * (W[o, h0(k)] + W[o, h1(k)]), h0 and h1 hashes.

    X: tuple of keys (K,) integers, values (K,) floats, lengths (B,) integers, keys per bag, that sum to K.  Y: (B, nO).
    Params: W (nO * length,), b (nO,), zeros at first.  An update visits only the gradients of weights that keys chose.
    length: weights for each output; the more, the fewer keys share one.
    """
    return _layer(nO, length, v1_indexing=False)


def forward(model: SparseT, X: InT, is_train: bool) -> Tuple[Floats2d, Callable]:
    ops: Any = model.ops
    W, v1_indexing = model.get_param("W"), model.attrs["v1_indexing"]
    check_items(model, X, "a tuple of keys, values and lengths", count=3)
    keys, values, lengths = X
    checks.floats(model.name, "the values of X", on_device(model, values))
    given = values.dtype
    bags = (keys, values.astype(W.dtype, copy=False), lengths)
    Y = ops.sparse_affine(*bags, W, model.get_param("b"), v1_indexing)
    add_gradients = partial(ops.backprop_sparse_affine, v1_indexing=v1_indexing)

    def backprop(dY: Floats2d) -> InT:
        check_gradient(model.name, dY, Y)
        dvalues = accumulate_marked(model, add_gradients, (dY, *bags, W), "W", "b")
        return ops.alloc(keys.shape, dtype=keys.dtype), dvalues.astype(given, copy=False), lengths

    return Y, backprop


def init(model: SparseT, X: Optional[InT] = None, Y: Optional[Floats2d] = None) -> None:
    width = sample_width(Y)
    if width is not None:
        model.set_dim("nO", width)
    nO = model.get_dim("nO")
    model.set_param("W", model.ops.alloc1f(nO * model.get_dim("length")))
    model.set_param("b", model.ops.alloc1f(nO))


init.param_shapes = {"b": ("nO",)}  # type: ignore[attr-defined]


def _layer(nO: Optional[int], length: int, v1_indexing: bool) -> SparseT:
    dims, attrs = {"nO": nO, "length": length}, {"v1_indexing": v1_indexing}
    return Model("sparse_linear", forward, init=init, dims=dims, params={"W": None, "b": None}, attrs=attrs)
