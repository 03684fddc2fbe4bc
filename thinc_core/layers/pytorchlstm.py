"""PyTorchLSTM: the LSTM of PyTorch, for any kind of sequences."""

from typing import Any, Callable, List, Tuple

from .. import compat
from .._frameworks import assert_pytorch_installed, torch2xp, xp2torch
from ..config import registry
from ..model import Model
from ..types import ArgsKwargs, Padded
from ._padded import check_padded, live_rows, rows_of, rows_of_gradient, with_rows
from .noop import noop
from .pytorchrnnwrapper import PyTorchRNNWrapper
from .with_padded import with_padded


@registry.layers("PyTorchLSTM.v1")
def PyTorchLSTM(nO: int, nI: int, *, bi: bool = False, depth: int = 1, dropout: float = 0.0) -> Model[Any, Any]:
    """Y = output of the last layer at each step; with `bi`, left to right beside right to left, nO / 2 columns each.

    X: list of (T, nI), Ragged or Padded.  Y: the same kind, nO wide. Padding is neither read nor written.
    depth: layers; 0 makes a noop.  dropout: probability of zeroing an output between two layers while training.
    SOURCE: torch.nn.LSTM, which holds the parameters; LSTM is the layer of this library.
    """
    if depth == 0:
        return noop()
    if nO % (1 + bool(bi)):
        raise ValueError(f"pytorchlstm: nO must be even with bi=True; got {nO}")
    assert_pytorch_installed()
    lstm = compat.torch.nn.LSTM(nI, nO // (1 + bool(bi)), depth, bidirectional=bi, dropout=dropout)
    wrapped = PyTorchRNNWrapper(lstm, convert_packed_inputs, convert_packed_outputs)
    wrapped.set_dim("nO", nO)
    wrapped.set_dim("nI", nI)
    return with_padded(wrapped)


def convert_packed_inputs(
    model: Model, Xp: Padded, is_train: bool
) -> Tuple[ArgsKwargs, Callable[[ArgsKwargs], Padded]]:
    """The rows of a Padded, without what it is padded with, as a PackedSequence."""
    check_padded(model, Xp)
    ops: Any = model.ops
    shim: Any = model.shims[0]
    live, nI = live_rows(ops, Xp), model.get_dim("nI")
    rows = rows_of(model, Xp, live, nI)
    sizes: List[int] = [int(size) for size in ops._host(model.name, "size_at_t", Xp.size_at_t) if size]
    # PyTorch refuses a batch without rows: it gets one of zeros, whose output nobody reads.
    data = xp2torch(rows if sizes else ops.alloc2f(1, nI), requires_grad=is_train, device=shim.device)
    packed = compat.torch.nn.utils.rnn.PackedSequence(data, compat.torch.tensor(sizes or [1]))

    def back(gradients: ArgsKwargs) -> Padded:
        return with_rows(ops, Xp, live, torch2xp(gradients.args[0][0], ops=ops)[: len(rows)])

    return ArgsKwargs(args=(packed, None), kwargs={}), back


def convert_packed_outputs(
    model: Model, inputs_outputs: Tuple[Padded, Tuple[Any, Any]], is_train: bool
) -> Tuple[Padded, Callable[[Padded], ArgsKwargs]]:
    """The packed outputs as a Padded like the batch, with zeros behind the ends."""
    Xp, (packed, _) = inputs_outputs
    ops: Any = model.ops
    live, Y = live_rows(ops, Xp), packed.data
    n_rows = int(Xp.size_at_t.sum())

    def back(dYp: Padded) -> ArgsKwargs:
        dY = ops.alloc2f(*Y.shape, dtype=dYp.data.dtype)
        dY[:n_rows] = rows_of_gradient(model, dYp, Xp, live, Y.shape[1])
        return ArgsKwargs(args=((Y,),), kwargs={"grad_tensors": xp2torch(dY, device=Y.device)})

    return with_rows(ops, Xp, live, torch2xp(Y, ops=ops)[:n_rows]), back
