"""torch.autograd.backward, as it is called for one output."""

from typing import Any, Optional

from .. import compat


def backward(tensors: Any, grad_tensors: Any = None, **kwargs: Any) -> None:
    """torch.autograd.backward; by its engine alone where there is one output with a gradient like it.

    What PyTorch looks at in Python before, for all kinds of tensors, takes 13 us, 30 where a larger module has the
    caches: more than everything else that a wrapped layer costs. The engine checks shapes once more.
    """
    torch = compat.torch
    if not kwargs and type(tensors) is tuple and len(tensors) == 1 and _is_like(torch.Tensor, tensors[0], grad_tensors):
        engine = _engine()
        if engine is not None:
            engine.run_backward(
                tensors=tensors,
                grad_tensors=(grad_tensors,),
                keep_graph=False,
                create_graph=False,
                inputs=(),
                allow_unreachable=True,
                accumulate_grad=True,
            )
            return
    torch.autograd.backward(tensors, grad_tensors, **kwargs)


def _is_like(plain: Any, Y: Any, dY: Any) -> bool:
    return (
        type(Y) is plain and type(dY) is plain and Y.shape == dY.shape and Y.dtype == dY.dtype and Y.device == dY.device
    )


def _engine() -> Optional[Any]:
    """PyTorch's engine, which other trainers call in the same way; None should it be gone one day."""
    return getattr(compat.torch.autograd.Variable, "_execution_engine", None)
