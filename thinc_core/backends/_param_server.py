"""ParamServer: where a model keeps its parameters and gradients, or hands them to a proxy that shares them."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Protocol, Tuple

KeyT = Tuple[int, str]


class ParamProxy(Protocol):
    """What a proxy must offer to share the parameters of a model between workers."""

    def get_param(self, model_id: int, name: str) -> Any: ...

    def set_param(self, model_id: int, name: str, value: Any) -> None: ...

    def set_grad(self, model_id: int, name: str, value: Any) -> None: ...

    def inc_grad(self, model_id: int, name: str, value: Any) -> None: ...


class ParamServer:
    """Parameters and gradients under the keys (model id, name).

    params, grads: starting values; the dictionaries are copied, the arrays are not.
    proxy: when given, parameters are read from it, written to both, and gradients go to it alone.
    """

    __slots__ = ("_grads", "_marks", "_params", "proxy")

    def __init__(
        self,
        params: Optional[Mapping[KeyT, Any]] = None,
        grads: Optional[Mapping[KeyT, Any]] = None,
        *,
        proxy: Optional[ParamProxy] = None,
    ) -> None:
        self._params: Dict[KeyT, Any] = dict(params or {})
        self._grads: Dict[KeyT, Any] = dict(grads or {})
        self._marks: Dict[KeyT, Tuple[Any, Any]] = {}  # a gradient and its marks, as long as nobody else has seen it
        self.proxy = proxy

    @property
    def param_keys(self) -> Tuple[KeyT, ...]:
        """Keys of the parameters, in the order they were set."""
        return tuple(self._params)

    @property
    def grad_keys(self) -> Tuple[KeyT, ...]:
        """Keys of the parameters that have a gradient."""
        return tuple(key for key in self._params if key in self._grads)

    def has_param(self, model_id: int, name: str) -> bool:
        """Whether the parameter has been set."""
        return (model_id, name) in self._params

    def has_grad(self, model_id: int, name: str) -> bool:
        """Whether the parameter has a gradient here."""
        return (model_id, name) in self._grads

    def get_param(self, model_id: int, name: str) -> Any:
        """The parameter; refreshed from the proxy when there is one.

        RAISES: KeyError when it has not been set.
        """
        key = (model_id, name)
        if key not in self._params:
            raise KeyError(key)
        if self.proxy is not None:
            self._params[key] = self.proxy.get_param(model_id, name)
        return self._params[key]

    def get_grad(self, model_id: int, name: str) -> Any:
        """The gradient.

        RAISES: KeyError when there is none.
        """
        self._marks.pop((model_id, name), None)
        return self._grads[(model_id, name)]

    def get_marks(self, key: KeyT) -> Any:
        """Marks of the lines that the gradient touches; None when it may have been written to by anyone."""
        gradient, marks = self._marks.get(key, (None, None))
        return marks if gradient is self._grads.get(key) else None

    def set_marks(self, key: KeyT, marks: Any) -> None:
        """Keep marks for the gradient there is, which nobody else has seen."""
        self._marks[key] = self._grads[key], marks

    def set_param(self, model_id: int, name: str, value: Any) -> None:
        """Set the parameter, here and in the proxy."""
        if self.proxy is not None:
            self.proxy.set_param(model_id, name, value)
        self._params[(model_id, name)] = value

    def del_param(self, model_id: int, name: str) -> None:
        """Forget the parameter and its gradient here; nothing happens when there is none."""
        for table in (self._params, self._grads, self._marks):
            table.pop((model_id, name), None)

    def set_grad(self, model_id: int, name: str, value: Any) -> None:
        """Replace the gradient: in the proxy when there is one, else here."""
        self._marks.pop((model_id, name), None)
        if self.proxy is not None:
            self.proxy.set_grad(model_id, name, value)
        else:
            self._grads[(model_id, name)] = value

    def inc_grad(self, model_id: int, name: str, value: Any) -> None:
        """Add to the gradient, in place; the first value is copied. With a proxy, the proxy adds."""
        key = (model_id, name)
        self._marks.pop(key, None)
        if self.proxy is not None:
            self.proxy.inc_grad(model_id, name, value)
        elif key not in self._grads:
            self._grads[key] = value.copy() if hasattr(value, "copy") else value
        else:
            self._grads[key] += value
