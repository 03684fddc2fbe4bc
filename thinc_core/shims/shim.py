"""Shim: the interface between a node and a model of another framework that it holds."""

import contextlib
import copy
import threading
from typing import Any, Callable, Dict, Iterator, Optional, Tuple, TypeVar, Union

from .._model_io import FilePath, read_file, write_file
from ..model import Model

SelfT = TypeVar("SelfT", bound="Shim")


class Shim:
    """Base class of the wrappers around foreign models; a node keeps its own in `node.shims`.

    model: the foreign model. config: kept in `cfg`. optimizer: kept for subclasses.
    Ids come from the same counter as those of nodes: both are used in the keys of optimizers.
    """

    global_id: int = 0
    global_id_lock: threading.Lock = Model.global_id_lock

    id: int
    cfg: Dict[str, Any]
    _model: Any
    _optimizer: Optional[Any]

    def __init__(self, model: Any, config: Optional[Dict[str, Any]] = None, optimizer: Any = None) -> None:
        self._take_id()
        self.cfg = {} if config is None else dict(config)
        self._model = model
        self._optimizer = optimizer

    def _take_id(self) -> None:
        self.id = Shim.global_id = Model._next_id()

    def __call__(self, inputs: Any, is_train: bool) -> Tuple[Any, Callable[..., Any]]:
        """Run the foreign model. RETURNS: its outputs and the backprop callback."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__(inputs, is_train)")

    def predict(self, fwd_args: Any) -> Any:
        """The outputs alone."""
        return self(fwd_args, is_train=False)[0]

    def begin_update(self, fwd_args: Any) -> Tuple[Any, Callable[..., Any]]:
        """Outputs and callback, for training."""
        return self(fwd_args, is_train=True)

    def finish_update(self, optimizer: Any) -> None:
        """Update the foreign parameters and clear their gradients."""
        raise NotImplementedError(f"{type(self).__name__} must define finish_update(optimizer)")

    @contextlib.contextmanager
    def use_params(self, params: Dict[Any, Any]) -> Iterator[None]:
        """Swap in other parameters within the block; nothing is swapped unless a subclass does it."""
        yield

    def copy(self: SelfT) -> SelfT:
        """A copy with its own foreign model and its own id."""
        return copy.deepcopy(self)

    def __setstate__(self, state: Dict[str, Any]) -> None:
        # Reached by deepcopy and pickle: two shims with one id would share optimizer state.
        self.__dict__.update(state)
        self._take_id()

    def to_device(self, device_type: str, device_id: int) -> None:
        """Move the foreign model."""
        raise NotImplementedError(f"{type(self).__name__} must define to_device(device_type, device_id)")

    def to_disk(self, path: Union[str, FilePath]) -> None:
        """Write to_bytes() to a file; path may be any object with .open("wb")."""
        write_file(path, self.to_bytes())

    def from_disk(self: SelfT, path: Union[str, FilePath]) -> SelfT:
        """Load what to_disk wrote."""
        return self.from_bytes(read_file(path))

    def to_bytes(self) -> bytes:
        """The foreign model as bytes."""
        raise NotImplementedError(f"{type(self).__name__} must define to_bytes()")

    def from_bytes(self: SelfT, data: bytes) -> SelfT:
        """Load what to_bytes gave, into this object."""
        raise NotImplementedError(f"{type(self).__name__} must define from_bytes(data)")
