"""Layers that fit together: mypy with our plugin finds nothing here, and knows the types of the results."""

from typing import List, TypeVar

from typing_extensions import assert_type

from thinc_core import api
from thinc_core.api import (
    AdamW,
    Config,
    Linear,
    Model,
    Relu,
    Schedule,
    Softmax,
    add,
    chain,
    concatenate,
    cosine,
    reduce_max,
    reduce_mean,
    registry,
)
from thinc_core.types import Floats2d, Ragged, XY_XY_OutT, XY_YZ_OutT

InT = TypeVar("InT")
Dense = Model[Floats2d, Floats2d]


def twice(layer: Dense, other: Dense, *more: Model[Floats2d, Floats2d]) -> Model[InT, XY_YZ_OutT]:
    raise NotImplementedError


def beside(*layers: Model[InT, Floats2d]) -> Model[InT, XY_XY_OutT]:
    raise NotImplementedError


assert_type(chain(Relu(10), Softmax()), Dense)
assert_type(chain(Relu(10), Relu(10), Relu(10), Relu(10), Relu(10), Softmax()), Dense)
assert_type(chain(reduce_max(), Relu(10), chain(Relu(10), Softmax())), Model[Ragged, Floats2d])
assert_type(api.chain(Relu(10), api.Linear(3)), Dense)
assert_type(add(Relu(3), Linear(3), chain(Linear(2), Relu(3))), Dense)
assert_type(concatenate(reduce_max(), reduce_mean(), reduce_max()), Model[Ragged, Floats2d])
layers: List[Dense] = [Relu(10), Linear(3)]
assert_type(concatenate(*layers), Dense)
assert_type(concatenate(Relu(3), *layers, Linear(2)), Dense)
assert_type(twice(Relu(10), Relu(10)), Dense)
assert_type(beside(reduce_max(), reduce_mean()), Model[Ragged, Floats2d])

model = chain(*layers)
rates: Schedule[float] = cosine(0.1, 100)
optimizer = AdamW(rates)
config: Config = Config().from_str("")
made = registry.resolve(config)
