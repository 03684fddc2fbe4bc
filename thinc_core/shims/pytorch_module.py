"""as_pytorch_module: a model of this library as a part of a PyTorch program."""

from typing import Any

from .._frameworks import assert_pytorch_installed
from ..model import Model


def as_pytorch_module(model: Model) -> Any:
    """A torch.nn.Module that runs the model: PyTorch's autograd goes through it, PyTorch's optimizers train it.

    model: initialised. It and the module share the memory of their parameters: each sees what the other does.
    RETURNS: the module. It takes and returns what the model does with tensors for arrays: a tensor, lists, tuples and
        dicts of them, a Ragged or Padded of which the data are a tensor. Its parameters are named
        "nodes.<number of the node in model.walk()>.<name>", the modules of PyTorchWrapper layers "shims.<number>".
        module.train() and eval() choose is_train; to(), double() and load_state_dict() act on the model too.
    Gradients of parameters go to their .grad, not to the model. There are no second derivatives.
    RAISES: ImportError without PyTorch; ValueError for a model with parameters that are not set, or with a softmax
        layer that wants the gradient of its logits, which PyTorch does not give.
    """
    assert_pytorch_installed()
    from ._pytorch_module import PyTorchModule

    return PyTorchModule(model)
