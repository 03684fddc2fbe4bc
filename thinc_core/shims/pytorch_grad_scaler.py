"""PyTorchGradScaler: keeps the gradients inside of one PyTorch module large enough for float16."""

from typing import Any, Dict, Iterable, List, Union

from .. import compat
from .._frameworks import assert_pytorch_installed, is_torch_array

__all__ = ["PyTorchGradScaler"]


class PyTorchGradScaler:
    """Multiplies the gradient that enters a module by a large number, and divides what comes out of it again.

    When something became infinite on the way, the update of the module is left out and the scale goes down.
    Nothing outside of the module sees the scale: that is what this class adds to the GradScaler of an optimizer, which
    scales the loss of the whole model.

    enabled: False makes every method do nothing.  init_scale: the scale at first.
    backoff_factor, growth_factor: what it is multiplied by, down and up.
    growth_interval: updates in a row without overflow before it goes up.
    SOURCE: Micikevicius et al. 2018, arXiv:1710.03740, section 3.2; defaults are PyTorch's.
    """

    def __init__(
        self,
        enabled: bool = False,
        init_scale: float = 2.0**16,
        backoff_factor: float = 0.5,
        growth_factor: float = 2.0,
        growth_interval: int = 2000,
    ) -> None:
        assert_pytorch_installed()
        torch = compat.torch
        self._enabled = enabled
        self._growth_factor, self._backoff_factor, self._growth_interval = (
            growth_factor,
            backoff_factor,
            growth_interval,
        )
        self._scale = torch.full((1,), float(init_scale), dtype=torch.float32)
        self._growth_tracker = torch.zeros((1,), dtype=torch.int32)
        self._found: Dict[Any, Any] = {}  # by device: a float of 1 when something there was not finite

    @property
    def enabled(self) -> bool:
        return self._enabled

    def to_(self, device: Any) -> None:
        """Move the state to a device."""
        self._scale, self._growth_tracker = self._scale.to(device), self._growth_tracker.to(device)

    def scale(self, tensors: Union[Any, Iterable[Any]], inplace: bool = False) -> Union[Any, List[Any]]:
        """Times the scale: a tensor, or a list of those given. inplace: in their own memory.

        RAISES: ValueError for anything but tensors, for tensors outside of a CUDA device, and where PyTorch has no
            automatic mixed precision.
        """
        if not self._enabled:
            return tensors
        if is_torch_array(tensors):
            return self._scaled(tensors, inplace)
        if not isinstance(tensors, Iterable) or isinstance(tensors, (str, bytes)):
            raise ValueError(f"scale: tensors must be PyTorch tensors; got {type(tensors).__name__}")
        return [self._scaled(each, inplace) for each in tensors]

    def _scaled(self, tensor: Any, inplace: bool) -> Any:
        if not is_torch_array(tensor):
            raise ValueError(f"scale: tensors must be PyTorch tensors; got one of type {type(tensor).__name__}")
        if not tensor.is_cuda:
            raise ValueError(f"scale: tensors must be on a CUDA device; got one on {tensor.device} (set enabled=False)")
        if not compat.has_torch_amp:
            raise ValueError("scale: gradients can only be scaled with a PyTorch that has automatic mixed precision")
        scale = self._scale.to(tensor.device)
        if tensor.dtype == compat.torch.float16:  # the scale would be infinite itself
            tensor = tensor.float()
        return tensor.mul_(scale) if inplace else tensor * scale

    def unscale(self, tensors: Iterable[Any]) -> bool:
        """Divide by the scale, in place. RETURNS: whether anything was not finite since the last update.

        The answer makes the host wait for the GPU.
        """
        self.unscale_(tensors)
        return self.found_inf

    def unscale_(self, tensors: Iterable[Any]) -> None:
        """Divide by the scale, in place; found_inf knows afterwards, and nobody waits."""
        if not self._enabled:
            return
        torch = compat.torch
        groups: Dict[Any, List[Any]] = {}
        for tensor in tensors:
            groups.setdefault((tensor.device, tensor.dtype), []).append(tensor)
        for (device, _), group in groups.items():
            found = self.flag(device)
            inverse = self._scale.double().reciprocal().float().to(device)
            torch._amp_foreach_non_finite_check_and_unscale_(group, found, inverse)

    def flag(self, device: Any) -> Any:
        """(1,) float32 on that device: 1 when something there was not finite, else 0."""
        if device not in self._found:
            self._found[device] = compat.torch.zeros((1,), dtype=compat.torch.float32, device=device)
        return self._found[device]

    @property
    def found_inf(self) -> bool:
        """Whether a gradient since the last update was infinite or NaN. On a GPU this waits."""
        return any(bool(found.item()) for found in self._found.values())

    def update(self) -> None:
        """After a step: move the scale, and forget what was found."""
        if not self._enabled:
            return
        if self.found_inf:
            self._scale.mul_(self._backoff_factor)
            self._growth_tracker.zero_()
        else:
            self._growth_tracker += 1
            if int(self._growth_tracker.item()) == self._growth_interval:
                self._scale.mul_(self._growth_factor)
                self._growth_tracker.zero_()
        for found in self._found.values():
            found.zero_()
