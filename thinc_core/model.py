"""Model: a function that returns its output and a callback that back-propagates, with its parameters and children."""

import contextlib
import copy
import threading
from functools import partial
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Generic,
    Iterable,
    Iterator,
    List,
    Optional,
    Sequence,
    Tuple,
    TypeVar,
    Union,
)

from . import _model_io, _model_tree, _updates
from ._marks import backprop_without_dX
from ._model_io import FilePath, deserialize_attr, serialize_attr
from ._model_operators import Operators, context_operators  # noqa: F401
from ._model_values import NodeValues, checked_dim
from .backends import get_current_ops
from .backends._param_server import ParamServer
from .errors import add_node_to_error
from .util import DATA_VALIDATION, validate_fwd_input_output

if TYPE_CHECKING:
    from .backends import Ops
    from .shims import Shim

InT = TypeVar("InT")
OutT = TypeVar("OutT")
SelfT = TypeVar("SelfT", bound="Model")
KeyT = Tuple[int, str]

__all__ = [
    "Model",
    "change_attr_values",
    "deserialize_attr",
    "serialize_attr",
    "set_dropout_rate",
    "wrap_model_recursive",
]


def empty_init(model: "Model", X: Any = None, Y: Any = None) -> "Model":
    """What initialize() calls when a node has no init of its own."""
    return model


