"""ONNXShim: an ONNX file in a model. It predicts, with onnxruntime, and has no gradients."""

import os
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy

from ..errors import KindError, ShapeError
from ..types import ArgsKwargs
from .shim import Shim

INSTALL = "pip install 'thinc_core[onnx]'"
PROVIDERS = {"cpu": "CPUExecutionProvider", "gpu": "CUDAExecutionProvider"}
_DTYPES = {"float": "float32", "double": "float64"}  # others are called as NumPy calls them


class Tensor(NamedTuple):
    """An input or output: its name, its dtype, and its sizes, None where any size will do."""

    name: str
    dtype: str
    sizes: Optional[Tuple[Optional[int], ...]]

    def check(self, what: str, array: Any) -> None:
        """RAISES: ShapeError unless an array has as many axes, and the sizes that are fixed."""
        if self.sizes is None:
            return
        fits = len(self.sizes) == array.ndim and all(
            size in (None, found) for size, found in zip(self.sizes, array.shape)
        )
        if not fits:
            sizes = ", ".join("any" if size is None else str(size) for size in self.sizes)
            raise ShapeError(f"onnx: {what} {self.name!r} must have shape ({sizes}); got {tuple(array.shape)}")


class ONNXShim(Shim):
    """Holds the bytes of an ONNX file, and a session of onnxruntime that runs it.

    model: path, bytes, an onnx.ModelProto, or None: only good for loading into.
    Saved with the model that holds it, as a whole; loading runs no code but the operators that ONNX defines.
    """

    _model: Optional[bytes]

    def __init__(self, model: Any = None, config: Optional[Dict[str, Any]] = None, optimizer: Any = None) -> None:
        super().__init__(None, config, optimizer)
        self.device_type = "cpu"
        self.inputs: List[Tensor] = []
        self.outputs: List[Tensor] = []
        self.metadata: Dict[str, str] = {}
        self._session: Any = None
        if model is not None:
            self._load(_bytes_of(model))

    def __call__(self, inputs: ArgsKwargs, is_train: bool) -> Tuple[List[Any], Callable[..., Any]]:
        """Run the file. inputs: NumPy arrays, in the order of the file's inputs or by name. RETURNS: its outputs.

        RAISES: ValueError for inputs that are missing, unknown, or of the wrong shape; TypeError for other dtypes.
        """
        if self._session is None:
            raise ValueError("onnx: a file must be loaded first; got a layer that was made without one")
        Ys = self._session.run(None, self._feed(inputs))
        for tensor, array in zip(self.outputs, Ys):
            tensor.check("output", array)
        return Ys, _no_backprop

    def _feed(self, inputs: ArgsKwargs) -> Dict[str, Any]:
        names = [tensor.name for tensor in self.inputs]
        given = {**dict(zip(names, inputs.args)), **inputs.kwargs}
        if len(inputs.args) + len(inputs.kwargs) != len(names) or set(given) != set(names):
            got = f"{len(inputs.args)} arrays" + "".join(f" and {name!r}" for name in inputs.kwargs)
            raise ValueError(f"onnx: the inputs must be {', '.join(map(repr, names))}; got {got}")
        return {tensor.name: _converted(tensor, given[tensor.name]) for tensor in self.inputs}

    def finish_update(self, optimizer: Any) -> None:
        """Nothing: there is nothing to update."""

    def copy(self) -> "ONNXShim":
        """A shim with an id of its own, around the same session, which nothing changes."""
        new = type(self)(None, self.cfg)
        for name in ("device_type", "inputs", "outputs", "metadata", "_model", "_session"):
            setattr(new, name, getattr(self, name))
        return new

    def __deepcopy__(self, memo: Any) -> "ONNXShim":
        return self.copy()

    def __getstate__(self) -> Dict[str, Any]:
        return {**self.__dict__, "_session": None}

    def __setstate__(self, state: Dict[str, Any]) -> None:
        super().__setstate__(state)
        if self._model is not None:
            self._load(self._model)

    def to_device(self, device_type: str, device_id: int) -> None:
        """Run on the CPU or, with onnxruntime-gpu, on a GPU. RAISES: ValueError when onnxruntime has none."""
        if device_type not in PROVIDERS:
            raise ValueError(f"onnx: device must be one of {', '.join(PROVIDERS)}; got {device_type!r}")
        if device_type == self.device_type:
            return
        found = _runtime().get_available_providers()
        if PROVIDERS[device_type] not in found:
            raise ValueError(
                f"onnx: onnxruntime must have {PROVIDERS[device_type]} to run on a GPU; got {', '.join(found)} "
                "(pip install onnxruntime-gpu, or keep the layer on the CPU: with_cpu)"
            )
        self.device_type = device_type
        if self._model is not None:
            self._load(self._model)

    def to_bytes(self) -> bytes:
        """The file with what it needs to be checked. RAISES: ValueError without a file."""
        import srsly

        if self._model is None:
            raise ValueError("onnx: a file must be loaded before it can be saved")
        return srsly.msgpack_dumps({"config": self.cfg, "model": self._model})

    def from_bytes(self, data: bytes) -> "ONNXShim":
        """Load what to_bytes gave. RAISES: ValueError when that is no ONNX file; the shim is then as it was."""
        from .._model_io import unpack

        message = unpack(data)
        whole = isinstance(message, dict) and isinstance(message.get("config"), dict)
        if not whole or not isinstance(message.get("model"), bytes):
            raise ValueError("onnx: the saved layer must hold a config and an ONNX file; got others")
        self._load(message["model"])
        self.cfg = message["config"]
        return self

    def _load(self, model: bytes) -> None:
        runtime = _runtime()
        options = runtime.SessionOptions()
        # One thread per op as everywhere here; warnings of the optimizer are for those who wrote it.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            session = runtime.InferenceSession(model, options, providers=[PROVIDERS[self.device_type]])
        except Exception as error:  # a dozen types of its own
            raise ValueError(f"onnx: must be an ONNX file that onnxruntime can run; got {error}") from error
        self.inputs, self.outputs = ([_tensor(each) for each in part] for part in _ends(session))
        self.metadata = dict(session.get_modelmeta().custom_metadata_map)
        self._session, self._model = session, model


