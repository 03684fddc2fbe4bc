"""Class Ops: the declaration of every op, assembled from reference/. It is the oracle and every backend's parent."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, Callable, Optional, Tuple, TypeVar

from . import checks
from .reference.activations import INV_SQRT2, INV_SQRT_2PI, SQRT2PI
from .reference.attention import Attention
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
from .reference.sparse import Sparse

if TYPE_CHECKING:
    from ..types import DeviceTypes, FloatsXdT

ArrayT = TypeVar("ArrayT")
FloatsT = TypeVar("FloatsT")

__all__ = [
    "INV_SQRT2",
    "INV_SQRT_2PI",
    "SQRT2PI",
    "Ops",
    "backprop_lstm",
    "dsigmoid",
    "dtanh",
    "gaussian_cdf",
    "gaussian_pdf",
    "lstm_forward_training",
    "sigmoid",
]


class Ops(Batching, Pad, Gemm, Softmax, Seq2col, Gather, Sparse, LayerNorm, LSTM, Attention, Optim, Dropout):
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


def _ops_of(X: Any) -> Ops:
    """The ops of the device that an array is on."""
    from . import get_array_ops

    return get_array_ops(X)


def sigmoid(X: FloatsXdT, out: Optional[FloatsXdT] = None) -> FloatsXdT:
    """Ops.sigmoid with the ops of the array's device."""
    return _ops_of(X).sigmoid(X, out=out)


def dsigmoid(Y: FloatsXdT) -> FloatsXdT:
    """Ops.dsigmoid with the ops of the array's device: the slope of sigmoid from its output."""
    return _ops_of(Y).dsigmoid(Y)


def dtanh(Y: FloatsXdT) -> FloatsXdT:
    """Ops.dtanh with the ops of the array's device: the slope of tanh from its output."""
    return _ops_of(Y).dtanh(Y)


def lstm_forward_training(params: Any, c_init: Any, h_init: Any, X: Any, lengths: Any) -> Tuple[Any, Tuple]:
    """Ops.lstm_forward_training with the ops of the device of X.

    c_init, h_init: the initial cell and the initial output, in this order.  lengths: what is called size_at_t there.
    """
    return _ops_of(X).lstm_forward_training(params, h_init, c_init, X, lengths)


def backprop_lstm(dY: Any, lengths: Any, params: Any, fwd_state: Any) -> Tuple[Any, Any]:
    """Ops.backprop_lstm with the ops of the device of dY."""
    return _ops_of(dY).backprop_lstm(dY, lengths, params, fwd_state)
