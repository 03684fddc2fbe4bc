"""TorchScriptShim: a TorchScript module, which is saved together with its program."""

import io
import warnings
from typing import Any, Callable, Dict, Optional

from .. import compat
from .._frameworks import assert_pytorch_installed, get_torch_default_device
from ..errors import ModelLoadError
from .pytorch import PyTorchShim, unpacked
from .pytorch_grad_scaler import PyTorchGradScaler


class TorchScriptShim(PyTorchShim):
    """A torch.jit.ScriptModule; None makes one to load into.

    Its file holds a program that runs when the module does: load only what you trust. Other settings: PyTorchShim.
    RAISES: ValueError for a module that is no ScriptModule.
    """

    def __init__(
        self,
        model: Any,
        config: Optional[Dict[str, Any]] = None,
        optimizer: Any = None,
        mixed_precision: bool = False,
        grad_scaler: Optional[PyTorchGradScaler] = None,
        device: Any = None,
    ) -> None:
        assert_pytorch_installed()
        if model is not None and not isinstance(model, compat.torch.jit.ScriptModule):
            found = type(model).__name__
            raise ValueError(f"torchscript: model must be a torch.jit.ScriptModule or None; got {found}")
        super().__init__(model, config, optimizer, mixed_precision, grad_scaler, device)

    def __getstate__(self) -> Dict[str, Any]:
        # PyTorch pickles no compiled module, but writes it as a program.
        state = super().__getstate__()
        return {**state, "_model": None if self._model is None else self._program()}

    def __setstate__(self, state: Dict[str, Any]) -> None:
        program = state["_model"]
        where = None if compat.torch.cuda.is_available() else "cpu"  # written on a GPU perhaps
        load = compat.torch.jit.load
        model = None if program is None else without_deprecation(load, io.BytesIO(program), map_location=where)
        super().__setstate__({**state, "_model": model})

    def _program(self) -> bytes:
        """What torch.jit.save writes."""
        buffer = io.BytesIO()
        without_deprecation(compat.torch.jit.save, self._model, buffer)
        return buffer.getvalue()

    def to_bytes(self) -> bytes:
        """msgpack of {"config": cfg, "model": what torch.jit.save writes}."""
        import srsly

        return srsly.msgpack_dumps({"config": self.cfg, "model": self._program()})

    def from_bytes(self, bytes_data: bytes) -> "TorchScriptShim":
        """Load what to_bytes gave, onto the device of the current ops. RAISES: ModelLoadError when it cannot be."""
        config, data = unpacked(bytes_data, "model")
        device = get_torch_default_device()
        where = "cpu" if device.type == "mps" else device  # a file cannot be read to there at once
        try:
            model = without_deprecation(compat.torch.jit.load, io.BytesIO(data), map_location=where)
        except Exception as error:
            cause = (str(error) or type(error).__name__).splitlines()[0]
            raise ModelLoadError(
                f"torchscript: must be what torch.jit.save wrote; got {len(data)} bytes ({cause})"
            ) from error
        self._model = model.to(device)
        self._grad_scaler.to_(device)
        self.cfg = config
        return self


def without_deprecation(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """torch.jit says at each call that torch.export will replace it, which users of these wrappers cannot help."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return function(*args, **kwargs)
