"""What layers share that run another framework: batches as arguments, arrays inside nested batches."""

from typing import Any, Callable

from ..types import ArgsKwargs, Padded, Ragged


def map_batch(function: Callable[[Any], Any], X: Any) -> Any:
    """The same structure with function(array) for every array in lists, tuples, dicts, ArgsKwargs, Ragged, Padded."""
    if isinstance(X, (list, tuple)):
        return type(X)(map_batch(function, item) for item in X)
    if isinstance(X, dict):
        return {key: map_batch(function, item) for key, item in X.items()}
    if isinstance(X, ArgsKwargs):
        return ArgsKwargs(map_batch(function, tuple(X.args)), map_batch(function, X.kwargs))
    if isinstance(X, Ragged):
        return Ragged(function(X.dataXd), X.lengths)
    if isinstance(X, Padded):
        return Padded(function(X.data), X.size_at_t, X.lengths, X.indices)
    return function(X) if hasattr(X, "dtype") else X


def as_args(X: Any) -> ArgsKwargs:
    """A batch as the arguments of a call: a dict by name, a list or tuple in order, anything else as the only one."""
    if isinstance(X, ArgsKwargs):
        return X
    if isinstance(X, dict):
        return ArgsKwargs(args=(), kwargs=X)
    return ArgsKwargs(args=tuple(X) if isinstance(X, (list, tuple)) else (X,), kwargs={})


def like_inputs(X: Any, gradients: ArgsKwargs) -> Any:
    """The gradients of the arguments that as_args(X) gave, in the kind of X; those of a list as a tuple."""
    if isinstance(X, ArgsKwargs):
        return gradients
    if isinstance(X, dict):
        return gradients.kwargs
    return tuple(gradients.args) if isinstance(X, (list, tuple)) else gradients.args[0]
