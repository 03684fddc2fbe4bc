"""PyTorchRNNWrapper: a recurrent PyTorch module as a layer for a Padded."""

from typing import Any, Callable, Optional, Tuple

from .._frameworks import torch2xp, xp2torch
from ..config import registry
from ..model import Model
from ..shims.pytorch import PyTorchShim
from ..types import ArgsKwargs, Padded
from .pytorchwrapper import wrapper


@registry.layers("PyTorchRNNWrapper.v1")
def PyTorchRNNWrapper(
    pytorch_model: Any, convert_inputs: Optional[Callable] = None, convert_outputs: Optional[Callable] = None
) -> Model[Padded, Padded]:
    """Y, state = pytorch_model(X.data, None), where X.data is (steps, sequences, width); the state is dropped.

    X: Padded.  Y: Padded. The module reads what X is padded with; PyTorchLSTM does not.
    """
    shim = PyTorchShim(pytorch_model)
    return wrapper(shim, convert_inputs or convert_rnn_inputs, convert_outputs or convert_rnn_outputs)


def convert_rnn_inputs(model: Model, Xp: Padded, is_train: bool) -> Tuple[ArgsKwargs, Callable[[ArgsKwargs], Padded]]:
    """The array of a Padded, and None for the state to start from, as arguments."""
    shim: Any = model.shims[0]
    tensor = xp2torch(Xp.data, requires_grad=is_train, device=shim.device)

    def back(gradients: ArgsKwargs) -> Padded:
        return with_data(Xp, torch2xp(gradients.args[0], ops=model.ops))

    return ArgsKwargs(args=(tensor, None), kwargs={}), back


def convert_rnn_outputs(
    model: Model, inputs_outputs: Tuple[Padded, Tuple[Any, Any]], is_train: bool
) -> Tuple[Padded, Callable[[Padded], ArgsKwargs]]:
    """The first of the outputs as a Padded like the batch."""
    Xp, (tensor, _) = inputs_outputs

    def back(dYp: Padded) -> ArgsKwargs:
        if dYp.data.shape != tuple(tensor.shape):
            shapes = f"{tuple(tensor.shape)}; got {dYp.data.shape}"
            raise ValueError(f"{model.name}: dY must have the shape of the output {shapes}")
        return ArgsKwargs(args=((tensor,),), kwargs={"grad_tensors": xp2torch(dYp.data, device=tensor.device)})

    return with_data(Xp, torch2xp(tensor, ops=model.ops)), back


def with_data(Xp: Padded, data: Any) -> Padded:
    """A Padded of the same sequences with other data."""
    return Padded(data, Xp.size_at_t, Xp.lengths, Xp.indices)
