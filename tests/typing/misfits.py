"""Layers that do not fit together: what mypy with our plugin says is in misfits.txt."""

from typing import TypeVar

from thinc_core import api
from thinc_core.api import Linear, Model, Relu, Softmax, add, chain, concatenate, list2ragged, reduce_max
from thinc_core.types import Floats2d, Ragged, XY_YZ_OutT

InT = TypeVar("InT")


def twice(layer: Model[InT, Floats2d], other: Model[Ragged, Floats2d]) -> Model[InT, XY_YZ_OutT]:
    raise NotImplementedError


chain(Relu(10), reduce_max(), Softmax())
hidden = Relu(10)
chain(hidden, Relu(10), Relu(10), Relu(10), hidden, reduce_max())
chain(Relu(10), chain(reduce_max(), Linear(3)))
api.chain(Relu(10), api.reduce_max())
add(Relu(3), Linear(3), reduce_max())
concatenate(Relu(3), list2ragged())
layers = [Relu(3), Linear(3)]
concatenate(*layers, reduce_max())
twice(layers[0], reduce_max())
