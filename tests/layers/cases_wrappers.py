"""Rows of the table of layers: combinators, and layers around one other layer."""

from typing import Any, Callable, Tuple

from thinc_core.backends import NumpyOps
from thinc_core.layers import (
    LSTM,
    Linear,
    Mish,
    bidirectional,
    bidirectional_v2,
    chain,
    list2ragged,
    map_list,
    noop,
    reduce_sum,
    resizable,
    siamese,
    tuplify,
    uniqued,
    with_array2d,
    with_cpu,
    with_debug,
    with_flatten,
    with_flatten_v2,
    with_getitem,
    with_nvtx_range,
    with_reshape,
)
from thinc_core.layers._checks import check_shape
from thinc_core.layers.resizable import resize_linear_weighted
from thinc_core.model import Model

from .case import EVERY, NI, NO, SEQUENCES, Case, linear, rows


def product() -> Model[Tuple[Any, Any], Any]:
    """A similarity: the elementwise product of a pair."""
    return Model("product", product_forward)


def product_forward(model: Model, X: Tuple[Any, Any], is_train: bool) -> Tuple[Any, Callable]:
    first, second = X
    if first.shape != second.shape:
        raise ValueError(f"product: X must be arrays of one shape; got {first.shape} and {second.shape}")

    def backprop(dY: Any) -> Tuple[Any, Any]:
        check_shape(model, dY, first.shape)
        return dY * second, dY * first

    return first * second, backprop


CASES = [
    Case("bidirectional", lambda: bidirectional(rows(linear()), rows(Mish(2, NI))), ("padded",)),
    Case("bidirectional_v2", lambda: bidirectional_v2(rows(linear()), rows(Mish(2, NI))), ("padded",)),
    Case("bidirectional_LSTM", lambda: bidirectional_v2(LSTM(NO, NI)), ("padded",)),
    Case("map_list", lambda: map_list(linear()), ("list",)),
    Case("resizable", lambda: resizable(linear(), resize_linear_weighted)),
    Case("siamese", lambda: siamese(linear(), product()), ("pair",)),
    Case("tuplify", lambda: tuplify(linear(), Mish(5, NI), Linear(2, NI))),
    Case("tuplify_noops", lambda: tuplify(noop(), noop(), noop()), EVERY),
    Case("tuplify_sequences", lambda: tuplify(noop(), rows(linear()), rows(linear())), SEQUENCES),
    Case("uniqued", lambda: uniqued(linear(), column=1)),
    Case("with_cpu", lambda: with_cpu(rows(linear()), NumpyOps()), EVERY),
    Case("with_debug", lambda: with_debug(linear())),
    Case("with_flatten", lambda: with_flatten(chain(list2ragged(), with_array2d(linear()), reduce_sum())), ("nested",)),
    Case("with_flatten_v2", lambda: with_flatten_v2(rows(linear())), ("nested",)),
    Case("with_getitem", lambda: with_getitem(1, linear()), ("pair",)),
    Case("with_getitem_last", lambda: with_getitem(-1, linear()), ("pair",)),
    Case("with_nvtx_range", lambda: with_nvtx_range(linear())),
    Case("with_reshape", lambda: with_reshape(linear()), ("array", "array3d")),
]
