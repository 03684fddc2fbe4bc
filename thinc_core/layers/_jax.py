"""Pure JAX functions, compiled once per kind of batch: trees of arrays as named parameters, rows padded."""

from typing import Any, Callable, Dict, Hashable, List, NamedTuple, Optional, Sequence, Tuple

import numpy

from ..errors import KindError

INSTALL = "pip install 'thinc_core[jax]'"


def import_jax() -> Any:
    """The package. RAISES: ImportError with the command that installs it."""
    try:
        import jax
    except ImportError as error:
        raise ImportError(f"jax: the package jax must be installed: {INSTALL}") from error
    return jax


class Structure:
    """How parameters, which a node has under their names, make up the tree that the function takes. Never changed."""

    def __init__(self, names: Tuple[str, ...], treedef: Any) -> None:
        self.names, self.treedef = names, treedef

    def __deepcopy__(self, memo: Any) -> "Structure":
        return self


def named_leaves(params: Any) -> Tuple[Structure, Dict[str, Any]]:
    """A tree of arrays as arrays of NumPy by name, copied; the names are the keys on the way, as in "Dense_0.kernel".

    RAISES: TypeError for what is no array of plain numbers; ValueError for names that are not unique.
    """
    jax = import_jax()
    found, treedef = jax.tree_util.tree_flatten_with_path(params)
    arrays: Dict[str, Any] = {}
    for path, leaf in found:
        name = ".".join(_key(step) for step in path) or "params"
        dtype = getattr(leaf, "dtype", None) if not isinstance(leaf, (int, float)) else numpy.result_type(leaf)
        if getattr(dtype, "kind", "V") not in "fiub":
            hint = "for an Equinox module, params, static = equinox.partition(module, equinox.is_array)"
            kind = type(leaf).__name__ if dtype is None else f"an array of {dtype}"
            raise KindError(
                f"jax: params must be a tree of arrays of floats or integers; got {kind} at {name!r} ({hint})"
            )
        if name in arrays:
            raise ValueError(f"jax: the names of params must be unique; got {name!r} twice")
        arrays[name] = numpy.array(leaf)
    return Structure(tuple(arrays), treedef), arrays


def _key(step: Any) -> str:
    """The key, index or attribute of one step from a tree to a leaf."""
    for name in ("key", "idx", "name"):
        if hasattr(step, name):
            return str(getattr(step, name))
    return str(step)


class Layout(NamedTuple):
    """What a compiled function is specialised to, besides shapes: how its arguments are built, what is no array."""

    params: Any  # the treedef of the parameters
    n_params: int
    args: Any  # the treedef of (args, kwargs)
    kinds: Tuple[str, ...]  # of the leaves, first those of the parameters: "float", "other" or "static"
    static: Tuple[Tuple[type, Hashable], ...]  # with their types, as 1, 1.0 and True are equal


class JaxFunction:
    """A pure function f(params, *args, **kwargs), or f(*args, **kwargs), and what JAX compiles it to.

    Copies of a layer share it, and with it what was compiled.
    """

    def __init__(self, function: Callable[..., Any], takes_params: bool) -> None:
        self.function, self.takes_params = function, takes_params
        self._compiled: Optional[Tuple[Callable, Callable, Callable]] = None

    def __deepcopy__(self, memo: Any) -> "JaxFunction":
        return self

    def __getstate__(self) -> Dict[str, Any]:
        return {**self.__dict__, "_compiled": None}

    def predict(self, layout: Layout, leaves: Sequence[Any]) -> Any:
        """The output, a tree of JAX arrays."""
        return self._functions()[0](layout, *_by_kind(layout, leaves))

    def begin_update(self, layout: Layout, leaves: Sequence[Any]) -> Tuple[Any, Callable[[List[Any]], List[Any]]]:
        """The output, and a callback from the gradients of its float leaves to those of the float leaves given."""
        _, forward, backward = self._functions()
        Y, pullback = forward(layout, *_by_kind(layout, leaves))
        return Y, lambda dYs: backward(pullback, dYs)

    def _functions(self) -> Tuple[Callable, Callable, Callable]:
        if self._compiled is None:
            jax = import_jax()

            def call(layout: Layout, floats: List[Any], others: List[Any]) -> Any:
                args, kwargs = jax.tree_util.tree_unflatten(layout.args, _merged(layout, floats, others))
                if not self.takes_params:
                    return self.function(*args, **kwargs)
                params = _merged(layout, floats, others, params=True)
                return self.function(jax.tree_util.tree_unflatten(layout.params, params), *args, **kwargs)

            def forward(layout: Layout, floats: List[Any], others: List[Any]) -> Any:
                def run(floats: List[Any]) -> Any:
                    Y = call(layout, floats, others)
                    return [leaf for leaf in jax.tree_util.tree_leaves(Y) if is_float(leaf)], Y

                _, pullback, Y = jax.vjp(run, floats, has_aux=True)
                return Y, pullback

            self._compiled = (
                jax.jit(call, static_argnums=0),
                jax.jit(forward, static_argnums=0),
                jax.jit(lambda pullback, dYs: pullback(dYs)[0]),
            )
        return self._compiled


