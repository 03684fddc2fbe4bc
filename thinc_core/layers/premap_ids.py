"""premap_ids: ids replaced by those of a table that is fixed when the layer is made."""

from typing import Callable, Mapping, Optional, Tuple, Union

from ..config import registry
from ..model import Model
from ..types import Ints1d, Ints2d
from ._ids import IdTable, column_of_ids, no_gradient

InT = Union[Ints1d, Ints2d]


@registry.layers("premap_ids.v1")
def premap_ids(
    mapping_table: Mapping[int, int], default: int = 0, *, column: Optional[int] = None
) -> Model[InT, Ints2d]:
    """Y[n] = mapping_table[X[n]], or `default` for what is not in the table. Faster than remap_ids, for integers only.

    X: (N,) integers, or (N, columns) when `column` says which one to look at.  Y: (N, 1) int32.
    mapping_table: ids in [0, 2^64) to numbers in [0, 2^31). It is saved with the model, as the attribute `table`; files
        of older libraries have no table, and leave that of the constructor.
    """
    for key, value in mapping_table.items():
        if not (isinstance(key, int) and isinstance(value, int)):
            pair = f"{key!r} ({type(key).__name__}) and {value!r} ({type(value).__name__})"
            raise ValueError(f"premap_ids: mapping_table must map int to int; got {pair}")
        if not (0 <= key < 2**64 and 0 <= value < 2**31):
            raise OverflowError(f"premap_ids: mapping_table must map [0, 2^64) to [0, 2^31); got {key} and {value}")
    attrs = {"table": IdTable(mapping_table), "default": default, "column": column}
    return Model("premap_ids", forward, attrs=attrs)


def forward(model: Model[InT, Ints2d], X: InT, is_train: bool) -> Tuple[Ints2d, Callable]:
    ids = column_of_ids(model, X, model.attrs["column"])
    if ids.dtype.kind not in "iu":
        raise ValueError(f"premap_ids: X must have an integer dtype; got {ids.dtype}")
    Y = model.attrs["table"].find(ids, model.attrs["default"])
    return model.ops.asarray2i(Y.reshape((-1, 1))), no_gradient(model, X)
