"""A row of the table of layers: what it says of a layer, and how one is built and fed from it."""

from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Tuple

import numpy

from thinc_core.layers import LSTM, Linear, with_array2d
from thinc_core.model import Model
from thinc_core.util import fix_random_seed

from .containers import pack

NI, NO = 4, 3
LENGTHS = [3, 0, 2, 1]
EVERY = ("array", "list", "ragged", "padded")
SEQUENCES = ("list", "ragged", "padded")


@dataclass
class Case:
    """A layer from width NI to NO (or to NI, with `square`).

    kinds: the batches it takes. lengths: of the sequences. nonempty: it refuses sequences without rows.
    config: the block that builds it from the registry.  fixed: names of parameters that have no gradient.
    """

    id: str
    make: Callable[[], Model]
    kinds: Tuple[str, ...] = ("array",)
    square: bool = False
    nonempty: bool = False
    config: Dict[str, Any] = field(default_factory=dict)
    fixed: Tuple[str, ...] = ()


def dense_case(make: Any, **kwargs: Any) -> Case:
    config = {"@layers": f"{make.__name__}.v1", "nO": NO, "nI": NI, **kwargs}
    name = "_".join([make.__name__, *kwargs])
    return Case(name, lambda: make(NO, NI, **kwargs), config=config)


def plain_case(make: Any, *args: Any, **kwargs: Any) -> Case:
    settings = {"kinds": ("ragged",), "square": True, **kwargs}
    return Case(make.__name__, lambda: make(*args), config={"@layers": f"{make.__name__}.v1"}, **settings)


def lstm_case(**kwargs: Any) -> Case:
    nO = NO + 1  # both directions get the same number of columns
    config = {"@layers": "LSTM.v1", "nO": nO, "nI": NI, **kwargs}
    return Case("_".join(["LSTM", *kwargs]), lambda: LSTM(nO, NI, **kwargs), ("padded",), config=config)


def linear() -> Model:
    return Linear(NO, NI)


def rows(layer: Model) -> Model:
    """A layer for arrays as one for any kind of batch."""
    return with_array2d(layer)


def sample(case: Case, kind: str, ops: Any, dtype: str = "float64", lengths: Any = None) -> Any:
    random = numpy.random.RandomState(1)
    if lengths is None:
        lengths = [length or 1 for length in LENGTHS] if case.nonempty else LENGTHS
    Xs = [random.normal(size=(length, NI)).astype(dtype) for length in lengths]
    return pack(ops, kind, Xs, numpy.zeros((0, NI), dtype=dtype))


def build(case: Case, ops: Any = None, dtype: str = "float64") -> Model:
    """The initialised layer, with parameters that are random everywhere."""
    fix_random_seed(0)
    model = case.make()
    if ops is not None:
        model._to_ops(ops)
    model.initialize()
    for node in model.walk():
        for name in node.param_names:
            param = node.get_param(name)
            node.set_param(name, (param + numpy.random.normal(scale=0.5, size=param.shape)).astype(dtype))
    return model