def is_float(leaf: Any) -> bool:
    dtype = leaf.dtype
    return getattr(dtype, "kind", "") == "f" or str(dtype) == "bfloat16"


def layout_of(structure: Structure, params: List[Any], args: Tuple[Any, Any]) -> Tuple[Layout, List[Any]]:
    """The layout of a call, and its leaves: the parameters, then those of the arguments."""
    given, treedef = import_jax().tree_util.tree_flatten(args)
    leaves = [*params, *given]
    kinds = ["static" if not hasattr(leaf, "dtype") else "float" if is_float(leaf) else "other" for leaf in leaves]
    static = tuple((type(leaf), leaf) for leaf in given if not hasattr(leaf, "dtype"))
    return Layout(structure.treedef, len(params), treedef, tuple(kinds), static), leaves


def _by_kind(layout: Layout, leaves: Sequence[Any]) -> Tuple[List[Any], List[Any]]:
    floats = [leaf for leaf, kind in zip(leaves, layout.kinds) if kind == "float"]
    return floats, [leaf for leaf, kind in zip(leaves, layout.kinds) if kind == "other"]


def _merged(layout: Layout, floats: List[Any], others: List[Any], params: bool = False) -> List[Any]:
    """The leaves of the arguments, or of the parameters, in their order."""
    sources = {"float": iter(floats), "other": iter(others), "static": (leaf for _, leaf in layout.static)}
    leaves = [next(sources[kind]) for kind in layout.kinds]
    return leaves[: layout.n_params] if params else leaves[layout.n_params :]


class Padding:
    """Rows added to a batch, so that a function is compiled for a few sizes and not for every one.

    What is added repeats the last row, as a row of zeros may have no gradient (dividing by its norm, say).
    """

    def __init__(self, buckets: Optional[Sequence[int]], leaves: Sequence[Any]) -> None:
        self.rows = self.size = 0
        if buckets:
            sizes = {leaf.shape[0] for leaf in leaves if getattr(leaf, "ndim", 0)}
            if len(sizes) != 1:
                raise ValueError(f"jax: with buckets all arrays must have the same number of rows; got {sorted(sizes)}")
            self.rows = sizes.pop()
            self.size = bucket(buckets, self.rows)

    def grow(self, array: Any, repeat: bool = True) -> Any:
        """The array with the rows that are missing; zeros without `repeat`, for gradients."""
        if self.size == self.rows or not getattr(array, "ndim", 0):
            return array
        xp = numpy if isinstance(array, numpy.ndarray) else import_cupy()
        more = xp.zeros((self.size - self.rows, *array.shape[1:]), dtype=array.dtype)
        if repeat:
            more[:] = array[-1]
        return xp.concatenate([array, more])

    def cut(self, array: Any) -> Any:
        """The array without the rows that were added."""
        grown = self.size != self.rows and array.ndim and array.shape[0] == self.size
        return array[: self.rows] if grown else array


def import_cupy() -> Any:
    import cupy

    return cupy


def bucket(sizes: Sequence[int], rows: int) -> int:
    """The smallest of the sizes, which increase, that holds the rows; beyond the last its next multiple."""
    if rows == 0:
        return 0  # there is no row to repeat
    for size in sizes:
        if rows <= size:
            return size
    return -(-rows // sizes[-1]) * sizes[-1]
