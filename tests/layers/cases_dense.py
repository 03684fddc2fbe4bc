"""Rows of the table of layers: dense layers and what else has parameters of its own."""

from typing import Any

import numpy

from thinc_core.layers import (
    CauchySimilarity,
    ClippedLinear,
    Dish,
    Gelu,
    HardSigmoid,
    HardSwish,
    HardSwishMobilenet,
    HardTanh,
    Logistic,
    ParametricAttention,
    ParametricAttention_v2,
    ReluK,
    Sigmoid,
    SparseLinear,
    SparseLinear_v2,
    Swish,
    chain,
    with_array,
)
from thinc_core.layers._checks import check_array, check_shape
from thinc_core.model import Model

from .case import NI, NO, Case, dense_case, plain_case

ACTIVATIONS = (ClippedLinear, Dish, HardSigmoid, HardSwish, HardSwishMobilenet, HardTanh, ReluK, Swish)
LINE = {"slope": -0.5, "offset": 0.25, "min_val": -0.2, "max_val": 0.6}


def bags() -> Model:
    """A row of an array as a bag whose keys are the numbers of the columns."""
    return Model("bags", bags_forward)


def bags_forward(model: Model, X: Any, is_train: bool) -> Any:
    check_array(model, X)
    keys = model.ops.asarray(numpy.tile(numpy.arange(X.shape[1]), len(X)))
    lengths = numpy.full(len(X), X.shape[1])
    return (keys, X.reshape(-1), lengths), lambda dbags: dbags[1].reshape(X.shape)


def pairs() -> Model:
    """A row of an array as two rows, each of which has something of all of it."""
    return Model("pairs", pairs_forward)


def pairs_forward(model: Model, X: Any, is_train: bool) -> Any:
    check_array(model, X)
    return (X, 1 - 2 * X), lambda dpair: dpair[0] - 2 * dpair[1]


def column() -> Model:
    """A number per row as a column."""
    return Model("column", column_forward)


def column_forward(model: Model, X: Any, is_train: bool) -> Any:
    def backprop(dY: Any) -> Any:
        check_shape(model, dY, (len(X), 1))
        return dY[:, 0]

    return X[:, None], backprop


def attention(**more: Any) -> Model:
    return ParametricAttention_v2(nO=NI, **more)


V2 = {"@layers": "ParametricAttention.v2", "nO": NI}
CASES = [
    *[dense_case(make) for make in (*ACTIVATIONS, Sigmoid)],
    *[dense_case(make, normalize=True, dropout=0.0) for make in ACTIVATIONS],
    dense_case(ClippedLinear, **LINE),
    dense_case(ReluK, k=0.5),
    plain_case(Logistic, kinds=("array",)),
    Case("CauchySimilarity", lambda: chain(pairs(), CauchySimilarity(NI), column())),
    Case("SparseLinear", lambda: chain(bags(), SparseLinear(NO, 16))),
    Case("SparseLinear_v2", lambda: chain(bags(), SparseLinear_v2(NO, 7))),
    Case("SparseLinear_in_batches", lambda: with_array(chain(bags(), SparseLinear_v2(NO, 7))), ("list", "ragged")),
    Case(
        "ParametricAttention",
        lambda: ParametricAttention(NI),
        ("ragged",),
        square=True,
        config={"@layers": "ParametricAttention.v1", "nO": NI},
    ),
    Case("ParametricAttention_v2", attention, ("ragged",), square=True, config=V2),
    Case(
        "ParametricAttention_v2_keys",
        lambda: attention(key_transform=Gelu()),
        ("ragged",),
        square=True,
        config={**V2, "key_transform": {"@layers": "Gelu.v1"}},
    ),
]
