"""Class Ops: the declaration of every op, assembled from reference/. It is the oracle and every backend's parent."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from . import checks
from .reference.activations import INV_SQRT2, INV_SQRT_2PI, SQRT2PI
from .reference.batching import Batching
from .reference.dropout import Dropout
from .reference.gather import Gather
from .reference.gemm import Gemm
from .reference.layernorm import LayerNorm
from .reference.lstm import LSTM
from .reference.optim import Optim
from .reference.pad import Pad
from .reference.seq2col import Seq2col
from .reference.softmax import Softmax

if TYPE_CHECKING:
    from ..types import DeviceTypes

ArrayT = TypeVar("ArrayT")
FloatsT = TypeVar("FloatsT")

__all__ = ["INV_SQRT2", "INV_SQRT_2PI", "SQRT2PI", "Ops", "gaussian_cdf", "gaussian_pdf"]


class Ops(Batching, Pad, Gemm, Softmax, Seq2col, Gather, LayerNorm, LSTM, Optim, Dropout):
    """The ops of one device. This class computes them with plain array code in self.xp; backends override what they
    can do faster and inherit the rest.

    device_type: "cpu", "gpu" or "tpu".  device_id: number of the device, -1 for the CPU.
    Other keyword arguments are ignored, so that every backend can be made from the same configuration.
    """

    def __init__(self, device_type: DeviceTypes = "cpu", device_id: int = -1, **kwargs: Any) -> None:
        self.device_type = device_type
        self.device_id = device_id


def _named(op: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """The method, whose errors of an argument begin with the name of an op, whoever worded them."""

    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except Exception as error:
            if str(error).partition(":")[0] in _OPS:  # worded here, perhaps by an op that this one calls
                raise
            checks.reword(op, error)

    return call


_OPS = [name for name in dir(Ops) if not name.startswith("_") and callable(getattr(Ops, name))]
# These are cheap and leave the words to another op or see to them themselves; the wrapper would cost them 0.1 us.
_WITHOUT = re.compile(
    r"(alloc|asarray|reshape)\w*|as_contig|to_numpy|cblas|(backprop_)?(relu_k|hard_sigmoid|hard_tanh)"
)
for _name in _OPS:
    if not _WITHOUT.fullmatch(_name):
        setattr(Ops, _name, _named(_name, getattr(Ops, _name)))


def gaussian_cdf(ops: Ops, X: FloatsT) -> FloatsT:
    """Normal distribution function, elementwise, in X's dtype."""
    return ops._gaussian_cdf(X)


def gaussian_pdf(ops: Ops, X: FloatsT) -> FloatsT:
    """Normal density, elementwise, in X's dtype."""
    return ops._gaussian_pdf(X)
