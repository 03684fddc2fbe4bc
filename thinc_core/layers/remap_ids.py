"""remap_ids: items of any hashable kind replaced by numbers of a table."""

from typing import Any, Callable, Dict, Hashable, Optional, Sequence, Tuple, Union

from ..config import registry
from ..model import Model
from ..types import DTypes, Ints1d, Ints2d
from ._ids import column_of_ids, no_gradient

InT = Union[Sequence[Hashable], Ints1d, Ints2d]
NO_TABLE: Dict[Any, int] = {}  # stands for a new one of the layer's own


@registry.layers("remap_ids.v1")
def remap_ids(
    mapping_table: Dict[Any, int] = NO_TABLE, default: int = 0, dtype: DTypes = "i"
) -> Model[Sequence[Any], Ints2d]:
    """Y[n] = mapping_table[X[n]], or `default` for what is not in the table.

    X: sequence of N items, or an (N,) array.  Y: (N, 1) of the dtype.
    mapping_table: saved with the model; it may be filled later, as an attribute.
    """
    attrs = {"mapping_table": {} if mapping_table is NO_TABLE else mapping_table, "dtype": dtype, "default": default}
    return Model("remap_ids", forward, attrs=attrs)


@registry.layers("remap_ids.v2")
def remap_ids_v2(
    mapping_table: Optional[Union[Dict[int, int], Dict[str, int]]] = None,
    default: int = 0,
    *,
    column: Optional[int] = None,
) -> Model[InT, Ints2d]:
    """remap_ids with a choice of column: X may be an (N, columns) array.  Y: (N, 1) int32.

    mapping_table: saved with the model; None means that it is set later, as an attribute, before the layer is used.
    """
    attrs = {"mapping_table": mapping_table, "default": default, "column": column}
    return Model("remap_ids", forward, attrs=attrs)


def forward(model: Model[Any, Ints2d], X: Any, is_train: bool) -> Tuple[Ints2d, Callable]:
    table, default = model.attrs["mapping_table"], model.attrs["default"]
    if table is None:
        raise ValueError("remap_ids: mapping_table must be set before use; got None (set model.attrs['mapping_table'])")
    items = column_of_ids(model, X, model.attrs.get("column")).tolist() if hasattr(X, "dtype") else X
    values: Any = [table.get(item, default) for item in items]
    Y: Any = model.ops.asarray(values, dtype=model.attrs.get("dtype", "int32"))
    return Y.reshape((-1, 1)), no_gradient(model, X)