class Model(NodeValues, Operators, Generic[InT, OutT]):
    """A node of a model: forward function, dims, parameters, attributes, references and child nodes.

    name: free text, need not be unique.
    forward: forward(model, X, is_train) -> (Y, backprop), where backprop(dY) -> dX.
    init: init(model, X=None, Y=None), called by initialize(); sets dims and parameters.
    dims, params, refs: what the node has; None stands for "not known yet".
    layers: child nodes; the same object may stand in it more than once.
    shims: wrapped models of other frameworks.
    attrs: any other values; those that can be serialised are saved with the model.
    ops: backend; None means the current one.
    """

    global_id: int = 0
    global_id_lock: threading.Lock = threading.Lock()

    name: str
    id: int
    ops: "Ops"
    _func: Callable[..., Any]
    init: Optional[Callable[..., Any]]
    _params: ParamServer
    _dims: Dict[str, Optional[int]]
    _attrs: Dict[str, Any]
    _refs: Dict[str, Optional["Model"]]
    _layers: List["Model"]
    _shims: List["Shim"]
    _has_params: Dict[str, Optional[bool]]

    __slots__ = (  # noqa: RUF023 (the order is part of the contract)
        "name",
        "id",
        "ops",
        "_func",
        "init",
        "_params",
        "_dims",
        "_attrs",
        "_refs",
        "_layers",
        "_shims",
        "_has_params",
    )

    def __init__(
        self,
        name: str,
        forward: Callable[..., Any],
        *,
        init: Optional[Callable[..., Any]] = None,
        dims: Dict[str, Optional[int]] = {},  # noqa: B006
        params: Dict[str, Optional[Any]] = {},  # noqa: B006
        layers: Sequence["Model"] = [],
        shims: Sequence["Shim"] = [],
        attrs: Dict[str, Any] = {},  # noqa: B006
        refs: Dict[str, Optional["Model"]] = {},  # noqa: B006
        ops: Optional["Ops"] = None,
    ) -> None:
        self.name = name
        self.id = Model._next_id()
        self.ops = get_current_ops() if ops is None else ops
        self._func = forward
        self.init = empty_init if init is None else init
        self._dims = {dim: None if size is None else checked_dim(name, dim, size) for dim, size in dims.items()}
        self._attrs = dict(attrs)
        self._refs = dict(refs)
        self._layers = list(layers)
        self._shims = list(shims)
        self._has_params = {}
        self._params = ParamServer()
        for param, value in params.items():
            self.set_param(param, value)

    @classmethod
    def _next_id(cls) -> int:
        """A number no other node or shim of this process has; both count here, as optimizers key on it."""
        with Model.global_id_lock:
            Model.global_id += 1
            return Model.global_id

    # Running. These are the hot path: no checks and no indirection. A `try` costs nothing from Python 3.11 on.

    def __call__(self, X: InT, is_train: bool) -> Tuple[OutT, Callable[[Any], Any]]:
        """Run forward. RETURNS: the output and the backprop callback."""
        try:
            return self._func(self, X, is_train)
        except Exception as error:
            add_node_to_error(error, self, X)
            raise

    def begin_update(self, X: InT, *, needs_dX: bool = True) -> Tuple[OutT, Callable[[Any], Any]]:
        """Run forward for training. RETURNS: the output and the callback that takes dY and returns dX.

        needs_dX: False when nobody reads dX, the gradient of X: the callback then returns None, and a first layer that
            multiplies X by weights leaves out that product, a third of the time of a dense one.
        """
        try:
            Y, backprop = self._func(self, X, True)
        except Exception as error:
            add_node_to_error(error, self, X)
            raise
        return Y, backprop if needs_dX else partial(backprop_without_dX, self, backprop)

    def predict(self, X: InT) -> OutT:
        """Run forward and return only the output."""
        try:
            return self._func(self, X, False)[0]
        except Exception as error:
            add_node_to_error(error, self, X)
            raise

    def initialize(self, X: Optional[InT] = None, Y: Optional[OutT] = None) -> "Model[InT, OutT]":
        """Work out unset dims, from sample data if given, and allocate the parameters. May be called again."""
        if DATA_VALIDATION.get():
            validate_fwd_input_output(self.name, self._func, X, Y)
        if self.init is not None:
            try:
                self.init(self, X=X, Y=Y)
            except Exception as error:
                add_node_to_error(error, self)
                raise
        return self

    def finish_update(self, optimizer: Callable[..., Any]) -> None:
        """Update every parameter that has a gradient: param, grad = optimizer((node id, name), param, grad).

        An Optimizer of this library gets all of them at once.
        """
        nodes = _model_tree.nodes_of(self)
        for shim in [shim for node in nodes if node._shims for shim in node._shims]:
            shim.finish_update(optimizer)
        _updates.finish_update(self, nodes, optimizer)

    @contextlib.contextmanager
    def use_params(self, params: Dict[KeyT, Any]) -> Iterator[None]:
        """Swap in other parameters, such as optimizer.averages, until the block ends (by an exception too).

        params: arrays under (node id, name); keys that no node of this tree has are ignored.
        """
        with contextlib.ExitStack() as stack:
            for node in list(_model_tree.walk_bfs(self)):
                for name in node._has_params:
                    new = params.get((node.id, name))
                    if new is not None and node.has_param(name):
                        stack.callback(node.set_param, name, node.get_param(name))
                        node.set_param(name, new)
                for shim in node._shims:
                    stack.enter_context(shim.use_params(params))
            yield

    # The tree.

    def walk(self, *, order: str = "bfs") -> Iterable["Model"]:
        """Every node of the tree once, itself included. order: "bfs", "dfs_pre" or "dfs_post"."""
        if order == "bfs":
            return self._walk_bfs()
        if order == "dfs_pre":
            return self._walk_dfs()
        if order == "dfs_post":
            return self._walk_dfs(post_order=True)
        raise ValueError(f"walk: Invalid order, must be 'bfs', 'dfs_pre' or 'dfs_post'; got {order!r}")

    def _walk_bfs(self) -> Iterator["Model"]:
        return _model_tree.walk_bfs(self)

    def _walk_dfs(self, post_order: bool = False) -> Iterator["Model"]:
        return _model_tree.walk_dfs(self, post_order)

    def remove_node(self, node: "Model") -> None:
        """Remove a node from all layers of the tree, and unset the references that then point outside it."""
        _model_tree.remove_node(self, node)

    def replace_node(self, old: "Model", new: "Model") -> bool:
        """Put new in the place of old in all layers and references. RETURNS: whether old was found."""
        return _model_tree.replace_node(self, old, new)

    def replace_callbacks(self, forward: Callable[..., Any], *, init: Optional[Callable[..., Any]] = None) -> None:
        """Replace the forward and init functions of this node; init=None leaves it without one."""
        self._func = forward
        self.init = init

    def copy(self) -> "Model[InT, OutT]":
        """Copy of the tree with parameters, gradients, attributes, references and shims of its own and new ids."""
        return self._copy()

    def _copy(self, seen: Optional[Dict[int, Any]] = None) -> "Model[InT, OutT]":
        return _model_tree.copy_tree(self, {} if seen is None else seen)

    def __getstate__(self) -> Tuple[Dict[str, Any], Dict[str, Any]]:
        slots = {name: getattr(self, name) for name in Model.__slots__}
        return slots, dict(getattr(self, "__dict__", {}))

    def __setstate__(self, state: Tuple[Dict[str, Any], Dict[str, Any]]) -> None:
        # A copy lives beside its original, so it needs an id of its own: optimizers keep their state by id.
        slots, extra = state
        for name, value in {**slots, **extra}.items():
            setattr(self, name, value)
        self.id = Model._next_id()
        self._params = _model_tree.rekey(slots["_params"], slots["id"], self.id)

    def __deepcopy__(self: SelfT, memo: Dict[int, Any]) -> SelfT:
        new = memo[id(self)] = type(self).__new__(type(self))
        memo[id(self.ops)] = self.ops
        new.__setstate__(copy.deepcopy(self.__getstate__(), memo))
        return new

    # Devices.

    def to_gpu(self, gpu_id: int) -> Any:
        """Move parameters, gradients and shims to a CUDA device, but for what with_cpu keeps back.

        RETURNS: the CuPy device.
        """
        from .backends import CupyOps
        from .util import gpu_device

        device = gpu_device(gpu_id)
        with device:
            self._to_ops(CupyOps(device_id=gpu_id))
        return device

    def to_cpu(self) -> None:
        """Move parameters, gradients and shims to the CPU."""
        from .backends import NumpyOps

        self._to_ops(NumpyOps())

    def _to_ops(self, ops: "Ops") -> None:
        """Use this backend for every node and move all arrays to it; they keep their dtype."""
        for node in _model_tree.nodes_to_move(self, ops.device_type):
            node.ops = ops
            for name in node.param_names:
                if node.has_param(name):
                    param = node.get_param(name)
                    node.set_param(name, ops.asarray(param, dtype=param.dtype))
                if node.has_grad(name):
                    grad = node.get_grad(name)
                    node.set_grad(name, ops.asarray(grad, dtype=grad.dtype) if hasattr(grad, "dtype") else grad)
            for shim in node.shims:
                shim.to_device(ops.device_type, ops.device_id)

    # Serialisation.

    def to_dict(self) -> Dict[str, Any]:
        """The whole tree as lists of plain values and live arrays, one entry per node in breadth-first order."""
        return _model_io.to_dict(self)

    def to_bytes(self) -> bytes:
        """The whole tree as msgpack."""
        return _model_io.to_bytes(self)

    def to_disk(self, path: Union[FilePath, str]) -> None:
        """Write to_bytes() to a file. A file of that name is replaced only when all is written.

        path: a string, a path, or any object with .open("wb").
        """
        _model_io.write_file(path, self.to_bytes())

    def from_dict(self: SelfT, msg: Dict[str, Any]) -> SelfT:
        """Load what to_dict gave; nodes are matched by position. RAISES: ModelLoadError, the model then unchanged."""
        _model_io.from_dict(self, msg)
        return self

    def from_bytes(self: SelfT, bytes_data: bytes) -> SelfT:
        """Load what to_bytes gave. RAISES: ModelLoadError, the model then unchanged."""
        return self.from_dict(_model_io.parse(bytes_data, self.ops))

    def from_disk(self: SelfT, path: Union[FilePath, str]) -> SelfT:
        """Load what to_disk wrote. RAISES: ModelLoadError naming the file, the model then unchanged."""
        with _model_io.naming_file(path):
            return self.from_bytes(_model_io.read_file(path))

    def can_from_dict(self, msg: Dict[str, Any], *, strict: bool = True) -> bool:
        """Would from_dict fit? strict also compares names and attributes."""
        return _model_io.can_from_dict(self, msg, strict)

    def can_from_bytes(self, bytes_data: bytes, *, strict: bool = True) -> bool:
        """Would from_bytes fit?"""
        try:
            msg = _model_io.parse(bytes_data, self.ops)
        except ValueError:
            return False
        return self.can_from_dict(msg, strict=strict)

    def can_from_disk(self, path: Union[FilePath, str], *, strict: bool = True) -> bool:
        """Would from_disk fit? False when there is no such file."""
        try:
            data = _model_io.read_file(path)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return False
        return self.can_from_bytes(data, strict=strict)


_ModelT = TypeVar("_ModelT", bound=Model)


def change_attr_values(model: _ModelT, mapping: Dict[str, Dict[str, Any]]) -> _ModelT:
    """Set attributes by node name: {name: {attr: value}}. Attributes that a node does not have are left alone."""
    for node in model.walk():
        for attr, value in mapping.get(node.name, {}).items():
            if attr in node.attrs:
                node.attrs[attr] = value
    return model


def set_dropout_rate(model: _ModelT, drop: float, attrs: Sequence[str] = ["dropout_rate"]) -> _ModelT:
    """Set the dropout probability of every node that has one of these attributes."""
    for node in model.walk():
        for attr in attrs:
            if attr in node.attrs:
                node.attrs[attr] = drop
    return model


def wrap_model_recursive(model: Model, wrapper: Callable[[Model], Model]) -> Model:
    """Replace every node by wrapper(node), and return wrapper(model); each node is wrapped once."""
    for node in list(model.walk()):
        if node is not model:
            model.replace_node(node, wrapper(node))
    return wrapper(model)