def _runtime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError(f"onnx: the package onnxruntime must be installed: {INSTALL}") from error
    return onnxruntime


def _bytes_of(model: Union[str, "os.PathLike[str]", bytes, Any]) -> bytes:
    if isinstance(model, (bytes, bytearray)):
        return bytes(model)
    if hasattr(model, "SerializeToString"):
        return model.SerializeToString()
    with open(model, "rb") as file_:
        return file_.read()


def _ends(session: Any) -> Tuple[Sequence[Any], Sequence[Any]]:
    return session.get_inputs(), session.get_outputs()


def _tensor(info: Any) -> Tensor:
    kind = info.type.removeprefix("tensor(").removesuffix(")")
    # No shape at all and the shape of a number are reported alike, so that neither is checked.
    sizes = tuple(size if isinstance(size, int) else None for size in info.shape) if info.shape else None
    return Tensor(info.name, _DTYPES.get(kind, kind), sizes)


def _converted(tensor: Tensor, array: Any) -> Any:
    """The array in the dtype of the input. RAISES: KindError when values would change by more than a rounding."""
    dtype = numpy.dtype(tensor.dtype)
    if not (numpy.can_cast(array.dtype, dtype, "safe") or array.dtype.kind == dtype.kind == "f"):
        raise KindError(f"onnx: input {tensor.name!r} must be of {dtype}; got {array.dtype}")
    tensor.check("input", array)
    return numpy.ascontiguousarray(array, dtype=dtype)


def _no_backprop(dY: Any) -> Any:
    raise NotImplementedError(
        "onnx: a file predicts and has no backprop (frozen=True gives the layers below it a gradient of zeros)"
    )
