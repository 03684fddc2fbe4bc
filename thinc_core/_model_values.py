"""What a node holds: dims, parameters, gradients and references. Part of class Model, kept apart for size."""

from operator import index as as_index
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional, Tuple, cast

from . import _model_tree
from .backends._param_server import ParamServer
from .backends.reference._lines import line_bytes
from .errors import KindError, NodeKeyError, short_name

if TYPE_CHECKING:
    from .backends import Ops
    from .model import Model
    from .shims import Shim

KeyT = Tuple[int, str]


def checked_dim(node_name: str, dim: str, value: Any) -> int:
    """The dim as a plain int. RAISES: KindError for anything but an integer; ValueError below 1."""
    try:
        if isinstance(value, bool):
            raise TypeError
        size = as_index(value)
    except TypeError:
        raise KindError(f"{short_name(node_name)}: dim {dim!r} must be a positive int or None; got {value!r}") from None
    if size < 1:
        raise ValueError(f"{short_name(node_name)}: dim {dim!r} must be a positive int or None; got {size}")
    return size


# What else tells a dim, besides the arguments of the layer.
_SAMPLES = {"nI": ", or sample data X to initialize()", "nO": ", or sample data Y to initialize()"}


class NodeValues:
    """Dims, parameters, gradients and references of one node; class Model holds the slots."""

    __slots__ = ()

    if TYPE_CHECKING:
        name: str
        id: int
        ops: "Ops"
        _params: ParamServer
        _dims: Dict[str, Optional[int]]
        _attrs: Dict[str, Any]
        _refs: Dict[str, Optional["Model"]]
        _layers: List["Model"]
        _shims: List["Shim"]
        _has_params: Dict[str, Optional[bool]]
        init: Optional[Callable[..., Any]]

    @property
    def layers(self) -> List["Model"]:
        """Child nodes; a live list."""
        return self._layers

    @property
    def shims(self) -> List["Shim"]:
        """Wrapped models of other frameworks; a live list."""
        return self._shims

    @property
    def attrs(self) -> Dict[str, Any]:
        """Further values; a live dict."""
        return self._attrs

    @property
    def param_names(self) -> Tuple[str, ...]:
        """Names of all parameters, allocated or not."""
        return tuple(self._has_params)

    @property
    def grad_names(self) -> Tuple[str, ...]:
        """Names of the parameters that have a gradient."""
        return tuple(name for name in self._has_params if self.has_grad(name))

    @property
    def dim_names(self) -> Tuple[str, ...]:
        """Names of all dims, set or not."""
        return tuple(self._dims)

    @property
    def ref_names(self) -> Tuple[str, ...]:
        """Names of all references, set or not."""
        return tuple(self._refs)

    @property
    def has_grad_proxy(self) -> bool:
        """Do gradients go to a remote server? Then they must be given to inc_grad, as grad_buffer is local."""
        return self._params.proxy is not None

    def has_dim(self, name: str) -> Optional[bool]:
        """True when set, None when not set yet, False when the node has no such dim."""
        dims = self._dims
        if name in dims:
            return None if dims[name] is None else True
        return False

    def get_dim(self, name: str) -> int:
        """The dim. RAISES: KeyError when there is no such dim; ValueError when it is not set yet."""
        value = self._dims.get(name)
        if value is None:
            self._raise_dim(name)
        return value  # type: ignore[return-value]

    def _raise_dim(self, name: str) -> None:
        if name not in self._dims:
            raise NodeKeyError(f"get_dim: dim must be one of {list(self._dims)} of node {self._label()}; got {name!r}")
        raise ValueError(
            f"get_dim: dim {name!r} of node {self._label()} is not set yet (pass {name}= when the layer is made"
            f"{_SAMPLES.get(name, '')})"
        )

    def maybe_get_dim(self, name: str) -> Optional[int]:
        """The dim, or None when it is unknown or not set."""
        return self._dims.get(name)

    def set_dim(self, name: str, value: Optional[int], *, force: bool = False) -> None:
        """Set a dim of the node.

        value: positive int; None un-sets it.
        force: allow another value than the one it has, as long as no parameter is allocated.
        RAISES: KeyError when there is no such dim; ValueError when it has another value already.
        """
        if name not in self._dims:
            raise NodeKeyError(f"set_dim: dim must be one of {list(self._dims)} of node {self._label()}; got {name!r}")
        if value is not None:
            value = checked_dim(self.name, name, value)
        old = self._dims[name]
        if old is not None and old != value:
            if not force or any(self._has_params.values()):
                hint = "its parameters are allocated" if force else "force=True changes it before initialize()"
                raise ValueError(
                    f"set_dim: dim {name!r} of node {self._label()} is {old} already; got {value} ({hint})"
                )
        self._dims[name] = value

    def has_param(self, name: str) -> Optional[bool]:
        """True when allocated, None when not allocated yet, False when the node has no such parameter."""
        if name not in self._has_params:
            return False
        return True if self._has_params[name] else None

    def get_param(self, name: str) -> Any:
        """The live array of a parameter. RAISES: KeyError when it does not exist or is not allocated yet."""
        server = self._params
        if server.proxy is None:
            try:
                return server._params[self.id, name]
            except KeyError:
                pass
        return self._get_param_slowly(name)

    def _get_param_slowly(self, name: str) -> Any:
        if name not in self._has_params:
            raise NodeKeyError(
                f"get_param: parameter must be one of {list(self._has_params)} of node {self._label()}; got {name!r}"
            )
        if not self._has_params[name]:
            raise NodeKeyError(
                f"get_param: parameter {name!r} of node {self._label()} is not allocated yet; "
                "call initialize() on the whole model first"
            )
        return self._params.get_param(self.id, name)

    def maybe_get_param(self, name: str) -> Any:
        """The live array, or None when it does not exist or is not allocated."""
        return self.get_param(name) if self._has_params.get(name) else None

    def set_param(self, name: str, value: Optional[Any]) -> None:
        """Set a parameter (stored as it is, not copied), registering the name; None un-sets it.

        RAISES: ValueError when the layer says which dims its shape is made of, and it has another shape.
        """
        if value is None:
            self._has_params[name] = None
            self._params.del_param(self.id, name)
        else:
            self._check_shape("set_param", name, value, self.shape_of_param(name, self._dims))
            self._params.set_param(self.id, name, value)
            self._has_params[name] = True

    def shape_of_param(self, name: str, dims: Mapping[str, Optional[int]]) -> Optional[Tuple[int, ...]]:
        """The shape that dims imply for a parameter, or None when nothing says so.

        A layer says it with an attribute `param_shapes` on its init function, {"W": ("nO", "nI")}.
        """
        init = self.init
        shapes = getattr(init, "param_shapes", None) or getattr(getattr(init, "func", None), "param_shapes", None)
        sizes = tuple(dims.get(dim) or self._dims.get(dim) for dim in shapes[name]) if shapes and name in shapes else ()
        return sizes if sizes and None not in sizes else None  # type: ignore[return-value]

    def _check_shape(self, method: str, name: str, value: Any, expected: Any) -> None:
        got = getattr(value, "shape", None)
        if expected is not None and got is not None and tuple(got) != tuple(expected):
            what = "parameter" if method == "set_param" else "gradient of"
            raise ValueError(
                f"{method}: {what} {name!r} of node {self._label()} must have shape {tuple(expected)}; got {tuple(got)}"
            )

    def has_grad(self, name: str) -> bool:
        """Has a gradient been set or added? One of zeros counts."""
        return (self.id, name) in self._params._grads

    def get_grad(self, name: str) -> Any:
        """The live gradient. RAISES: KeyError when there is none."""
        try:
            return self._params.get_grad(self.id, name)
        except KeyError:
            raise NodeKeyError(
                f"get_grad: parameter {name!r} of node {self._label()} has no gradient yet (call the callback "
                "that begin_update returned)"
            ) from None

    def maybe_get_grad(self, name: str) -> Any:
        """The live gradient, or None when there is none."""
        return self._params.get_grad(self.id, name) if self.has_grad(name) else None

    def set_grad(self, name: str, value: Any) -> None:
        """Replace the gradient of a parameter, by an array of its shape or a number."""
        self._check_shape("set_grad", name, value, getattr(self._params._params.get((self.id, name)), "shape", None))
        self._params.set_grad(self.id, name, value)

    def inc_grad(self, name: str, value: Any) -> None:
        """Add to the gradient of a parameter; the first value is copied, later ones are added in place.

        RAISES: ValueError when the shape is not that of the parameter.
        """
        server = self._params
        if server.proxy is None and not server._marks:
            grad = server._grads.get((self.id, name))
            try:
                if grad.shape == value.shape:  # type: ignore[union-attr]
                    grad += value
                    return
            except AttributeError:
                pass  # no gradient yet, or a plain number on either side
        self._inc_grad_slowly(name, value)

    def _inc_grad_slowly(self, name: str, value: Any) -> None:
        for known in (self._params._grads.get((self.id, name)), self._params._params.get((self.id, name))):
            self._check_shape("inc_grad", name, value, getattr(known, "shape", None))
        self._params.inc_grad(self.id, name, value)

    def grad_buffer(self, name: str) -> Any:
        """The array in which a parameter's gradient adds up, made of zeros on first use; `+=` on it equals inc_grad.

        Only without a proxy (has_grad_proxy): a remote gradient has no local buffer.
        """
        key, server = (self.id, name), self._params
        if server._marks:
            server._marks.pop(key, None)
        grad = server._grads.get(key)
        if grad is None or not hasattr(grad, "shape"):
            param = self.get_param(name)
            buffer = self.ops.alloc(param.shape, dtype=param.dtype)
            if grad is not None:
                buffer += grad
            grad = server._grads[key] = buffer
        return grad

    def marked_grad_buffer(self, name: str) -> Tuple[Any, Any]:
        """grad_buffer, and its marks (see Ops.apply_gradients) for the caller to set; None for marks when there are
        none: it is not on the CPU, or somebody else has got hold of it, from get_grad for instance."""
        key, server = (self.id, name), self._params
        marks = server.get_marks(key)
        if marks is not None:
            return server._grads[key], marks
        is_new = key not in server._grads
        grad = self.grad_buffer(name)
        if is_new and self.ops.device_type == "cpu":
            marks = self.ops.xp.zeros(line_bytes(grad.size), dtype="uint8")
            server.set_marks(key, marks)
        return grad, marks

    def get_gradients(self) -> Dict[KeyT, Tuple[Any, Any]]:
        """(parameter, gradient) of the whole tree under (node id, name)."""
        return {
            (node.id, name): (node.get_param(name), node.get_grad(name))
            for node in _model_tree.walk_bfs(cast("Model", self))
            for name in node.grad_names
        }

    def has_ref(self, name: str) -> Optional[bool]:
        """True when set, None when not set, False when the node has no such reference."""
        if name not in self._refs:
            return False
        return True if self._refs[name] is not None else None

    def get_ref(self, name: str) -> "Model":
        """The node referred to. RAISES: KeyError when there is no such reference; ValueError when it is not set."""
        if name not in self._refs:
            raise NodeKeyError(f"get_ref: ref must be one of {list(self._refs)} of node {self._label()}; got {name!r}")
        value = self._refs[name]
        if value is None:
            raise ValueError(f"get_ref: ref {name!r} of node {self._label()} is not set (call set_ref)")
        return value

    def maybe_get_ref(self, name: str) -> Optional["Model"]:
        """The node referred to, or None."""
        return self._refs.get(name)

    def set_ref(self, name: str, value: Optional["Model"]) -> None:
        """Refer to a node of this tree under a name, registering the name; None un-sets it."""
        if value is not None and not any(node is value for node in _model_tree.walk_bfs(cast("Model", self))):
            raise ValueError(
                f"set_ref: ref {name!r} of node {self._label()} must be the node itself or lie below it; "
                f"got {getattr(value, 'name', value)!r}"
            )
        self._refs[name] = value

    def _label(self) -> str:
        return short_name(self.name)
