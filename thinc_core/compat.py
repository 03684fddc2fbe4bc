"""Optional packages: every name here is looked up when it is first asked for, and None or False when absent.

Importing this module imports none of them. `compat.torch` imports PyTorch; `from thinc_core.compat import has_torch`
does too, because only the import tells whether an installation works.
"""

import importlib
import importlib.util
import sys
import warnings
from typing import TYPE_CHECKING, Any, Callable, Dict, List

if TYPE_CHECKING:
    blis: Any
    cublas: Any
    cupy: Any
    cupy_from_dlpack: Any
    cupy_version: Any
    cupyx: Any
    h5py: Any
    has_apple_ops: bool
    has_blis: bool
    has_cupy: bool
    has_cupy_gpu: bool
    has_gpu: bool
    has_os_signpost: bool
    has_torch: bool
    has_torch_amp: bool
    has_torch_cuda_gpu: bool
    has_torch_gpu: bool
    has_torch_mps: bool
    has_torch_mps_gpu: bool
    os_signpost: Any
    torch: Any
    torch_version: Any
    Version: Any

# These two stay off until import_tensorflow or enable_mxnet is called.
tensorflow: Any = None
mxnet: Any = None
has_tensorflow = False
has_tensorflow_gpu = False
has_mxnet = False

__all__ = ["cupy", "cupyx", "h5py", "mxnet", "os_signpost", "tensorflow", "torch"]


def _module(name: str) -> Any:
    """The package if it is installed and can be imported, else None."""
    if name not in sys.modules and importlib.util.find_spec(name) is None:
        return None
    try:
        return importlib.import_module(name)
    except Exception:  # a broken installation raises anything: ImportError, OSError, AttributeError, ...
        return None


def _self() -> Any:
    return sys.modules[__name__]


def _cublas() -> Any:
    try:
        return importlib.import_module("cupy.cublas") if _self().has_cupy else None
    except Exception:
        return None


def _cupy_from_dlpack() -> Any:
    cupy = _self().cupy
    if cupy is None:
        return None
    # The name that NumPy and the array API use came with CuPy 10.
    return getattr(cupy, "from_dlpack", None) or cupy.fromDlpack


def _has_cupy_gpu() -> bool:
    if not _self().has_cupy:
        return False
    try:
        return bool(_self().cupy.cuda.runtime.getDeviceCount())
    except Exception:
        return False


def _has_torch_cuda_gpu() -> bool:
    return bool(_self().has_torch and _self().torch.cuda.device_count() != 0)


def _torch_mps() -> Any:
    return getattr(getattr(_self().torch, "backends", None), "mps", None)


def _has_torch_amp() -> bool:
    if not _self().has_torch:
        return False
    version = tuple(int(part) for part in _self().torch.__version__.split("+")[0].split(".")[:2])
    disabled = getattr(_self().torch.cuda.amp, "common", None)
    return version >= (1, 9) and not (disabled is not None and disabled.amp_definitely_not_available())


class _Version(str):
    """Just enough of packaging.version.Version when that package is missing."""

    @property
    def release(self) -> Any:
        return tuple(int(part) for part in self.split("+")[0].split(".") if part.isdigit())


def _version_class() -> Any:
    packaging = _module("packaging.version") if importlib.util.find_spec("packaging") else None
    return _Version if packaging is None else packaging.Version


_LOOK_UP: Dict[str, Callable[[], Any]] = {
    "Version": _version_class,
    "cupy": lambda: _module("cupy"),
    "cupyx": lambda: _module("cupyx") if _self().has_cupy else None,
    "cublas": _cublas,
    "cupy_version": lambda: _self().Version(getattr(_self().cupy, "__version__", "0.0.0")),
    "cupy_from_dlpack": _cupy_from_dlpack,
    "has_cupy": lambda: _self().cupy is not None,
    "has_cupy_gpu": _has_cupy_gpu,
    "torch": lambda: _module("torch"),
    "torch_version": lambda: _self().Version(str(getattr(_self().torch, "__version__", "0.0.0"))),
    "has_torch": lambda: _self().torch is not None,
    "has_torch_cuda_gpu": _has_torch_cuda_gpu,
    "has_torch_gpu": lambda: _self().has_torch_cuda_gpu,
    "has_torch_mps": lambda: bool(_torch_mps() and _torch_mps().is_built()),
    "has_torch_mps_gpu": lambda: bool(_torch_mps() and _torch_mps().is_available()),
    "has_torch_amp": _has_torch_amp,
    "has_gpu": lambda: _self().has_cupy_gpu or (sys.platform == "darwin" and _self().has_torch_mps_gpu),
    "h5py": lambda: _module("h5py"),
    "os_signpost": lambda: _module("os_signpost"),
    "has_os_signpost": lambda: _self().os_signpost is not None,
    "blis": lambda: _module("blis"),
    "has_blis": lambda: _self().blis is not None,
    "has_apple_ops": lambda: sys.platform == "darwin",
}


def __getattr__(name: str) -> Any:
    if name not in _LOOK_UP:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = _LOOK_UP[name]()
    return value


def __dir__() -> List[str]:
    return sorted({*globals(), *_LOOK_UP})


def import_tensorflow() -> None:
    """Import TensorFlow and switch its wrapper on. RAISES: ImportError with the command that installs it."""
    global tensorflow, has_tensorflow, has_tensorflow_gpu
    try:
        tensorflow = importlib.import_module("tensorflow")
    except ImportError as error:
        raise ImportError("TensorFlow must be installed: pip install 'thinc_core[tensorflow]'") from error
    has_tensorflow = True
    has_tensorflow_gpu = len(tensorflow.config.list_physical_devices("GPU")) > 0


def enable_tensorflow() -> None:
    """import_tensorflow for old code: TensorFlowWrapper calls it by itself."""
    warnings.warn(
        "enable_tensorflow is kept for old code only: TensorFlow is imported when it is needed", DeprecationWarning, 2
    )
    import_tensorflow()


def enable_mxnet() -> None:
    """Import MXNet. RAISES: ImportError that says why there is none."""
    global mxnet, has_mxnet
    from ._frameworks import MXNET_IS_GONE

    warnings.warn("MXNet support is kept for old code only", DeprecationWarning, stacklevel=2)
    try:
        mxnet = importlib.import_module("mxnet")
    except ImportError as error:
        raise ImportError(MXNET_IS_GONE) from error
    has_mxnet = True
